import { weight } from './common-parameters.ts'
import type { MergeOperator, TensorInput } from './operator.ts'
import { preparedSum } from './prepared-sum.ts'
import { combination, taskVectors } from './vectors.ts'

/**
 * G. Du et al., "Parameter competition balancing for model merging" (PCB-Merging), NeurIPS 2024, equations 2 to 5: elements compete within a
 * task (magnitude) and between tasks (agreement); the strongest share is kept, in proportion. The paper ranks over the whole model, here each tensor
 * is ranked on its own.
 */
export const pcb: MergeOperator = {
  name: 'pcb',
  title: 'Parameter competition balancing',
  reference: { text: 'Du et al. 2024, Parameter competition balancing', url: 'https://arxiv.org/abs/2410.02396' },
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'prepared',
  span: 'tensor',
  parameters: [
    {
      kind: 'number',
      name: 'ratio',
      description: 'Share of the elements that is kept.',
      default: 0.1,
      bounds: [0, 1],
      searchRange: [0.05, 0.4],
    },
    {
      kind: 'number',
      name: 'clamp',
      description: 'Share of the smallest and of the largest magnitudes that is cut to the next value.',
      default: 1e-4,
      bounds: [0, 0.49],
      searchRange: [0, 0.01],
    },
  ],
  coefficients: [weight],
  ...preparedSum({
    structure: ({ parameters }) => parameters,
    bases: balance,
    coefficients: ({ coefficients }) => coefficients.weight!,
  }),
}

function balance({ base, models, parameters }: TensorInput): Float64Array[] {
  const [ratio, clamp] = [Number(parameters.ratio), Number(parameters.clamp)]
  const M = models.length
  const taus = taskVectors(models, base!)
  const magnitudes = taus.map(tau => clampQuantiles(tau.map(Math.abs), clamp, clamp))
  const clamped = taus.map((tau, m) => tau.map((value, i) => Math.sign(value) * magnitudes[m]![i]!))
  const total = combination(
    taus.map(() => 1),
    taus,
  )
  const scores = taus.map((tau, m) => {
    const intra = minMax(magnitudes[m]!).map(value => Math.exp(M * value ** 2))
    const balanced = intra.map((value, i) => value * Math.tanh(tau[i]! * total[i]!))
    return minMax(clampQuantiles(balanced, 1 - ratio, 0))
  })
  const shares = combination(
    taus.map(() => 1),
    scores,
  )
  return clamped.map((values, m) => values.map((value, i) => (value * scores[m]![i]!) / Math.max(shares[i]!, 1e-12)))
}

/** Cuts to the values at sorted positions trunc(n low) and trunc(n (1 − high) − 1). */
function clampQuantiles(values: Float64Array, low: number, high: number): Float64Array {
  const n = values.length
  const sorted = values.slice().sort()
  const least = sorted[Math.min(n - 1, Math.trunc(n * low))]!
  const most = sorted[Math.max(0, Math.trunc(n * (1 - high) - 1))]!
  return values.map(value => Math.min(most, Math.max(least, value)))
}

/** To [0, 1]; a constant vector becomes zeros. */
function minMax(values: Float64Array): Float64Array {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  return values.map(value => (most > least ? (value - least) / (most - least) : 0))
}
