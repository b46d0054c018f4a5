import type { Split } from '../evaluator.ts'
import {
  type ArrayTaskOptions,
  arrayInputs,
  arrayMembers,
  exampleStrata,
  reservedColumns,
  runExamples,
  type TargetSource,
  type TaskData,
} from './array-task.ts'
import { FactsRoom } from './facts-room.ts'
import { countsOf, type Members } from './members.ts'
import type { RowSource } from './rows.ts'
import type { OutputArray, PlannedTask, TaskContext } from './tasks/task.ts'

/** What a task of arrays is run with. */
export interface ArrayFrame {
  readonly members: Members
  readonly counts: PlannedTask['counts']
  readonly sources: Readonly<Record<Split, RowSource>>
}

/** What the examples of a task are counted by. */
export interface Counted {
  /** Where it comes from: its columns must not reach the graph. */
  readonly source: TargetSource
  readonly length: number
  /** For messages: `labels`. */
  readonly what: string
  /** Groups of the examples that splits and prefixes hold in proportion. Default: those of "stratify", or one. */
  readonly strata?: readonly (number | string)[] | undefined
}

/** Which examples are in which split, and the rows that fill the graph's inputs. @throws {ConfigError | FormatError} */
export async function arrayFrame(
  options: ArrayTaskOptions,
  data: TaskData,
  { source, length, what, strata }: Counted,
  context: TaskContext,
): Promise<ArrayFrame> {
  const groups = strata ?? exampleStrata(options, data, length)
  const members = await arrayMembers(options, data, groups, what, context)
  const reserved = reservedColumns(options, source)
  const sources = await arrayInputs(options, data, members, length, what, reserved, context)
  return { members, counts: countsOf(members), sources }
}

/**
 * Facts that are an output's numbers as they are, `width` per example.
 * @param check throws unless the output has them for `count` rows
 */
export function measureOutput(
  { sources }: ArrayFrame,
  output: string,
  width: number,
  check: (found: OutputArray, count: number) => void,
): PlannedTask['measure'] {
  return async (runner, split, examples, _, room = new FactsRoom()) => {
    const values = room.take(examples.length * width)
    await runExamples(runner, sources[split], examples, [output], ([found], first, count) => {
      check(found!, count)
      values.set(found!.data.subarray(0, count * width), first * width)
    })
    return { examples, width, values }
  }
}
