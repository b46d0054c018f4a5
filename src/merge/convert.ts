import { decodeToFloat32, dtypeBytes, encodeFloat32, type WeightDtype } from '../formats/dtype.ts'
import type { Kernel, SharedMemory } from './kernel/load.ts'
import { padded } from './layout.ts'

/**
 * Stored elements at `from` to float32 at `to`, both addresses in `memory`. Whole blocks are written, the last one filled up with
 * zeros, so that nothing an earlier tensor left there is computed with; the stored bytes need room for whole blocks too.
 */
export function widen(
  kernel: Kernel,
  memory: SharedMemory,
  dtype: WeightDtype,
  from: number,
  to: number,
  elements: number,
): void {
  const bytes = elements * dtypeBytes(dtype)
  const whole = padded(elements)
  new Uint8Array(memory.buffer, from + bytes, whole * dtypeBytes(dtype) - bytes).fill(0)
  if (dtype === 'BF16') kernel.fromBfloat16(to, from, whole)
  else if (dtype === 'F16') kernel.fromFloat16(to, from, whole)
  else {
    const stored = new Uint8Array(memory.buffer, from, whole * dtypeBytes(dtype))
    decodeToFloat32(stored, dtype, new Float32Array(memory.buffer, to, whole))
  }
}

/**
 * float32 at `from` to stored elements at `to`, rounded to nearest, ties to even. All values must be finite in the narrower type, also
 * those that fill up the last block.
 */
export function narrow(
  kernel: Kernel,
  memory: SharedMemory,
  dtype: WeightDtype,
  from: number,
  to: number,
  elements: number,
): void {
  const whole = padded(elements)
  if (dtype === 'BF16') kernel.toBfloat16(to, from, whole)
  else if (dtype === 'F16') kernel.toFloat16(to, from, whole)
  else {
    const target = new Uint8Array(memory.buffer, to, whole * dtypeBytes(dtype))
    encodeFloat32(new Float32Array(memory.buffer, from, whole), dtype, target)
  }
}
