import { MergeError, show } from '../../errors.ts'
import type { MergeOperator, Settings } from './operator.ts'
import { normIn } from './spherical.ts'
import { combination, difference, norm, sum } from './vectors.ts'

/**
 * Weighted mean of directions, at the weighted mean of norms. mergekit's formula goes through the tangent space at the mean direction, where
 * the weighted tangent vectors add up to zero by construction; what remains is out = (Σ w_m n_m) Σ w_m û_m / ‖Σ w_m û_m‖ with n_m = ‖x_m‖
 * and û_m = x_m / (n_m + eps).
 */
export const multislerp: MergeOperator = {
  name: 'multislerp',
  title: 'Spherical mean of several models',
  reference: {
    text: 'mergekit, method multislerp',
    url: 'https://github.com/arcee-ai/mergekit/blob/main/docs/merge_methods.md',
  },
  base: 'optional',
  models: [2, Number.POSITIVE_INFINITY],
  cost: 'gram',
  span: 'tensor',
  parameters: [
    { kind: 'boolean', name: 'normalize_weights', description: 'Divide the weights by their sum.', default: true },
    {
      kind: 'number',
      name: 'eps',
      description: 'Norms below this count as zero.',
      default: 1e-8,
      bounds: [0, 1],
      searchRange: [1e-9, 1e-7],
    },
  ],
  coefficients: [{ kind: 'number', name: 'weight', description: 'Share of the model.', searchRange: [0, 1] }],
  candidate: {
    kind: 'gram',
    of: base => (base ? 'task-vectors' : 'models'),
    along: () => 'tensor',
    coefficients: (gram, settings, name) => {
      const eps = Number(settings.parameters.eps)
      const weights = weightsOf(settings, name)
      const norms = weights.map((_, m) => Math.sqrt(gram.at(m, m)))
      const mean = weights.map((w, m) => w / (norms[m]! + eps))
      const length = normIn(gram, mean)
      const size = weights.reduce((all, w, m) => all + w * norms[m]!, 0)
      return length < eps ? withoutMean(name, norms, weights) : mean.map(c => (size * c) / length)
    },
  },
  merge({ name, base, models, coefficients, parameters, seed }) {
    const eps = Number(parameters.eps)
    const vectors = base === undefined ? models : models.map(x => difference(x, base))
    const weights = weightsOf({ coefficients, parameters, seed }, name)
    const norms = vectors.map(norm)
    const mean = combination(
      weights.map((w, m) => w / (norms[m]! + eps)),
      vectors,
    )
    const length = norm(mean)
    const size = weights.reduce((all, w, m) => all + w * norms[m]!, 0)
    const out =
      length < eps
        ? combination(withoutMean(name, norms, weights), vectors)
        : mean.map(value => (size * value) / length)
    return base === undefined ? out : sum(base, out)
  },
}

function weightsOf({ coefficients, parameters }: Settings, name: string): readonly number[] {
  const given = coefficients.weight!
  if (parameters.normalize_weights !== true) return given
  const total = given.reduce((all, w) => all + w, 0)
  const weights = given.map(w => w / total)
  if (weights.every(Number.isFinite)) return weights
  throw new MergeError(`The weights for ${show(name)} add up to ${total}, and multislerp divides by their sum.`, {
    hint: 'Change the weights, or set normalize_weights to false.',
  })
}

/** Coefficients instead of the mean's. Directions that cancel have no mean; two of them still have the line between them. */
function withoutMean(name: string, norms: readonly number[], weights: readonly number[]): readonly number[] {
  if (norms.length === 2 || norms.every(value => value === 0)) return weights
  throw new MergeError(
    `The weighted directions of ${norms.length} models cancel in ${show(name)}: they have no mean.`,
    {
      hint: 'Change the weights.',
    },
  )
}
