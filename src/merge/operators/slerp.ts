import type { MergeOperator } from './operator.ts'
import { slerpFactors } from './spherical.ts'
import { combination, dot } from './vectors.ts'

/** From this cosine on mergekit interpolates on the line. Two experts of one base nearly always lie there. */
const COLLINEAR = 0.9995

/**
 * K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985, on whole tensors: from the base (t = 0) to the other model
 * (t = 1) along the great circle of their directions, magnitudes kept.
 */
export const slerp: MergeOperator = {
  name: 'slerp',
  title: 'Spherical interpolation',
  reference: {
    text: 'Shoemake 1985, Animating rotation with quaternion curves',
    url: 'https://doi.org/10.1145/325165.325242',
  },
  base: 'required',
  models: [1, 1],
  cost: 'gram',
  span: 'tensor',
  parameters: [
    {
      kind: 'number',
      name: 't',
      description: '0 is the base, 1 the other model; beyond, it extrapolates.',
      searchRange: [0, 1],
    },
  ],
  coefficients: [],
  candidate: {
    kind: 'gram',
    of: () => 'with-base',
    along: () => 'tensor',
    coefficients: (gram, { parameters }) =>
      slerpCoefficients(Number(parameters.t), gram.at(0, 0), gram.at(1, 1), gram.at(0, 1)),
  },
  merge({ base, models, parameters }) {
    const [b, x] = [base!, models[0]!]
    return combination(slerpCoefficients(Number(parameters.t), dot(b, b), dot(x, x), dot(b, x)), [b, x])
  },
}

/**
 * Coefficients of the base and of the other model.
 * @param bb, xx, bx their inner products: ⟨base, base⟩, ⟨other, other⟩, ⟨base, other⟩
 */
export function slerpCoefficients(t: number, bb: number, xx: number, bx: number): readonly [number, number] {
  const cosine = bx / (lengthOf(bb) * lengthOf(xx))
  return Math.abs(cosine) > COLLINEAR ? [1 - t, t] : slerpFactors(t, cosine)
}

/** A vector that is as good as zero has no direction and is not scaled. */
function lengthOf(square: number): number {
  const length = Math.sqrt(square)
  return length > 1e-8 ? length : 1
}
