import { z } from 'zod'
import { ConfigError, nearest, show } from '../../errors.ts'
import type { OnnxValue } from '../../formats/onnx.ts'
import { readRecords } from '../data/read-records.ts'
import type { Records } from '../data/records.ts'
import { SPLITS, type Split } from '../evaluator.ts'
import { gatherRows, inputSlot } from './inputs.ts'
import { arrayMatrix, columnMatrix, isTexts, type Matrix, vector } from './matrix.ts'
import { type Members, orderMembers, recordSplits } from './members.ts'
import {
  inputSchema,
  nameSchema,
  type OnnxInput,
  outputSchema,
  pathSchema,
  splitColumnSchema,
  splitRuleSchema,
  stratifySchema,
} from './options-shared.ts'
import { type DenseRows, denseInput, type RowSource, runRows } from './rows.ts'
import { splitByRule } from './split.ts'
import type { GraphRunner, OutputArray, TaskContext } from './tasks/task.ts'

/** Tasks whose examples are one row each of numbers that fill the graph's inputs, with numbers as their targets. */

const arraySplitSchema = z
  .strictObject({
    column: splitColumnSchema.optional(),
    npy: pathSchema.optional().describe('A .npy file of those words, or of 0 (search), 1 (select), 2 (holdout).'),
    rule: splitRuleSchema.optional().describe('Random split, with the same proportions in every class.'),
  })
  .refine(split => [split.column, split.npy, split.rule].filter(way => way !== undefined).length === 1, {
    message: 'A split is given by "column", "npy" or "rule": give exactly one of them.',
  })

/** Keys that all these tasks have. */
export const arrayTaskShape = {
  name: nameSchema,
  data: pathSchema
    .optional()
    .describe('Records: .csv or .jsonl, also .gz. Absent when everything comes from .npy files.'),
  inputs: z.record(z.string(), inputSchema).optional().describe('Replaces the evaluator-wide entry of a graph input.'),
  split: arraySplitSchema,
  stratify: stratifySchema,
  output: outputSchema.optional(),
}
export interface ArrayTaskOptions {
  readonly name: string
  readonly data?: string | undefined
  readonly inputs?: Readonly<Record<string, OnnxInput>> | undefined
  readonly split: z.infer<typeof arraySplitSchema>
  readonly stratify?: string | undefined
  readonly output?: string | undefined
}

/** Where targets come from: table columns or an array file. */
export interface TargetSource {
  readonly column?: string | undefined
  readonly columns?: string | readonly string[] | undefined
  readonly npy?: string | undefined
}

export function mapSourcePath<T extends { readonly npy?: string | undefined }>(
  source: T,
  change: (path: string) => string,
): T {
  return source.npy === undefined ? source : { ...source, npy: change(source.npy) }
}

export function mapInputPaths(
  inputs: Readonly<Record<string, OnnxInput>>,
  change: (path: string) => string,
): Record<string, OnnxInput> {
  return Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, mapSourcePath(input, change)]))
}

export function mapArrayTaskPaths<T extends ArrayTaskOptions>(options: T, change: (path: string) => string): T {
  return {
    ...options,
    ...(options.data === undefined ? {} : { data: change(options.data) }),
    ...(options.inputs === undefined ? {} : { inputs: mapInputPaths(options.inputs, change) }),
    split: mapSourcePath(options.split, change),
  }
}

/** What a task's files hold, opened. */
export interface TaskData {
  /** Numbers that a target source names. @throws {ConfigError | FormatError} */
  target(source: TargetSource, use: string): Promise<Matrix>
  /** Records, where the task has a data file. */
  readonly records: Records | undefined
  /** @throws {ConfigError} when the task has no data file */
  requireRecords(): Records
  readArray(path: string): Promise<Matrix>
}

export async function openTaskData(options: ArrayTaskOptions, context: TaskContext): Promise<TaskData> {
  const { where, files } = context
  const records = options.data === undefined ? undefined : await readRecords(files, options.data, `${where}: data file`)
  const requireRecords = (): Records => {
    if (records === undefined) throw new ConfigError(`${where} names columns and needs "data".`)
    return records
  }
  const readArray = async (path: string): Promise<Matrix> =>
    arrayMatrix(await files.readArray(path, `${where}: array`), path)
  return {
    records,
    requireRecords,
    readArray,
    target: async ({ column, columns, npy }, use) =>
      npy !== undefined
        ? readArray(npy)
        : columnMatrix(requireRecords(), [column ?? columns ?? []].flat(), new Set(), use),
  }
}

const BY_NUMBER: ReadonlyMap<unknown, Split> = new Map<unknown, Split>([
  [0, 'search'],
  [1, 'select'],
  [2, 'holdout'],
])
const BY_WORD: ReadonlyMap<unknown, Split> = new Map(SPLITS.map(split => [split, split]))

/**
 * Which examples are in which split.
 * @param strata of each example: its label, or its group
 * @param what is counted, for messages: `labels`
 */
export async function arrayMembers(
  options: ArrayTaskOptions,
  data: TaskData,
  strata: readonly (number | string)[],
  what: string,
  context: TaskContext,
): Promise<Members> {
  const where = `Task ${show(options.name)}`
  const { column, npy, rule } = options.split
  let assigned: readonly (Split | undefined)[]
  if (rule !== undefined) assigned = splitByRule(strata, rule)
  else if (column !== undefined) assigned = recordSplits(data.requireRecords(), { column }, strata)
  else {
    const array = await context.files.readArray(npy!, `${context.where}: array`)
    if (array.shape.length === 1 && isTexts(array.data)) assigned = array.data.map(word => BY_WORD.get(word))
    else {
      const numbers = vector(arrayMatrix(array, npy!))
      assigned = Array.from({ length: numbers.length }, (_, i) => BY_NUMBER.get(numbers.value(i, 0)))
    }
  }
  if (assigned.length !== strata.length)
    throw new ConfigError(
      `${where} has ${strata.length} ${what} and ${assigned.length} split entries; one each is required.`,
    )
  return orderMembers(strata, assigned, options.name, where)
}

/** The rows of every graph input, per split in its order. */
export async function arrayInputs(
  options: ArrayTaskOptions,
  data: TaskData,
  members: Members,
  count: number,
  what: string,
  reserved: ReadonlySet<string>,
  context: TaskContext,
): Promise<Readonly<Record<Split, RowSource>>> {
  const { where, inputs: free } = context
  const sources = new Map(Object.entries({ ...context.inputOptions, ...options.inputs }))
  for (const name of sources.keys())
    if (!free.some(input => input.name === name)) throw unknownName(where, 'input', name, free)
  const rows: Record<Split, Map<string, DenseRows>> = { search: new Map(), select: new Map(), holdout: new Map() }
  for (const input of free) {
    const source = sources.get(input.name)
    if (source === undefined)
      throw new ConfigError(`${where}: graph input ${show(input.name)} has no entry under "inputs".`, {
        hint: 'Say which columns, or which .npy file, fill it.',
      })
    const slot = inputSlot(input, source, where)
    const matrix =
      source.npy === undefined
        ? columnMatrix(data.requireRecords(), [source.columns!].flat(), reserved, `graph input ${show(input.name)}`)
        : await data.readArray(source.npy)
    const task = `Task ${show(options.name)}`
    if (matrix.length !== count)
      throw new ConfigError(
        `${task} has ${count} ${what}, but ${matrix.from} has ${matrix.length} examples for graph input ${show(input.name)}.`,
      )
    for (const split of SPLITS) rows[split].set(input.name, gatherRows(slot, matrix, members[split], task))
  }
  const sourceOf = (split: Split): RowSource => ({
    minRows: 2,
    shapeOf: () => 0,
    inputs: (batch, filled) =>
      new Map([...rows[split]].map(([name, dense]) => [name, denseInput(dense, batch, filled)])),
  })
  return { search: sourceOf('search'), select: sourceOf('select'), holdout: sourceOf('holdout') }
}

/**
 * Runs one row per example.
 * @param take gets an output's data and for row i of it the example's position in `examples`, `first + i`
 */
export async function runExamples(
  runner: GraphRunner,
  source: RowSource,
  examples: Int32Array,
  output: string,
  take: (output: OutputArray, first: number, count: number) => void,
): Promise<void> {
  let done = 0
  await runRows(runner, source, examples, [output], (outputs, rows) => {
    take(outputs.get(output)!, done, rows.length)
    done += rows.length
  })
}

export function unknownName(
  where: string,
  kind: 'input' | 'output',
  name: string,
  known: readonly OnnxValue[],
): ConfigError {
  const names = known.map(value => value.name)
  const near = nearest(name, names)
  return new ConfigError(`${where}: the graph has no ${kind} ${show(name)}; it has ${show(names.join(', '), 120)}.`, {
    ...(near === undefined ? {} : { hint: `Did you mean ${show(near)}?` }),
  })
}
