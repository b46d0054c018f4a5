import { padded } from '../layout.ts'
import { weightsOf } from '../operators/sce.ts'
import { Areas } from './areas.ts'
import type { SceMethod, StreamTensor } from './stream-tensor.ts'
import { IrregularTensor, type TensorBytes, TileFrame, type TileSizes } from './tile-frame.ts'
import { findValues, type RankedValue, valueRanksBytes } from './value-ranks.ts'

/** Bits of masks that are kept from one pass to the next, per thread; beyond, they are made again. */
const MASK_BYTES_LIMIT = 64 << 20
/** Energies this near the floor, relative to it, are on the side that the definition's order of additions puts them. */
const NEAR_FLOOR = 1e-9

/**
 * `operators/sce.ts` in passes: three for the least variance that is kept, one for the energies, and one for the result. Which elements are
 * kept is exact, the first of those that tie; so is what is added, but for the rounding of the energies' sums.
 */
export function mergeSce(
  tensor: StreamTensor,
  { share, floor }: SceMethod,
  io: TensorBytes,
  { tile, chunk }: TileSizes,
): void {
  const { elements } = tensor
  const models = tensor.inputs.length - 1
  const whole = padded(chunk)
  const areas = new Areas()
  const pointers = areas.take(models * 4)
  const numbers = areas.take(models * 8)
  const left = areas.take(8)
  const bits = areas.take(whole / 8)
  const values = areas.take(share < 1 ? whole * 8 : 0)
  const room = areas.take(share < 1 ? valueRanksBytes(1, chunk) : 0)
  const frame = new TileFrame(tensor, io, { tile, chunk }, areas.bytes)
  const { kernel, f64, bytes } = frame
  const inputs = tensor.inputs.map((_, input) => input)
  for (let m = 0; m < models; m++) frame.u32[pointers / 4 + m] = frame.at(1 + m)

  const compute = (_start: number, _count: number, size: number): void =>
    kernel.variances(values, frame.at(0), pointers, models, size)
  let cut: RankedValue | undefined
  if (share < 1) {
    ;[cut] = findValues(frame, { inputs, at: values, compute }, room, zeros => {
      const kept = Math.trunc((elements - zeros) * share)
      return kept > 0 ? [elements - kept] : []
    })
  }
  const makeMask = (start: number, count: number, size: number): void => {
    if (cut === undefined) {
      bytes.fill(0, bits, bits + size / 8)
      return
    }
    if (start === 0) f64[left / 8] = cut.equalFrom
    compute(start, count, size)
    kernel.maskValuesAbove(bits, values, cut.value, left, size)
  }
  const maskBytes = Math.ceil(elements / chunk) * (whole / 8)
  const masks = share < 1 && maskBytes <= MASK_BYTES_LIMIT ? new Uint8Array(maskBytes) : undefined
  const maskAt = (start: number) => (start / chunk) * (whole / 8)

  const energy = f64.subarray(numbers / 8, numbers / 8 + models).fill(0)
  frame.pass(inputs, 0, elements, (start, count, size) => {
    if (share >= 1) for (const input of inputs) frame.requireFinite(input, size)
    else makeMask(start, count, size)
    masks?.set(bytes.subarray(bits, bits + size / 8), maskAt(start))
    for (let m = 0; m < models; m++) {
      kernel.sumSquares(numbers + 8 * m, frame.at(1 + m), frame.at(0), share < 1 ? bits : 0, size)
    }
  })
  const sum = energy.reduce((total, value) => total + value / elements, 0)
  if (floor > 0 && Math.abs(sum - floor) <= NEAR_FLOOR * floor) throw new IrregularTensor()
  energy.set(weightsOf([...energy], elements, floor))
  frame.write(inputs, 0, elements, (start, count, size) => {
    if (masks !== undefined) bytes.set(masks.subarray(maskAt(start), maskAt(start) + size / 8), bits)
    else if (share < 1) makeMask(start, count, size)
    return kernel.eraseOpposed(frame.out, frame.at(0), pointers, numbers, models, share < 1 ? bits : 0, size)
  })
}
