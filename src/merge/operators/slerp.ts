import type { MergeOperator } from './operator.ts'
import { cosineOf, slerpFactors } from './spherical.ts'
import { combination } from './vectors.ts'

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
  merge({ base, models, parameters }) {
    const t = Number(parameters.t)
    const cosine = cosineOf(base!, models[0]!, 1e-8)
    const factors = Math.abs(cosine) > COLLINEAR ? [1 - t, t] : slerpFactors(t, cosine)
    return combination(factors, [base!, models[0]!])
  },
}
