import { z } from 'zod'
import { ConfigError, nearest, show } from '../../errors.ts'
import type { OnnxValue } from '../../formats/onnx.ts'
import { holdsImages, type ImageOptions, type Images, readImages, readMasks } from '../data/images.ts'
import { readRecords } from '../data/read-records.ts'
import { columnOf, type Records } from '../data/records.ts'
import { SPLITS, type Split } from '../evaluator.ts'
import { gatherRows, inputSlot } from './inputs.ts'
import { arrayMatrix, columnMatrix, isTexts, type Matrix, sizeOf, vector } from './matrix.ts'
import { type Members, orderMembers, recordSplits, recordStrata, SPLIT_CELLS } from './members.ts'
import {
  headShape,
  inputSchema,
  mapHeadPaths,
  type maskSchema,
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
import type { GraphRunner, InputArray, OutputArray, TaskContext } from './tasks/task.ts'

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
    .describe(
      'Records: .csv, .jsonl, .parquet, .npz (its arrays are the columns) or a folder of images. Absent when all comes from .npy files.',
    ),
  inputs: z.record(z.string(), inputSchema).optional().describe('Replaces the evaluator-wide entry of a graph input.'),
  split: arraySplitSchema,
  stratify: stratifySchema,
  output: outputSchema.optional(),
  ...headShape,
}
export interface ArrayTaskOptions {
  readonly name: string
  readonly data?: string | undefined
  readonly inputs?: Readonly<Record<string, OnnxInput>> | undefined
  readonly split: z.infer<typeof arraySplitSchema>
  readonly stratify?: string | undefined
  readonly output?: string | undefined
  readonly graph?: string | undefined
  readonly head?: string | undefined
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
    ...mapHeadPaths(options, change),
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
  /** The images of a column as numbers. */
  images(column: string, options: ImageOptions): Promise<Matrix>
  /** Classes of pixels: the arrays or the images of a column, or an array file. */
  masks(source: z.infer<typeof maskSchema>): Promise<Matrix>
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
    images: async (column, image) =>
      imageMatrix(await readImages(requireRecords(), column, image, files), requireRecords(), column),
    masks: async ({ column, npy, resize }) => {
      if (npy !== undefined) return readArray(npy)
      const own = requireRecords()
      if (!holdsImages(columnOf(own, column!)[0])) return columnMatrix(own, [column!], new Set(), 'the mask')
      return imageMatrix(await readMasks(own, column!, resize, files), own, column!)
    },
    target: async ({ column, columns, npy }, use) =>
      npy !== undefined
        ? readArray(npy)
        : columnMatrix(requireRecords(), [column ?? columns ?? []].flat(), new Set(), use),
  }
}

function imageMatrix({ shape, data }: Images, records: Records, column: string): Matrix {
  const size = sizeOf(shape)
  return {
    from: records.file,
    length: records.length,
    shape,
    value: (example, k) => data[example * size + k]!,
    where: (example, k) => `${records.where(example)}, column ${show(column)}, value ${k}`,
  }
}

/**
 * Which examples are in which split.
 * @param strata of each example: its label, or its group
 * @param what is counted, for messages: `labels`
 * @param known the split of each example, instead of what the options say
 */
export async function arrayMembers(
  options: ArrayTaskOptions,
  data: TaskData,
  strata: readonly (number | string)[],
  what: string,
  context: TaskContext,
  known?: readonly (Split | undefined)[],
): Promise<Members> {
  const where = `Task ${show(options.name)}`
  if (known !== undefined) return orderMembers(strata, known, options.name, where)
  const { column, npy, rule } = options.split
  let assigned: readonly (Split | undefined)[]
  if (rule !== undefined) assigned = splitByRule(strata, rule)
  else if (column !== undefined) assigned = recordSplits(data.requireRecords(), { column }, strata)
  else {
    const array = await context.files.readArray(npy!, `${context.where}: array`)
    if (array.shape.length === 1 && isTexts(array.data)) assigned = array.data.map(word => SPLIT_CELLS.get(word))
    else {
      const numbers = vector(arrayMatrix(array, npy!))
      assigned = Array.from({ length: numbers.length }, (_, i) => SPLIT_CELLS.get(numbers.value(i, 0)))
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
        ? source.image === undefined
          ? columnMatrix(data.requireRecords(), [source.columns!].flat(), reserved, `graph input ${show(input.name)}`)
          : await data.images(String(source.columns), source.image)
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
    inputs: (batch, filled) => {
      const inputs = new Map<string, InputArray>()
      for (const [name, dense] of rows[split]) inputs.set(name, denseInput(dense, batch, filled))
      return inputs
    },
  })
  return { search: sourceOf('search'), select: sourceOf('select'), holdout: sourceOf('holdout') }
}

/**
 * Runs one row per example.
 * @param take gets the data of the outputs, in their order, and for row i of them the example's position in `examples`, `first + i`
 */
export async function runExamples(
  runner: GraphRunner,
  source: RowSource,
  examples: Int32Array,
  outputs: readonly string[],
  take: (outputs: readonly OutputArray[], first: number, count: number) => void,
): Promise<void> {
  let done = 0
  await runRows(runner, source, examples, outputs, (found, rows) => {
    take(
      outputs.map(name => found.get(name)!),
      done,
      rows.length,
    )
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

/** Groups of examples that have no class: the column of "stratify", or one for all. */
export function exampleStrata(
  { stratify }: ArrayTaskOptions,
  data: TaskData,
  length: number,
): readonly (number | string)[] {
  return stratify === undefined ? new Array<number>(length).fill(0) : recordStrata(data.requireRecords(), stratify)
}

/** Columns that must not be part of what the graph sees. */
export function reservedColumns({ split, stratify }: ArrayTaskOptions, target: TargetSource): ReadonlySet<string> {
  const names = [split.column, stratify, target.column, target.columns].flat()
  return new Set(names.filter(name => name !== undefined))
}
