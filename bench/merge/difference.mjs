// How far two checkpoints of one merge are apart, tensor by tensor and element by element.
import { decodeToFloat32, dtypeBytes, encodeFloat32 } from '../../dist/formats/dtype.js'
import { openCheckpoint } from '../../dist/formats/open-file.js'

/** Differences below this part of a tensor's largest magnitude are the rounding of float32, also in a 16-bit result near zero. */
export const FLOAT32_BAR = 1e-6

/**
 * @param isUndecided (tensor, element, [ours, theirs], round to the stored type) → whether rounding decides this element
 * @returns worst relative: |a − b| over the tensor's largest |b|; ulps: worst distance in units in the last place of bfloat16 among the
 *   differences beyond FLOAT32_BAR; counts as shares of all elements
 */
export function difference(ours, theirs, isUndecided) {
  const [a, b] = [openCheckpoint(ours), openCheckpoint(theirs)]
  let [relative, ulps, where, off, total, undecided] = [0, 0, '', 0, 0, 0]
  const missing = [...b.tensors.keys()].filter(name => !a.tensors.has(name))
  const extra = [...a.tensors.keys()].filter(name => !b.tensors.has(name))
  for (const [name, { dtype, shape }] of b.tensors) {
    if (missing.includes(name)) continue
    const mine = a.tensors.get(name)
    if (mine.dtype !== dtype || JSON.stringify(mine.shape) !== JSON.stringify(shape)) {
      missing.push(`${name} (${mine.dtype} [${mine.shape}] for ${dtype} [${shape}])`)
      continue
    }
    const [x, y] = [read(a, name), read(b, name)]
    const round = roundingTo(dtype)
    const largest = y.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    for (let i = 0; i < y.length; i++) {
      const distance = Math.abs(x[i] - y[i])
      total++
      if (distance === 0) continue
      off++
      if (distance > FLOAT32_BAR * largest && isUndecided(name, i, [x[i], y[i]], round)) {
        undecided++
        continue
      }
      if (distance / largest > relative) [relative, where] = [distance / largest, name]
      if (dtype === 'BF16' && distance > FLOAT32_BAR * largest) {
        ulps = Math.max(ulps, distance / unit(Math.max(Math.abs(x[i]), Math.abs(y[i]))))
      }
    }
  }
  a.close()
  b.close()
  return { relative, ulps, where, differing: off / total, undecided: undecided / total, missing, extra }
}

/** One unit in the last place of bfloat16 at that magnitude. */
function unit(value) {
  return 2 ** (Math.floor(Math.log2(value)) - 7)
}

/** number → number of that type. */
function roundingTo(dtype) {
  if (dtype === 'F64') return value => value
  const bytes = new Uint8Array(dtypeBytes(dtype))
  const one = new Float32Array(1)
  return value => {
    encodeFloat32(Float32Array.of(value), dtype, bytes)
    decodeToFloat32(bytes, dtype, one)
    return one[0]
  }
}

/** Values of a tensor, float64 as float64. */
export function read(checkpoint, name) {
  const { dtype } = checkpoint.tensors.get(name)
  const bytes = checkpoint.read(name)
  if (dtype === 'F64') return new Float64Array(bytes.slice().buffer)
  const values = new Float32Array(bytes.byteLength / dtypeBytes(dtype))
  decodeToFloat32(bytes, dtype, values)
  return values
}
