import { dtypeBytes, type WeightDtype } from '../../formats/dtype.ts'
import type { StreamInput } from './stream-tensor.ts'

/**
 * Reads a stretch of a matrix of which only the first columns are wanted, row by row; of anything else as it is stored.
 * @param offset bytes from the start of the tensor as it is wanted
 * @param read is given bytes from the start of the tensor as it is stored
 */
export function readColumns(
  dtype: WeightDtype,
  columns: StreamInput['columns'],
  offset: number,
  target: Uint8Array,
  read: (offset: number, target: Uint8Array) => void,
): void {
  if (columns === undefined) {
    read(offset, target)
    return
  }
  const size = dtypeBytes(dtype)
  const [wanted, stored] = [columns.wanted * size, columns.stored * size]
  for (let done = 0; done < target.byteLength; ) {
    const at = offset + done
    const [row, column] = [Math.floor(at / wanted), at % wanted]
    const length = Math.min(wanted - column, target.byteLength - done)
    read(row * stored + column, target.subarray(done, done + length))
    done += length
  }
}
