import type { MergeOperator, NumberParameter, Settings, Windows } from './operator.ts'
import { taskVectors } from './vectors.ts'
import { whole } from './whole.ts'

/**
 * Reinforced agent merging: changes that only one model has are kept whole (RAM) or amplified (RAM+), changes that several have are
 * averaged over those. "Behavior knowledge merge in reinforced agentic models", 2026; conventions of mergekit's methods ram and ramplus_tl.
 */
const reference = {
  text: 'Behavior Knowledge Merge in Reinforced Agentic Models, 2026; mergekit, method ram',
  url: 'https://github.com/arcee-ai/mergekit/blob/main/docs/merge_methods.md',
}

const epsilon: NumberParameter = {
  kind: 'number',
  name: 'epsilon',
  description: 'Changes up to this are none.',
  default: 1e-5,
  bounds: [0, Number.MAX_VALUE],
  searchRange: [1e-6, 1e-4],
}

export const ram: MergeOperator = {
  name: 'ram',
  title: 'Reinforced agent merging',
  reference,
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'pass',
  span: 'element',
  parameters: [epsilon],
  coefficients: [],
  candidate: {
    kind: 'pass',
    pass: ({ parameters }, { ids }) => ({
      terms: ids.map(() => whole(1)),
      mix: { kind: 'unique', epsilon: Number(parameters.epsilon), amplify: undefined },
    }),
  },
  merge({ base, models, parameters }) {
    const taus = taskVectors(models, base!)
    return mergeUnique(
      base!,
      taus,
      Number(parameters.epsilon),
      taus.map(() => 1),
    )
  },
}

export const ramPlus: MergeOperator = {
  name: 'ramplus_tl',
  title: 'Reinforced agent merging, unique changes amplified by tensor',
  reference,
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'pass',
  span: 'tensor',
  parameters: [
    epsilon,
    { kind: 'number', name: 'r', description: 'Strength of the amplification.', default: 0.1, searchRange: [0, 0.5] },
    {
      kind: 'number',
      name: 'alpha',
      description: 'Largest ratio of shared to unique changes that counts.',
      default: 0.2,
      bounds: [0, Number.MAX_VALUE],
      searchRange: [0, 1],
    },
  ],
  coefficients: [],
  candidate: {
    kind: 'pass',
    pass: (settings, { ids }) => ({
      terms: ids.map(() => whole(1)),
      mix: {
        kind: 'unique',
        epsilon: Number(settings.parameters.epsilon),
        amplify: amplificationOf(settings),
      },
    }),
  },
  windows: tensor => amplified(tensor.ids.length, tensor),
  merge(input) {
    const { base, models } = input
    const { passes, merge } = amplified(models.length, input)
    const whole = { begin: 0, base, models }
    for (const pass of passes) pass(whole)
    return merge(whole)
  },
}

/** How much changes are amplified that only one model has. */
export interface Amplification {
  readonly r: number
  readonly alpha: number
}

/** Undefined: of a method that amplifies none. */
export function amplificationOf({ parameters: { r, alpha } }: Settings): Amplification | undefined {
  return r === undefined ? undefined : { r: Number(r), alpha: Number(alpha) }
}

/** Of a model with so many changes that others have too, and so many of its own. */
export function uniqueFactor({ r, alpha }: Amplification, shared: number, unique: number, epsilon: number): number {
  return 1 + r * Math.min(alpha, shared / Math.max(unique, epsilon))
}

/** How many changes of each model are its own decides how much those are amplified. */
function amplified(count: number, settings: Settings): Windows {
  const eps = Number(settings.parameters.epsilon)
  const amplify = amplificationOf(settings)!
  const shared = new Float64Array(count)
  const unique = new Float64Array(count)
  return {
    unit: 1,
    passes: [
      ({ base, models }) => {
        const taus = taskVectors(models, base!)
        for (let i = 0; i < base!.length; i++) {
          let active = 0
          for (let m = 0; m < count; m++) if (Math.abs(taus[m]![i]!) > eps) active++
          const counts = active > 1 ? shared : unique
          for (let m = 0; m < count; m++) if (Math.abs(taus[m]![i]!) > eps) counts[m]! += 1
        }
      },
    ],
    merge: ({ base, models }) => {
      const factors = models.map((_, m) => uniqueFactor(amplify, shared[m]!, unique[m]!, eps))
      return mergeUnique(base!, taskVectors(models, base!), eps, factors)
    },
  }
}

function mergeUnique(
  base: Float64Array,
  taus: readonly Float64Array[],
  eps: number,
  uniqueFactors: readonly number[],
): Float64Array {
  const out = base.slice()
  for (let i = 0; i < out.length; i++) {
    let [total, count, only] = [0, 0, 0]
    for (let m = 0; m < taus.length; m++) {
      const value = taus[m]![i]!
      if (Math.abs(value) <= eps) continue
      total += value
      count++
      only = m
    }
    if (count > 0) out[i]! += count === 1 ? uniqueFactors[only]! * total : total / count
  }
  return out
}
