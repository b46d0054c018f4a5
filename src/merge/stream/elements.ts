import { uniqueFactor } from '../operators/ram.ts'
import { aligned } from './areas.ts'
import type { ConsensusMethod, ElementMethod, NearswapMethod, RamMethod, StreamTensor } from './stream-tensor.ts'
import { type TensorBytes, TileFrame, type TileSizes } from './tile-frame.ts'

/** Elements [begin, end) by an operator that decides each of them from the inputs at its position: to the bits of its definition. */
export function mergeElements(
  tensor: StreamTensor,
  method: ElementMethod,
  begin: number,
  end: number,
  io: TensorBytes,
  sizes: TileSizes,
): void {
  const models = tensor.inputs.length - 1
  const numbers = aligned(models * 8)
  const frame = new TileFrame(tensor, io, sizes, 3 * numbers)
  const inputs = tensor.inputs.map((_, input) => input)
  for (let m = 0; m < models; m++) frame.u32[m] = frame.at(1 + m)
  const compute = kernelOf(frame, method, models, numbers)
  frame.write(inputs, begin, end, (_start, _count, whole) => {
    for (const input of inputs) frame.requireFinite(input, whole)
    return compute(whole)
  })
}

type ChunkKernel = (whole: number) => number

/** @param numbers bytes of each of the areas for addresses and for two rows of numbers, one per model */
function kernelOf(frame: TileFrame, method: ElementMethod, models: number, numbers: number): ChunkKernel {
  switch (method.kind) {
    case 'nearswap':
      return nearswap(frame, method)
    case 'ram':
      return ram(frame, method, models, numbers)
    case 'consensus':
      return consensus(frame, method, models, numbers)
  }
}

function nearswap(frame: TileFrame, { t }: NearswapMethod): ChunkKernel {
  return whole => frame.kernel.moveTowards(frame.out, frame.at(0), frame.at(1), t, whole)
}

function ram(frame: TileFrame, { epsilon, amplify }: RamMethod, models: number, factors: number): ChunkKernel {
  const { kernel, u32, f64, tensor } = frame
  const own = f64.subarray(factors / 8, factors / 8 + models).fill(1)
  if (amplify !== undefined) {
    const counts = 2 * factors
    const found = u32.subarray(counts / 4, counts / 4 + 2 * models).fill(0)
    const inputs = tensor.inputs.map((_, input) => input)
    frame.pass(inputs, 0, tensor.elements, (_start, _count, whole) =>
      kernel.countChanges(counts, frame.at(0), 0, models, epsilon, whole),
    )
    for (let m = 0; m < models; m++) own[m] = uniqueFactor(amplify, found[2 * m]!, found[2 * m + 1]!, epsilon)
  }
  return whole => kernel.averageChanges(frame.out, frame.at(0), 0, factors, models, epsilon, whole)
}

function consensus(frame: TileFrame, method: ConsensusMethod, models: number, weights: number): ChunkKernel {
  const { kernel, f64 } = frame
  const lambdas = 2 * weights
  f64.set(method.weights, weights / 8)
  f64.set(method.lambdas, lambdas / 8)
  const { k, alpha } = method
  return whole => kernel.addConsensus(frame.out, frame.at(0), 0, weights, lambdas, models, k, alpha, whole)
}
