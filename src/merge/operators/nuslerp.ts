import type { MergeOperator, Settings, TensorInput } from './operator.ts'
import { slerpFactors } from './spherical.ts'
import { difference, sum } from './vectors.ts'

/**
 * Spherical interpolation by relative weights, over whole tensors, rows or columns; with a base between the task vectors.
 * The formula is Shoemake's (see slerp.ts), the conventions are mergekit's.
 */
export const nuslerp: MergeOperator = {
  name: 'nuslerp',
  title: 'Spherical interpolation by weights',
  reference: {
    text: 'Shoemake 1985, Animating rotation with quaternion curves',
    url: 'https://doi.org/10.1145/325165.325242',
  },
  base: 'optional',
  models: [2, 2],
  cost: 'gram',
  span: 'tensor',
  parameters: [
    { kind: 'boolean', name: 'nuslerp_flatten', description: 'The whole tensor is one vector.', default: true },
    {
      kind: 'boolean',
      name: 'nuslerp_row_wise',
      description: 'Where not flattened: vectors run along the first dimension (true) or the last (false).',
      default: false,
    },
  ],
  coefficients: [{ kind: 'number', name: 'weight', description: 'Share of the model.', searchRange: [0, 1] }],
  candidate: {
    kind: 'gram',
    of: base => (base ? 'task-vectors' : 'models'),
    along: ({ parameters }, shape) => {
      if (parameters.nuslerp_flatten === true || shape.length < 2) return 'tensor'
      return parameters.nuslerp_row_wise === true ? 'first' : 'last'
    },
    coefficients: (gram, settings) =>
      slerpFactors(shareOfSecond(settings), cosineBetween(gram.at(0, 0), gram.at(1, 1), gram.at(0, 1))),
  },
  merge(input) {
    const { base, models } = input
    const t = shareOfSecond(input)
    const [a, b] = models.map(x => (base === undefined ? x : difference(x, base)))
    const out = interpolate(t, a!, b!, input)
    return base === undefined ? out : sum(base, out)
  },
}

function shareOfSecond({ coefficients }: Settings): number {
  const [w1, w2] = [coefficients.weight![0]!, coefficients.weight![1]!]
  return Math.abs(w1 + w2) < 1e-6 ? 0.5 : w2 / (w1 + w2)
}

/** From the squares of the norms and the inner product. */
function cosineBetween(aa: number, bb: number, ab: number): number {
  return ab / (Math.max(Math.sqrt(aa), 1e-7) * Math.max(Math.sqrt(bb), 1e-7))
}

function interpolate(t: number, a: Float64Array, b: Float64Array, { shape, parameters }: TensorInput): Float64Array {
  const out = new Float64Array(a.length)
  const { count, stride } = vectorsOf(shape, a.length, parameters)
  // Vector v has elements start + k · stride, k < count; starts run over all positions whose coordinate along that dimension is 0.
  for (let start = 0; start < a.length; start++) {
    if (Math.floor(start / stride) % count !== 0) continue
    let [aa, bb, ab] = [0, 0, 0]
    for (let k = 0, i = start; k < count; k++, i += stride) {
      aa += a[i]! ** 2
      bb += b[i]! ** 2
      ab += a[i]! * b[i]!
    }
    const [f0, f1] = slerpFactors(t, cosineBetween(aa, bb, ab))
    for (let k = 0, i = start; k < count; k++, i += stride) out[i] = f0 * a[i]! + f1 * b[i]!
  }
  return out
}

function vectorsOf(shape: readonly number[], elements: number, parameters: TensorInput['parameters']) {
  if (parameters.nuslerp_flatten === true || shape.length < 2) return { count: elements, stride: 1 }
  if (parameters.nuslerp_row_wise === true) return { count: shape[0]!, stride: elements / shape[0]! }
  return { count: shape.at(-1)!, stride: 1 }
}
