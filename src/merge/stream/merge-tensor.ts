import type { Gram } from '../operators/operator.ts'
import { OPERATORS } from '../operators/registry.ts'
import { slerpCoefficients } from '../operators/slerp.ts'
import { normIn } from '../operators/spherical.ts'
import { mergeArceeFusion } from './arcee-fusion.ts'
import { aligned } from './areas.ts'
import { mergeElements } from './elements.ts'
import { mergeSce } from './sce.ts'
import type { CombineSection, GramMethod, SlerpMethod, StreamTensor } from './stream-tensor.ts'
import { mergeTaskVectors } from './task-vectors.ts'
import { IrregularTensor, type TensorBytes, TILE_SIZES, TileFrame, type TileSizes } from './tile-frame.ts'

/** Where the norms of the terms add up to more than this times the norm of their sum, they cancel, and it takes the definition. */
const CANCELLATION_LIMIT = 4

/**
 * Merges elements [begin, end) of a tensor, which must be all of them unless its method is elementwise.
 * @returns false where only the operator's definition can say what comes of it; what was written by then counts for nothing
 * @throws {MergeError} where the result does not fit the type it is written as
 */
export function mergeTensor(
  tensor: StreamTensor,
  begin: number,
  end: number,
  io: TensorBytes,
  sizes: TileSizes = TILE_SIZES,
): boolean {
  try {
    const { method } = tensor
    if (method.kind === 'combine') combine(tensor, method.sections, begin, end, io, sizes)
    else if (method.kind === 'slerp') slerp(tensor, method, io, sizes)
    else if (method.kind === 'gram') gramSum(tensor, method, io, sizes)
    else if (method.kind === 'task-vectors') mergeTaskVectors(tensor, method, io, sizes)
    else if (method.kind === 'sce') mergeSce(tensor, method, io, sizes)
    else if (method.kind === 'arcee_fusion') mergeArceeFusion(tensor, method, io, sizes)
    else mergeElements(tensor, method, begin, end, io, sizes)
    return true
  } catch (error) {
    if (error instanceof IrregularTensor) return false
    throw error
  }
}

function combine(
  tensor: StreamTensor,
  sections: readonly CombineSection[],
  begin: number,
  end: number,
  io: TensorBytes,
  sizes: TileSizes,
): void {
  const own = sections.filter(section => section.begin < end && section.end > begin)
  const terms = own.reduce((most, section) => Math.max(most, section.terms.length), 0)
  const coefficients = aligned(terms * 4)
  const frame = new TileFrame(tensor, io, sizes, 2 * coefficients)
  for (const section of own) {
    const { base } = section
    for (const [j, { input, coefficient }] of section.terms.entries()) {
      frame.u32[j] = frame.at(input)
      frame.f32[coefficients / 4 + j] = coefficient
    }
    const inputs = [...new Set([...(base === undefined ? [] : [base]), ...section.terms.map(({ input }) => input)])]
    const { kernel, out } = frame
    const count = section.terms.length
    frame.write(inputs, Math.max(begin, section.begin), Math.min(end, section.end), (_start, _count, whole) =>
      base === undefined
        ? kernel.linear(out, 0, coefficients, count, 0, whole * 4)
        : kernel.taskArithmetic(out, frame.at(base), 0, coefficients, count, 0, whole * 4),
    )
  }
}

function slerp(tensor: StreamTensor, { t }: SlerpMethod, io: TensorBytes, sizes: TileSizes): void {
  const { elements } = tensor
  const frame = new TileFrame(tensor, io, sizes, 64)
  const [sums, totals] = [frame.f64.subarray(0, 3), [0, 0, 0]]
  let different = false
  frame.pass([0, 1], 0, elements, (_start, _count, whole) => {
    sums.fill(0)
    if (frame.kernel.innerProducts(0, frame.at(0), frame.at(1), whole) !== 0) different = true
    for (const [i, sum] of sums.entries()) totals[i]! += sum
  })
  if (!totals.every(Number.isFinite)) throw new IrregularTensor()
  const [bb, xx, bx] = totals as [number, number, number]
  // What no model changed is the base's, bit for bit.
  const factors = different ? slerpCoefficients(t, bb, xx, bx) : [1]
  const terms = factors.map((factor, input) => ({ input, coefficient: Math.fround(factor) }))
  combine(tensor, [{ begin: 0, end: elements, base: undefined, terms }], 0, elements, io, sizes)
}

/** Inner products in one pass, the sum in another. What comes out beyond float32 is for the definition to judge. */
function gramSum(tensor: StreamTensor, method: GramMethod, io: TensorBytes, sizes: TileSizes): void {
  const { elements, name } = tensor
  const { vectors, base, settings } = method
  const plan = OPERATORS.get(method.operator)?.candidate
  if (plan?.kind !== 'gram') throw new Error(`${method.operator} is no sum by inner products.`)
  const gram = gramOf(tensor, method, io, sizes)
  const c = plan.coefficients(gram, settings, name).map(Math.fround)
  const parts = c.reduce((sum, x, v) => sum + Math.abs(x) * Math.sqrt(gram.at(v, v)), 0)
  // NaN is no smaller.
  if (!(parts <= CANCELLATION_LIMIT * normIn(gram, c))) throw new IrregularTensor()
  const found = vectors.flatMap((input, v) => (c[v] === 0 ? [] : [{ input, coefficient: c[v]! }]))
  const section = { begin: 0, end: elements }
  const sections: CombineSection[] =
    found.length > 0
      ? [{ ...section, base, terms: found }]
      : [
          {
            ...section,
            base: undefined,
            terms: [{ input: base ?? vectors[0]!, coefficient: base === undefined ? 0 : 1 }],
          },
        ]
  combine(tensor, sections, 0, elements, io, sizes)
}

function gramOf(tensor: StreamTensor, { vectors, base }: GramMethod, io: TensorBytes, sizes: TileSizes): Gram {
  const size = vectors.length
  const products = Array.from({ length: size }, () => new Float64Array(size))
  const frame = new TileFrame(tensor, io, sizes, 64)
  const { kernel, f64 } = frame
  const sums = f64.subarray(0, 3)
  const inputs = base === undefined ? vectors : [base, ...vectors]
  frame.pass(inputs, 0, tensor.elements, (_start, _count, whole) => {
    for (let i = 0; i < size; i++) {
      for (let j = Math.min(i + 1, size - 1); j < size; j++) {
        sums.fill(0)
        const [a, b] = [frame.at(vectors[i]!), frame.at(vectors[j]!)]
        if (base === undefined) kernel.innerProducts(0, a, b, whole)
        else kernel.taskInnerProducts(0, frame.at(base), a, b, whole)
        if (j === Math.min(i + 1, size - 1)) products[i]![i]! += sums[0]!
        if (i !== j) products[i]![j]! += sums[2]!
      }
    }
  })
  if (!products.every(row => row.every(Number.isFinite))) throw new IrregularTensor()
  return { size, at: (i, j) => (i <= j ? products[i]![j]! : products[j]![i]!) }
}
