import type { MergeOperator, ModelView, PassPlan, Settings, Survey, TensorInput } from './operator.ts'
import { taskVectorOperator } from './task-vector-family.ts'
import { difference, sum, taskVectors } from './vectors.ts'

/**
 * P. Yadav et al., "TIES-Merging: resolving interference when merging models", NeurIPS 2023, section 3: trim, elect sign, disjoint merge.
 *
 * mergekit trims each tensor on its own, elects by the weighted sum and divides by the weights that agree. The paper trims the whole
 * model at once (keeping everything from the k-th largest magnitude on), elects without weights, and averages what agrees; a sum of
 * exactly zero takes the sign that most positions have.
 */
const family = taskVectorOperator({
  name: 'ties',
  title: 'TIES-Merging',
  reference: { text: 'Yadav et al. 2023, TIES-Merging', url: 'https://arxiv.org/abs/2306.01708' },
  sparsifier: 'largest',
  elect: true,
  normalize: true,
  rescale: false,
})

const trimmed = family.candidate as PassPlan

export const ties: MergeOperator = {
  ...family,
  span: 'model', // of the paper's flavor; mergekit's needs the tensor only
  parameters: [
    ...family.parameters,
    {
      kind: 'choice',
      name: 'flavor',
      description:
        'mergekit: trim each tensor, elect by weighted sum, divide by the weights that agree. ' +
        'paper: trim the whole model, elect without weights, mean of what agrees; weights scale task vectors afterwards.',
      choices: ['mergekit', 'paper'],
      default: 'mergekit',
    },
  ],
  survey: (model, settings) => (settings.parameters.flavor === 'paper' ? surveyModel(model, settings) : {}),
  candidate: {
    kind: 'pass',
    // What the paper trims is a share of the whole model: by the definition.
    pass: (settings, tensor) => (settings.parameters.flavor === 'paper' ? undefined : trimmed.pass(settings, tensor)),
  },
  merge: input => (input.parameters.flavor === 'paper' ? mergeAsPublished(input) : family.merge(input)),
}

/** threshold: per model, the magnitude from which on an element is kept; majority: the sign of positions whose sum is zero. */
function surveyModel({ ids, tensors }: ModelView, { coefficients }: Settings): Survey {
  const magnitudes: number[][] = ids.map(() => [])
  const deltas: Float64Array[][] = []
  for (const { base, models } of tensors) {
    const taus = taskVectors(models, base!)
    deltas.push(taus)
    for (const [m, tau] of taus.entries()) for (const value of tau) magnitudes[m]!.push(Math.abs(value))
  }
  const threshold = magnitudes.map((all, m) => {
    const drop = all.length - Math.trunc(all.length * coefficients.density![m]!)
    if (drop <= 0) return 0
    return Float64Array.from(all).sort()[Math.min(drop, all.length) - 1]!
  })
  let majority = 0
  for (const taus of deltas) {
    for (let i = 0; i < taus[0]!.length; i++) majority += Math.sign(trimmedSum(taus, threshold, i))
  }
  return { threshold, majority: [Math.sign(majority)] }
}

function trimmedSum(taus: readonly Float64Array[], threshold: readonly number[], i: number): number {
  let total = 0
  for (const [m, tau] of taus.entries()) if (Math.abs(tau[i]!) >= threshold[m]!) total += tau[i]!
  return total
}

function mergeAsPublished({ base, models, coefficients, parameters, survey }: TensorInput): Float64Array {
  const { threshold, majority } = survey!
  const weights = coefficients.weight!
  const taus = models.map(x => difference(x, base!))
  const merged = new Float64Array(base!.length)
  for (let i = 0; i < merged.length; i++) {
    const total = trimmedSum(taus, threshold!, i)
    const sign = total === 0 ? majority![0]! : Math.sign(total)
    let kept = 0
    let count = 0
    for (const [m, tau] of taus.entries()) {
      const value = tau[i]!
      if (value === 0 || Math.abs(value) < threshold![m]! || (sign > 0 ? value < 0 : value > 0)) continue
      kept += weights[m]! * value
      count++
    }
    merged[i] = (Number(parameters.lambda) * kept) / (parameters.normalize === true ? Math.max(1, count) : 1)
  }
  return sum(base!, merged)
}
