import { padded } from '../layout.ts'
import { divergenceOf, quartileRanks, thresholdOf } from '../operators/arcee-fusion.ts'
import { isZeroDelta } from '../operators/vectors.ts'
import { aligned } from './areas.ts'
import type { ArceeFusionMethod, StreamTensor } from './stream-tensor.ts'
import { type TensorBytes, TileFrame, type TileSizes } from './tile-frame.ts'
import { findValues, valueRanksBytes } from './value-ranks.ts'

/** `operators/arcee-fusion.ts` in passes: one for the divergence of each row, three for the quartiles of the importance, and one for the result. */
export function mergeArceeFusion(
  tensor: StreamTensor,
  { columns }: ArceeFusionMethod,
  io: TensorBytes,
  { tile, chunk: wanted }: TileSizes,
): void {
  const { elements } = tensor
  const rows = Math.max(1, Math.floor(wanted / columns))
  const chunk = rows * columns
  const values = aligned(rows * 8)
  const room = values + aligned(padded(chunk) * 8)
  const frame = new TileFrame(tensor, io, { tile, chunk }, room + valueRanksBytes(3, chunk))
  const { kernel, f64 } = frame
  const divergences = findDivergences(frame, columns)
  const inputs = [0, 1]
  const compute = (start: number, count: number): void => {
    f64.set(divergences.subarray(start / columns, (start + count) / columns), 0)
    kernel.importances(values, frame.at(1), frame.at(0), 0, columns, count)
  }
  const quartiles = findValues(frame, { inputs, at: values, compute }, room, () => quartileRanks(elements))
  const threshold = thresholdOf(quartiles.map(({ value }) => value))
  frame.write(inputs, 0, elements, (start, count, whole) => {
    compute(start, count)
    return kernel.takeValuable(frame.out, frame.at(1), frame.at(0), values, threshold, whole)
  })
}

/** Of each row's two distributions; 0 where no element differs, which are the bits of the definition. */
function findDivergences(frame: TileFrame, columns: number): Float64Array {
  const { f32, tensor } = frame
  const found = new Float64Array(tensor.elements / columns)
  const [x, base] = [new Float64Array(columns), new Float64Array(columns)]
  frame.pass([0, 1], 0, tensor.elements, (start, count, whole) => {
    for (const input of [0, 1]) frame.requireFinite(input, whole)
    for (let from = 0; from < count; from += columns) {
      const row = (input: number) => f32.subarray(frame.at(input) / 4 + from, frame.at(input) / 4 + from + columns)
      x.set(row(1))
      base.set(row(0))
      if (!isZeroDelta(x, base)) found[(start + from) / columns] = divergenceOf(x, base)
    }
  })
  return found
}
