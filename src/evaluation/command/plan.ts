import type { Objective } from '../../objective.ts'
import type { Split } from '../evaluator.ts'
import type { ListedExample } from '../example-list.ts'
import type { AnsweredObjective } from './answer.ts'
import type { CommandOptions } from './options.ts'

/** An evaluator of a program made ready: files read, options checked. */
export interface CommandPlan {
  readonly id: string
  readonly options: CommandOptions
  readonly objectives: readonly AnsweredObjective[]
  /** Per split and objective, the examples in the order in which candidates see them; absent: the program has its own. */
  readonly listed?: Readonly<Record<Split, readonly (readonly ListedExample[])[]>> | undefined
}

export function answeredObjectives(options: CommandOptions): readonly AnsweredObjective[] {
  const hasExamples = options.examples !== undefined || options.mode === 'warm'
  return options.objectives.map(({ name, direction, unit, reference, ideal, value, range }) => {
    const objective: Objective = {
      name,
      direction,
      unit,
      reference,
      ...(ideal !== undefined && { ideal }),
      ...(value === 'mean' &&
        hasExamples && { perExample: range === undefined ? {} : { low: range[0], high: range[1] } }),
    }
    return { objective, value, range }
  })
}
