import type { OperatorPlan } from '../method.ts'
import type { SharedTensor } from '../sources.ts'
import { mergeTensor } from '../stream/merge-tensor.ts'
import { operatorStream } from '../stream/operator-stream.ts'
import type { StreamInput } from '../stream/stream-tensor.ts'
import type { TensorBytes } from '../stream/tile-frame.ts'
import { type Bench, stretchesOf, type Target } from './tiles.ts'
import type { Workshop } from './work.ts'

/** Weights of shared sources are float32, whatever they were stored as. */
const IN_MEMORY: StreamInput = { dtype: 'F32', place: undefined, path: 'memory', columns: undefined }

/**
 * One tensor as it is written to a file: in the same tiles by the same kernels where files are merged in tiles, else by the operator's
 * definition in float64, rounded to float32 at the end. A file of float32 has the very same bits; one of a narrower type, these bits rounded.
 * @throws {MergeError} on numbers that cannot be merged with, and on results that are not finite
 */
export function mergeExactly(shop: Workshop, plan: OperatorPlan, t: number, target: Target): void {
  const tensor = shop.tensors[t]!
  const sources = plan.base === undefined ? plan.sources : [plan.base, ...plan.sources]
  const stream = operatorStream(
    tensor,
    plan,
    sources.map(() => IN_MEMORY),
    'F32',
  )
  const out = new Uint8Array(target.data.buffer, target.data.byteOffset, target.data.byteLength)
  const io: TensorBytes = {
    read: (input, offset, part) => readShared(shop.benches, tensor, sources[input]!, offset, part),
    write: (offset, bytes) => out.set(bytes, offset),
  }
  if (stream !== undefined && mergeTensor(stream, 0, stream.elements, io)) return
  let done = 0
  shop.operators.merge(plan, t, values => {
    target.data.set(values, done)
    done += values.length
  })
}

/**
 * A part of a source's tensor out of its stretches.
 * @param offset bytes from the start of the tensor
 */
export function readShared(
  benches: readonly Bench[],
  tensor: SharedTensor,
  source: number,
  offset: number,
  part: Uint8Array,
): void {
  for (const { stretch, done } of stretchesOf(tensor)) {
    const { bank, elements, addresses } = stretch
    const begin = Math.max(offset, done * 4)
    const end = Math.min(offset + part.byteLength, (done + elements) * 4)
    if (begin >= end) continue
    const { buffer } = benches[bank]!.tile
    part.set(new Uint8Array(buffer, addresses[source]! + begin - done * 4, end - begin), begin - offset)
  }
}
