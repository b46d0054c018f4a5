import type { Checkpoint } from '../../formats/checkpoint.ts'
import { isWeightDtype } from '../../formats/dtype.ts'
import type { StreamInput } from './stream-tensor.ts'

/**
 * A checkpoint's tensor as an input.
 * @param shape what is wanted of a matrix: its rows and columns from the first on; the tensor may have more
 * @returns undefined where it holds no floats
 */
export function streamInput(checkpoint: Checkpoint, name: string, shape: readonly number[]): StreamInput | undefined {
  const { dtype, shape: stored } = checkpoint.tensors.get(name)!
  if (!isWeightDtype(dtype)) return undefined
  const cut = shape.length === 2 && stored.length === 2 && stored[1] !== shape[1]
  const columns = cut ? { wanted: shape[1]!, stored: stored[1]! } : undefined
  return { dtype, place: checkpoint.placeOf(name), path: checkpoint.path, columns }
}
