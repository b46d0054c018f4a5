import { z } from 'zod'
import { readRecords } from '../../data/read-records.ts'
import type { Records } from '../../data/records.ts'
import type { Split } from '../../evaluator.ts'
import { countsOf, type Members, orderMembers, perSplit, recordSplits, recordStrata } from '../members.ts'
import {
  headShape,
  mapHeadPaths,
  nameSchema,
  outputSchema,
  pathSchema,
  splitSchema,
  stratifySchema,
} from '../options-shared.ts'
import type { PlannedTask, TaskContext } from '../tasks/task.ts'
import { type LanguageGraph, planLanguageGraph } from './language-graph.ts'
import { mapTextPaths, textSchema } from './text-options.ts'
import type { TokenRow } from './token-rows.ts'

/** Tasks whose examples are records with texts, which a causal language model reads. */

/** Keys that all these tasks have. */
export const textTaskShape = {
  name: nameSchema,
  data: pathSchema.describe('Records: .jsonl, .csv or .parquet, also .gz; or .txt, one text a line.'),
  split: splitSchema,
  stratify: stratifySchema,
  text: textSchema.optional().describe('Replaces single keys of the evaluator’s "text".'),
  output: outputSchema.optional(),
  ...headShape,
}
const shape = z.strictObject(textTaskShape)
export type TextTaskOptions = z.infer<typeof shape>

export function mapTextTaskPaths<T extends TextTaskOptions>(options: T, change: (path: string) => string): T {
  return {
    ...options,
    data: change(options.data),
    ...mapHeadPaths(options, change),
    ...(options.text === undefined ? {} : { text: mapTextPaths(options.text, change) }),
  }
}

/** What all these tasks are planned with. */
export interface TextTask {
  readonly graph: LanguageGraph
  readonly records: Records
  readonly members: Members
  readonly counts: PlannedTask['counts']
}

/** @throws {ConfigError | EvaluatorError | FormatError} */
export async function openTextTask(options: TextTaskOptions, context: TaskContext): Promise<TextTask> {
  const { where, files } = context
  const graph = await planLanguageGraph(options.text, options.output, context)
  const records = await readRecords(files, options.data, `${where}: data file`)
  const strata = recordStrata(records, options.stratify)
  const members = orderMembers(strata, recordSplits(records, options.split, strata), options.name, where)
  return { graph, records, members, counts: countsOf(members) }
}

/** Rows of the examples of a split; those of example e are [starts[e], starts[e + 1]). */
export interface ExampleRows {
  readonly rows: readonly TokenRow[]
  readonly starts: Int32Array
}

/** @param rowsOf what a record is run as: at least one row */
export function exampleRows(
  members: Members,
  rowsOf: (record: number) => readonly TokenRow[],
): Readonly<Record<Split, ExampleRows>> {
  return perSplit(split => {
    const rows: TokenRow[] = []
    const starts = new Int32Array(members[split].length + 1)
    members[split].forEach((record, example) => {
      rows.push(...rowsOf(record))
      starts[example + 1] = rows.length
    })
    return { rows, starts }
  })
}

/** Rows of these examples, example by example. */
export function rowsOfExamples({ starts }: ExampleRows, examples: Int32Array): Int32Array {
  const wanted: number[] = []
  for (const example of examples) for (let row = starts[example]!; row < starts[example + 1]!; row++) wanted.push(row)
  return Int32Array.from(wanted)
}
