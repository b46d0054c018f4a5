import { ConfigError, FormatError, show } from '../../errors.ts'
import type { NpyArray } from '../../formats/npy.ts'
import { SPLITS, type Split } from '../evaluator.ts'
import { exampleOrder } from '../example-order.ts'
import type { OnnxInput, OnnxTask } from './options.ts'
import { splitByRule } from './split.ts'
import { rowName, type Table } from './table.ts'

/** Element types of graph inputs that can be filled. */
export type InputDtype = 'float32' | 'int32' | 'int64'
export type Elements = Float32Array | Int32Array | BigInt64Array

/** The examples of one task in one split, in the order of `exampleOrder` by label. Labels: shape (e,). */
export interface ExampleSet {
  readonly labels: Int32Array
  readonly inputs: ReadonlyMap<string, InputExamples>
}

/** Values of one graph input: row-major, shape (e, ...shape). */
export interface InputExamples {
  readonly dtype: InputDtype
  readonly shape: readonly number[]
  readonly data: Elements
}

export type TaskExamples = Readonly<Record<Split, ExampleSet>>

/** A graph input that has to be filled. Static dimensions are checked; others are free. */
export interface InputSlot {
  readonly name: string
  readonly dtype: InputDtype
  /** Shape of one example as the graph declares it; `undefined`: any. */
  readonly shape: readonly (number | string | undefined)[] | undefined
  readonly source: OnnxInput
}

/** What the task's files hold. */
export interface TaskFiles {
  readonly table: Table | undefined
  readonly arrays: ReadonlyMap<string, NpyArray> // by path
}

/** Numbers by example, whatever file they come from. */
interface Matrix {
  readonly from: string
  readonly length: number // examples
  readonly shape: readonly number[] // of one example
  value(example: number, k: number): number
  where(example: number, k: number): string
}

/**
 * @param classes labels must be in 0 .. classes - 1
 * @throws {ConfigError} on shapes, lengths and splits that do not fit; {@link FormatError} on values that do not
 */
export function assembleTask(
  task: OnnxTask,
  slots: readonly InputSlot[],
  files: TaskFiles,
  classes: number,
): TaskExamples {
  const where = `Task ${show(task.name)}`
  const labels = readLabels(task, files, classes)
  const splits = readSplits(task, files, labels)
  if (splits.length !== labels.length)
    throw new ConfigError(
      `${where} has ${labels.length} labels and ${splits.length} split entries; one each is required.`,
    )
  const matrices = slots.map(slot => {
    const matrix = readMatrix(slot, files)
    if (matrix.length !== labels.length)
      throw new ConfigError(
        `${where} has ${labels.length} labels, but ${matrix.from} has ${matrix.length} examples for graph input ${show(slot.name)}.`,
      )
    return { slot, matrix, shape: exampleShape(slot, matrix, where) }
  })

  const gather = (split: Split): ExampleSet => {
    const inFile = labels.map((_, example) => example).filter(example => splits[example] === split)
    if (inFile.length === 0)
      throw new ConfigError(`${where} has no example in the split ${show(split)}.`, {
        hint: 'Every task needs examples in search, select and holdout.',
      })
    const order = exampleOrder(
      inFile.map(example => labels[example]!),
      `${task.name}/${split}`,
    )
    const members = Array.from(order, position => inFile[position]!)
    return {
      labels: Int32Array.from(members, example => labels[example]!),
      inputs: new Map(
        matrices.map(({ slot, matrix, shape }) => [
          slot.name,
          { dtype: slot.dtype, shape, data: convert(slot, matrix, members) },
        ]),
      ),
    }
  }
  return { search: gather('search'), select: gather('select'), holdout: gather('holdout') }
}

function readLabels(task: OnnxTask, files: TaskFiles, classes: number): readonly number[] {
  const check = (value: number, found: string | number, where: string): number => {
    if (Number.isInteger(value) && value >= 0 && value < classes) return value
    throw new FormatError(`${where}: a class from 0 to ${classes - 1} is required, found ${show(found)}.`)
  }
  if (task.label.npy === undefined) {
    const { file, text } = files.table!
    const column = task.label.column!
    return text
      .get(column)!
      .map((cell, row) =>
        check(
          /^\s*\d+\s*$/.test(cell) ? Number(cell) : Number.NaN,
          cell,
          `${rowName(file, row)}, column ${show(column)}`,
        ),
      )
  }
  const matrix = vector(task.label.npy, files)
  return Array.from({ length: matrix.length }, (_, i) => {
    const value = matrix.value(i, 0)
    return check(value, value, matrix.where(i, 0))
  })
}

const BY_NUMBER: ReadonlyMap<number, Split> = new Map([
  [0, 'search'],
  [1, 'select'],
  [2, 'holdout'],
])
const BY_WORD: ReadonlyMap<string, Split> = new Map(SPLITS.map(split => [split, split]))

function readSplits(task: OnnxTask, files: TaskFiles, labels: readonly number[]): readonly (Split | undefined)[] {
  const { column, npy, rule } = task.split
  if (rule !== undefined) return splitByRule(labels, rule)
  if (column !== undefined) return files.table!.text.get(column)!.map(cell => BY_WORD.get(cell.trim()))
  const array = files.arrays.get(npy!)!
  if (array.shape.length === 1 && isTexts(array.data)) return array.data.map(word => BY_WORD.get(word))
  const matrix = vector(npy!, files)
  return Array.from({ length: matrix.length }, (_, i) => BY_NUMBER.get(matrix.value(i, 0)))
}

function readMatrix(slot: InputSlot, files: TaskFiles): Matrix {
  if (slot.source.npy !== undefined) return arrayMatrix(slot.source.npy, files)
  const { file } = files.table!
  const { columns, rows } = files.table!.numbers.get(slot.name)!
  return {
    from: file,
    length: rows.length,
    shape: [columns.length],
    value: (example, k) => rows[example]![k]!,
    where: (example, k) => `${rowName(file, example)}, column ${show(columns[k])}`,
  }
}

function arrayMatrix(path: string, files: TaskFiles): Matrix {
  const { data, shape } = files.arrays.get(path)!
  if (shape.length === 0 || isTexts(data))
    throw new ConfigError(
      `${path} must hold numbers with one row per example; it holds ${isTexts(data) ? 'text' : 'one number'}.`,
    )
  const size = shape.slice(1).reduce((product, dim) => product * dim, 1)
  return {
    from: path,
    length: shape[0]!,
    shape: shape.slice(1),
    value: (example, k) => Number(data[example * size + k]!),
    where: (example, k) => `${path}: example ${example}, element ${k}`,
  }
}

function isTexts(data: NpyArray['data']): data is readonly string[] {
  return Array.isArray(data)
}

function vector(path: string, files: TaskFiles): Matrix {
  const matrix = arrayMatrix(path, files)
  if (matrix.shape.length > 0)
    throw new ConfigError(
      `${path} must hold one number per example; each of its examples has shape [${matrix.shape.join(', ')}].`,
    )
  return matrix
}

/** Shape of one example: as the options say, else as the graph says where it says all, else as the file has it. */
function exampleShape(slot: InputSlot, matrix: Matrix, where: string): readonly number[] {
  const declared = slot.shape
  const fixed = declared?.every(dim => typeof dim === 'number') ? declared.map(Number) : undefined
  const shape = slot.source.shape ?? fixed ?? matrix.shape
  const size = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1)
  if (size(shape) !== size(matrix.shape))
    throw new ConfigError(
      `${where}: graph input ${show(slot.name)} needs ${size(shape)} values per example for shape [${shape.join(', ')}], but ${matrix.from} gives ${size(matrix.shape)}.`,
    )
  const fits =
    declared === undefined ||
    (declared.length === shape.length && declared.every((dim, i) => typeof dim !== 'number' || dim === shape[i]))
  if (!fits)
    throw new ConfigError(
      `${where}: graph input ${show(slot.name)} takes examples of shape [${declared.map(dim => dim ?? '?').join(', ')}], got [${shape.join(', ')}].`,
      { hint: 'Set "shape" of this input.' },
    )
  return shape
}

/** Values times scale plus offset in float64, rounded once to the type the graph takes. */
function convert(slot: InputSlot, matrix: Matrix, members: readonly number[]): Elements {
  const { scale, offset } = slot.source
  const size = matrix.shape.reduce((product, dim) => product * dim, 1)
  const count = members.length * size
  const numbers =
    slot.dtype === 'float32' ? new Float32Array(count) : new Int32Array(slot.dtype === 'int32' ? count : 0)
  const wide = new BigInt64Array(slot.dtype === 'int64' ? count : 0)
  for (let i = 0; i < members.length; i++) {
    const example = members[i]!
    for (let k = 0; k < size; k++) {
      const value = matrix.value(example, k) * scale + offset
      const at = i * size + k
      let exact: boolean
      if (slot.dtype === 'int64') {
        exact = Number.isSafeInteger(value)
        if (exact) wide[at] = BigInt(value)
      } else {
        numbers[at] = value
        exact = slot.dtype === 'float32' ? Number.isFinite(numbers[at]!) : numbers[at] === value
      }
      if (!exact)
        throw new FormatError(
          `${matrix.where(example, k)}: ${show(String(value))} is no ${slot.dtype} value for graph input ${show(slot.name)}.`,
        )
    }
  }
  return slot.dtype === 'int64' ? wide : numbers
}
