import type { Elements, GraphRunner, InputArray, InputDtype, OutputArray } from './tasks/task.ts'

/** Rows of graph input, made when they are run. */
export interface RowSource {
  /** Rows of the smallest run: 2 where a row is a vector to the graph, 1 where it is a matrix by itself. */
  readonly minRows: 1 | 2
  /** Rows of equal number have inputs of equal shape, and may share a run. Absent: all have. */
  shapeOf?(row: number): number
  /**
   * Inputs of these rows.
   * @param rows of one shape
   * @param filled first dimension of the arrays, at least `rows.length`: what lies behind the rows is zero
   */
  inputs(rows: Int32Array, filled: number): ReadonlyMap<string, InputArray>
}

/** Takes the outputs of a run; row `i` of them belongs to `rows[i]`. Rows behind are fillers. */
export type TakeRows = (outputs: ReadonlyMap<string, OutputArray>, rows: Int32Array) => void

/**
 * Runs rows in batches of equal shape. What a row gives must not depend on its company, so that examples can be scored in any
 * portions: rows are never padded to the longest of a batch, and a row never runs alone, because runtimes multiply a matrix by a
 * vector in another order of sums than by a matrix.
 */
export async function runRows(
  runner: GraphRunner,
  source: RowSource,
  rows: Int32Array,
  outputs: readonly string[],
  take: TakeRows,
): Promise<void> {
  for (const group of byShape(source, rows)) {
    for (let from = 0; from < group.length; from += runner.batchSize) {
      const batch = group.subarray(from, from + runner.batchSize)
      const filled = runner.fixedRows ?? Math.max(batch.length, source.minRows)
      take(await runner.run(source.inputs(batch, filled), outputs), batch)
    }
  }
}

/** In order of first appearance. */
function byShape(source: RowSource, rows: Int32Array): Iterable<Int32Array> {
  if (source.shapeOf === undefined) return [rows]
  const groups = new Map<number, number[]>()
  for (const row of rows) {
    const shape = source.shapeOf(row)
    const group = groups.get(shape)
    if (group === undefined) groups.set(shape, [row])
    else group.push(row)
  }
  return groups.size === 1 ? [rows] : [...groups.values()].map(group => Int32Array.from(group))
}

/** Rows of numbers kept whole in memory: shape (rows, ...shape), row-major. */
export interface DenseRows {
  readonly dtype: InputDtype
  readonly shape: readonly number[]
  readonly data: Elements
}

/**
 * One input of these rows: a view where they lie side by side and nothing is filled up, else a copy.
 * @param rows ascending, none of them twice
 */
export function denseInput({ dtype, shape, data }: DenseRows, rows: Int32Array, filled: number): InputArray {
  const size = shape.reduce((product, dim) => product * dim, 1)
  const dims = [filled, ...shape]
  const first = rows[0] ?? 0
  const areAdjacent = rows.length === 0 || rows[rows.length - 1]! - first === rows.length - 1
  if (areAdjacent && filled === rows.length)
    return { dtype, dims, data: data.subarray(first * size, (first + rows.length) * size) }
  const copy = newElements(dtype, filled * size)
  const [target, source] = [bytesOf(copy), bytesOf(data)]
  const bytes = size * data.BYTES_PER_ELEMENT
  rows.forEach((row, i) => {
    target.set(source.subarray(row * bytes, (row + 1) * bytes), i * bytes)
  })
  return { dtype, dims, data: copy }
}

export function newElements(dtype: InputDtype, length: number): Elements {
  if (dtype === 'float32') return new Float32Array(length)
  return dtype === 'int32' ? new Int32Array(length) : new BigInt64Array(length)
}

function bytesOf({ buffer, byteOffset, byteLength }: Elements): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
