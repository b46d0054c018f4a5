import { FormatError } from '../../errors.ts'
import type { NpyArray } from '../../formats/npy.ts'
import { parseNpz } from '../../formats/npz.ts'
import type { Records } from './records.ts'

/**
 * Arrays of equal first dimension as columns, one record per row. Columns of one dimension have cells; others are there as `arrays`, their
 * cells say only what they are.
 * @throws {FormatError} when the arrays have no rows, or not equally many
 */
export function readNpz(bytes: Uint8Array, file: string): Records {
  const arrays = parseNpz(bytes, file)
  const lengths = new Set(Array.from(arrays.values(), ({ shape }) => shape[0]))
  const length = [...lengths][0]
  if (lengths.size !== 1 || length === undefined || length === 0)
    throw new FormatError(
      `${file} must hold arrays with one row per example each; it has ${
        [...arrays]
          .map(([name, { shape }]) => `${name} [${shape.join(', ')}]`)
          .join(', ')
          .slice(0, 200) || 'none'
      }.`,
      { hint: 'In Python: numpy.savez(path, x=x, label=label) with len(x) == len(label).' },
    )
  const columns = new Map([...arrays].map(([name, array]): [string, readonly unknown[]] => [name, cells(array)]))
  return { file, length, columns, arrays, where: record => `${file}: example ${record}` }
}

/** Numbers or texts; what is no single value is named by its type and shape, for the message of who needs one. */
function cells({ dtype, shape, data }: NpyArray): readonly unknown[] {
  if (shape.length > 1) return new Array(shape[0]!).fill({ dtype, shape: shape.slice(1) })
  return Array.from(data, (cell: unknown) => (typeof cell === 'bigint' ? Number(cell) : cell))
}
