import { ConfigError } from '../errors.ts'
import { type Objective, toLoss } from '../objective.ts'
import { unknownName } from '../space/genome-problems.ts'
import type { ObjectiveChoice } from './resolved.ts'

/**
 * The objectives a run optimises: those of the evaluator that the config names, in the config's order, with its references.
 * @returns them, and for each its position among the evaluator's.
 * @throws {ConfigError} for an unknown name, or a reference that is not worse than the ideal.
 */
export function selectObjectives(
  available: readonly Objective[],
  choices: readonly ObjectiveChoice[] | undefined,
): { readonly objectives: readonly Objective[]; readonly positions: readonly number[] } {
  if (choices === undefined) return { objectives: available, positions: available.map((_, i) => i) }
  const names = available.map(objective => objective.name)
  const positions = choices.map(({ name }, i) => {
    const position = names.indexOf(name)
    if (position < 0) throw new ConfigError(`objectives[${i}]: ${unknownName('objective', name, names)}`)
    if (choices.findIndex(other => other.name === name) < i)
      throw new ConfigError(`objectives[${i}]: "${name}" is listed twice`)
    return position
  })
  const objectives = positions.map((position, i) => {
    const objective = available[position]!
    const reference = choices[i]!.reference
    if (reference === undefined) return objective
    if (objective.ideal !== undefined && toLoss(objective, reference) <= toLoss(objective, objective.ideal)) {
      throw new ConfigError(
        `objectives[${i}].reference: expected a value worse than the best possible, ${objective.ideal} (${objective.direction}), got ${reference}`,
      )
    }
    return { ...objective, reference }
  })
  return { objectives, positions }
}
