import type { MergeOperator, Thin, Window, WindowedTensor, Windows } from './operator.ts'
import { smallestFirst } from './order.ts'
import { RankSearch } from './rank-search.ts'
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
  windows: inWindows,
  merge({ base, models, parameters }) {
    const taus = taskVectors(models, base!)
    const topk = Number(parameters.select_topk)
    if (topk < 1) keepVarying(taus, topk)
    const energy = taus.map(tau => energyOf(tau, 0))
    return erase(base!, taus, weightsOf(energy, taus[0]!.length, Number(parameters.floor)))
  },
}

/** Σ τ² on top of what was found before. */
function energyOf(tau: Float64Array, before: number): number {
  return tau.reduce((total, value) => total + value * value, before)
}

/** @param energy by model, summed over so many elements */
export function weightsOf(energy: readonly number[], elements: number, floor: number): readonly number[] {
  const means = energy.map(total => total / elements)
  const sum = means.reduce((total, value) => total + value, 0)
  return means.map(q => (sum < floor ? 1 / means.length : q / sum))
}

function erase(base: Float64Array, taus: readonly Float64Array[], weights: readonly number[]): Float64Array {
  const out = new Float64Array(base.length)
  for (let i = 0; i < out.length; i++) {
    let [total, mix, weight] = [0, 0, 0]
    for (let m = 0; m < taus.length; m++) total += taus[m]![i]!
    const sign = total >= 0 ? 1 : -1
    for (let m = 0; m < taus.length; m++) {
      const value = taus[m]![i]!
      if (Math.sign(value) !== sign) continue
      mix += weights[m]! * value
      weight += weights[m]!
    }
    out[i] = base[i]! + mix / Math.max(weight, 1e-6)
  }
  return out
}

/** The least variance that is kept is searched for, and of the positions that have it as many as are missing are kept, the first ones. */
function inWindows({ elements, ids, parameters }: WindowedTensor): Windows {
  const topk = Number(parameters.select_topk)
  const energy = ids.map(() => 0)
  let varying = 0
  const kept = () => Math.trunc(varying * topk)
  const search = new RankSearch(elements, () => [Math.min(elements - 1, elements - kept())])
  let equal = 0
  const tausOf = ({ begin, base, models }: Window): Float64Array[] => {
    const taus = taskVectors(models, base!)
    if (topk >= 1) return taus
    if (begin === 0) equal = search.equalFrom(0)
    const [variance, cut] = [variances(taus), search.value(0)]
    for (const [i, value] of variance.entries()) {
      if (kept() > 0 && (value > cut || (value === cut && equal-- > 0))) continue
      for (const tau of taus) tau[i] = 0
    }
    return taus
  }
  const searching = search.passes(({ base, models }) => variances(taskVectors(models, base!)))
  const counting = (window: Window): void => {
    for (const value of variances(taskVectors(window.models, window.base!))) if (value !== 0) varying++
  }
  return {
    unit: 1,
    passes: [
      ...(topk < 1 ? [counting, ...searching] : []),
      window => {
        for (const [m, tau] of tausOf(window).entries()) energy[m] = energyOf(tau, energy[m]!)
      },
    ],
    merge: window => erase(window.base!, tausOf(window), weightsOf(energy, elements, Number(parameters.floor))),
  }
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
  const count = taus.length
  const variance = new Float64Array(taus[0]!.length)
  for (let i = 0; i < variance.length; i++) {
    // The mean of equal numbers is not always that number, but their variance is 0.
    let [equal, mean, squares] = [true, 0, 0]
    for (let m = 0; m < count; m++) {
      const value = taus[m]![i]!
      mean += value
      if (value !== taus[0]![i]) equal = false
    }
    if (equal) continue
    mean /= count
    for (let m = 0; m < count; m++) squares += (taus[m]![i]! - mean) ** 2
    variance[i] = squares / count
  }
  return variance
}
