import { MergeError, show } from '../errors.ts'
import type { Dtype } from '../formats/dtype.ts'

/**
 * An 8-bit float is mostly stored divided by a scale that is another tensor's value: without it the numbers mean nothing, and scales of
 * different models differ. The names are those of the exporters of vLLM, DeepSeek and ComfyUI.
 */
const SCALES = ['weight_scale', 'weight_scale_inv', 'scale_weight', 'scale', 'scale_inv', 'scales']

/**
 * @param names of all tensors of the model
 * @throws {MergeError} where the tensor is an 8-bit float with a scale of its own
 */
export function requireNoScale(name: string, dtype: Dtype, names: { has(name: string): boolean }): void {
  if (!dtype.startsWith('F8')) return
  const stem = name.replace(/\.weight$/, '')
  const scale = SCALES.flatMap(word => [`${stem}.${word}`, `${name}.${word}`, `${name}_${word}`]).find(
    candidate => candidate !== name && names.has(candidate),
  )
  if (scale === undefined) return
  throw new MergeError(`Tensor ${show(name)} is ${dtype} and means something only times the scale ${show(scale)}.`, {
    hint: 'Convert the sources to BF16, F16 or F32 first, their scales multiplied in.',
  })
}
