import type { MergeOperator, Thin } from './operator.ts'
import { smallestFirst } from './order.ts'
import { taskVectors } from './vectors.ts'

/**
 * F. Wan et al., "FuseChat: knowledge fusion of chat models", 2024, section 3.2: select the positions where task vectors differ most,
 * calculate a weight per tensor and model from their energy, erase what disagrees with the elected sign.
 */
export const sce: MergeOperator = {
  name: 'sce',
  title: 'Select, calculate, erase',
  reference: { text: 'Wan et al. 2024, FuseChat', url: 'https://arxiv.org/abs/2408.07990' },
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'pass',
  span: 'tensor',
  parameters: [
    {
      kind: 'number',
      name: 'select_topk',
      description: 'Share of the positions with any variance that is kept, largest variance first.',
      default: 1,
      bounds: [0, 1],
      searchRange: [0.05, 1],
    },
    {
      kind: 'number',
      name: 'floor',
      description: 'Summed mean squares below this weigh all models the same; that is usual with 16-bit fine-tunes.',
      default: 1e-6,
      bounds: [0, 1],
      searchRange: [1e-12, 1e-6],
    },
  ],
  coefficients: [],
  candidate: {
    kind: 'pass',
    pass: ({ parameters }, { ids }) => {
      const share = Number(parameters.select_topk)
      const thin: Thin = share < 1 ? { kind: 'varying', share } : { kind: 'all' }
      return {
        terms: ids.map(() => ({ weight: 1, factor: 1, thin, rescale: false })),
        mix: { kind: 'erase', floor: Number(parameters.floor) },
      }
    },
  },
  merge({ base, models, parameters }) {
    const taus = taskVectors(models, base!)
    const topk = Number(parameters.select_topk)
    if (topk < 1) keepVarying(taus, topk)
    const energy = taus.map(tau => tau.reduce((total, value) => total + value * value, 0) / tau.length)
    const sum = energy.reduce((total, value) => total + value, 0)
    const weights = energy.map(q => (sum < Number(parameters.floor) ? 1 / taus.length : q / sum))
    return base!.map((b, i) => {
      let total = 0
      for (const tau of taus) total += tau[i]!
      const sign = total >= 0 ? 1 : -1
      let [mix, weight] = [0, 0]
      for (const [m, tau] of taus.entries()) {
        if (Math.sign(tau[i]!) !== sign) continue
        mix += weights[m]! * tau[i]!
        weight += weights[m]!
      }
      return b + mix / Math.max(weight, 1e-6)
    })
  },
}

/** Zeroes, in place, all but the trunc(share · varying positions) positions of largest variance across models. */
function keepVarying(taus: readonly Float64Array[], share: number): void {
  const variance = variances(taus)
  const varying = variance.reduce((count, value) => count + (value === 0 ? 0 : 1), 0)
  const count = Math.trunc(varying * share)
  const order = smallestFirst(variance)
  for (const i of order.subarray(0, order.length - count)) for (const tau of taus) tau[i] = 0
}

/** Across models, by position. */
export function variances(taus: readonly Float64Array[]): Float64Array {
  const variance = new Float64Array(taus[0]!.length)
  for (let i = 0; i < variance.length; i++) {
    // The mean of equal numbers is not always that number, but their variance is 0.
    if (taus.every(tau => tau[i] === taus[0]![i])) continue
    const mean = taus.reduce((total, tau) => total + tau[i]!, 0) / taus.length
    variance[i] = taus.reduce((total, tau) => total + (tau[i]! - mean) ** 2, 0) / taus.length
  }
  return variance
}
