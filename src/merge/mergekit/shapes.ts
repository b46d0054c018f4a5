import { MergeError, show } from '../../errors.ts'
import type { Dtype } from '../../formats/dtype.ts'

export interface KnownTensor {
  readonly shape: readonly number[]
  readonly dtype: Dtype
}

/** Methods that cut embeddings of different vocabularies to the rows and columns they have in common. */
const CUTTING: ReadonlySet<string> = new Set(['linear', 'slerp', 'nuslerp', 'karcher', 'model_stock', 'arcee_fusion'])

/**
 * The shape that a tensor is merged in, and which inputs take part, where shapes differ. Only matrices may differ (embeddings and output heads whose
 * vocabularies were extended): some methods cut all of them to the common part; methods on task vectors cut a larger input to the base
 * and leave a smaller one out.
 * @throws {MergeError} where the shapes cannot be reconciled
 */
export function commonShape(
  method: string,
  name: string,
  base: KnownTensor | undefined,
  inputs: readonly KnownTensor[],
): { readonly shape: readonly number[]; readonly kept: readonly boolean[] } {
  const all = base === undefined ? inputs : [base, ...inputs]
  const [first] = all
  const same = (a: readonly number[], b: readonly number[]) =>
    a.length === b.length && a.every((size, i) => size === b[i])
  if (all.every(({ shape }) => same(shape, first!.shape))) return { shape: first!.shape, kept: inputs.map(() => true) }
  const listed = all.map(({ shape }) => `[${shape.join(', ')}]`).join(', ')
  const matrices = all.every(({ shape }) => shape.length === 2) && /embed|lm_head|wte|output/.test(name)
  if (matrices && CUTTING.has(method)) {
    const shape = [0, 1].map(axis => Math.min(...all.map(entry => entry.shape[axis]!)))
    return { shape, kept: inputs.map(() => true) }
  }
  if (matrices && base !== undefined) {
    const fits = ({ shape }: KnownTensor) => shape.every((size, axis) => size >= base.shape[axis]!)
    return { shape: base.shape, kept: inputs.map(fits) }
  }
  throw new MergeError(`Tensor ${show(name)} has different shapes: ${listed}.`, {
    hint: 'Models must be of one architecture; only embeddings and output heads may differ in their vocabulary.',
  })
}
