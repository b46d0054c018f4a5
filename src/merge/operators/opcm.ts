import type { Matrix } from 'ml-matrix'
import { mlMatrix } from '../../numerics/ml-matrix.ts'
import { alpha } from './common-parameters.ts'
import type { MergeOperator, ModelView, Settings, Survey, TensorInput } from './operator.ts'
import { preparedSum } from './prepared-sum.ts'
import { asMatrix, asVector, decompose, isSpectral } from './spectral.ts'
import { dot, sum, taskVectors } from './vectors.ts'

/**
 * A. Tang et al., "Merging models on the fly without retraining: a sequential approach to scalable continual model merging" (OPCM), NeurIPS 2025: models arrive
 * one after another; each new task vector is projected away from the leading singular directions of what has been merged, and the sum is scaled so
 * that its norm stays the mean norm of the task vectors so far. Norms are of the whole model, hence the survey.
 */
export const opcm: MergeOperator = {
  name: 'opcm',
  title: 'Orthogonal projection, one model after another',
  reference: {
    text: 'Tang et al. 2025, Merging models on the fly without retraining',
    url: 'https://arxiv.org/abs/2501.09522',
  },
  base: 'required',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'prepared',
  span: 'model',
  parameters: [
    alpha,
    {
      kind: 'number',
      name: 'energy',
      description: 'Share of the sum of singular values whose directions are protected from later models.',
      default: 0.5,
      bounds: [0, 1],
      searchRange: [0.1, 0.9],
    },
  ],
  coefficients: [
    {
      kind: 'number',
      name: 'order',
      description: 'Models arrive in ascending order of this number; equal ones in the order of the recipe.',
      default: 0,
      searchRange: [0, 1],
    },
  ],
  survey: surveyScales,
  ...preparedSum({
    structure: ({ parameters, coefficients }) => [parameters.energy, arrival(coefficients.order!)],
    bases: input => [accumulated(input)],
    coefficients: ({ parameters }) => [Number(parameters.alpha)],
  }),
}

function accumulated(input: TensorInput): Float64Array {
  const order = arrival(input.coefficients.order!)
  const taus = taskVectors(input.models, input.base!)
  let tau = taus[order[0]!]!
  for (const [step, m] of order.slice(1).entries()) {
    const scale = input.survey!.scale![step]!
    tau = append(tau, taus[m]!, input.survey!.carry![step]!, input).map(value => value * scale)
  }
  return tau
}

function arrival(order: readonly number[]): number[] {
  return order.map((_, i) => i).sort((a, b) => order[a]! - order[b]!)
}

/** carry · τ + what of the new task vector is new. */
function append(
  tau: Float64Array,
  arriving: Float64Array,
  carry: number,
  input: Pick<TensorInput, 'shape' | 'name' | 'parameters'>,
): Float64Array {
  const kept = tau.map(value => carry * value)
  if (!isSpectral(input)) return sum(kept, arriving)
  const A = asMatrix(tau, input.shape)
  // The projection needs complete bases: those of A Aᵀ and Aᵀ A beyond the rank complete U and V.
  const { U, V, s } = complete(A)
  const total = s.reduce((all, value) => all + value, 0)
  let running = 0
  let k = s.findIndex(value => {
    running += value
    return running / total > Number(input.parameters.energy)
  })
  if (k < 0) k = 0
  const P = U.transpose().mmul(asMatrix(arriving, input.shape)).mmul(V)
  for (let i = 0; i < Math.min(P.rows, P.columns); i++) P.set(i, i, 0)
  for (let i = 0; i < Math.min(k, P.rows); i++) for (let j = 0; j < Math.min(k, P.columns); j++) P.set(i, j, 0)
  return sum(kept, asVector(U.mmul(P).mmul(V.transpose())))
}

/** Square U and V: the thin ones, completed to orthonormal bases. */
function complete(A: Matrix): { U: Matrix; V: Matrix; s: readonly number[] } {
  const { U, s, V } = decompose(A)
  return { U: completeBasis(U), s, V: completeBasis(V) }
}

/** Orthonormal columns, completed by Gram-Schmidt over the unit vectors, each twice against rounding. */
function completeBasis(Q: Matrix): Matrix {
  const n = Q.rows
  const columns = Array.from({ length: Q.columns }, (_, j) => Float64Array.from(Q.getColumn(j)))
  for (let e = 0; e < n && columns.length < n; e++) {
    const vector = new Float64Array(n)
    vector[e] = 1
    for (let pass = 0; pass < 2; pass++) {
      for (const column of columns) {
        const share = dot(column, vector)
        for (let i = 0; i < n; i++) vector[i]! -= share * column[i]!
      }
    }
    const length = Math.sqrt(dot(vector, vector))
    if (length > 1e-6) columns.push(vector.map(value => value / length))
  }
  const whole = new (mlMatrix().Matrix)(n, columns.length)
  for (const [j, column] of columns.entries()) whole.setColumn(j, Array.from(column))
  return whole
}

/** carry and scale of every arrival after the first, from norms over the whole model. Holds the task vectors of all tensors. */
function surveyScales({ tensors }: ModelView, { parameters, coefficients }: Settings): Survey {
  const order = arrival(coefficients.order!)
  const all = [...tensors].map(({ name, shape, base, models }) => ({ name, shape, taus: taskVectors(models, base!) }))
  const normOf = (vectors: readonly Float64Array[]) => Math.sqrt(vectors.reduce((total, v) => total + dot(v, v), 0))
  let state = all.map(({ taus }) => taus[order[0]!]!)
  const norms = [normOf(state)]
  const carry: number[] = []
  const scale: number[] = []
  let next = 1
  for (const m of order.slice(1)) {
    norms.push(normOf(all.map(({ taus }) => taus[m]!)))
    const average = norms.reduce((total, value) => total + value, 0) / norms.length
    carry.push(next)
    state = all.map(({ name, shape, taus }, t) => append(state[t]!, taus[m]!, next, { name, shape, parameters }))
    const size = normOf(state)
    next = average === 0 ? 1 : size / average
    const factor = size === 0 ? 1 : average / size
    scale.push(factor)
    state = state.map(vector => vector.map(value => value * factor))
  }
  return { carry, scale }
}
