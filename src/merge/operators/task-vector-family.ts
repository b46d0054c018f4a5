import { mixTaskVectors } from './consensus.ts'
import { positionRandom } from './hash-random.ts'
import type {
  BooleanParameter,
  MergeOperator,
  NumberParameter,
  OperatorParameter,
  TaskVectorTraits,
  TensorInput,
} from './operator.ts'
import { keepByRank, keepLargest, keepMiddle, keepRandom, place, restoreMagnitude } from './sparsify.ts'
import { combination, sum, taskVectors } from './vectors.ts'

/**
 * The task-arithmetic family as mergekit generalises it: out = W0 + λ mix(w_m · sparsify(τ_m)) with τ_m = x_m − W0. Its eight methods
 * differ in how a task vector is thinned out, whether signs are elected, and in two defaults.
 */
export interface FamilyMember extends TaskVectorTraits {
  readonly name: string
  readonly title: string
  readonly reference: MergeOperator['reference']
  readonly normalize: boolean
  /** Default of `rescale`; undefined: the method has no such parameter. */
  readonly rescale: boolean | undefined
  /** The paper's convention where it differs: see `flavored`. */
  readonly paper?: string
}

export function taskVectorOperator(member: FamilyMember): MergeOperator {
  const { name, title, reference, sparsifier } = member
  return {
    name,
    title,
    reference,
    base: 'required',
    models: [1, Number.POSITIVE_INFINITY],
    cost: sparsifier === 'none' && !member.elect ? 'linear' : 'pass',
    span: sparsifier === 'none' ? 'element' : 'tensor',
    ...((sparsifier === 'random' || sparsifier === 'rank') && { random: true }),
    family: { sparsifier, elect: member.elect },
    parameters: familyParameters(member),
    coefficients: familyCoefficients(sparsifier),
    merge: input => mergeFamily(member, input),
  }
}

function mergeFamily(member: FamilyMember, input: TensorInput): Float64Array {
  const { base, coefficients, parameters } = input
  const weights = coefficients.weight!
  const taus = taskVectors(input.models, base!)
  const thinned = taus.map((tau, m) => {
    const kept = thin(member, tau, m, input)
    return parameters.rescale === true && !perElement(input) ? restoreMagnitude(kept, tau) : kept
  })
  const mix = mixTaskVectors(thinned, weights, { elect: member.elect, normalize: parameters.normalize === true })
  return sum(base!, combination([Number(parameters.lambda)], [mix]))
}

/** The paper's scaling of what is kept, element by element, instead of mergekit's. */
function perElement({ parameters }: TensorInput): boolean {
  return parameters.flavor === 'paper'
}

function thin({ sparsifier }: FamilyMember, tau: Float64Array, m: number, input: TensorInput): Float64Array {
  if (sparsifier === 'none') return tau
  const { name, shape, ids, seed, coefficients } = input
  const density = coefficients.density![m]!
  const where = place(name, ids[m]!)
  switch (sparsifier) {
    case 'largest':
      return keepLargest(tau, density, where)
    case 'middle':
      return keepMiddle(tau, density, coefficients.gamma![m]!)
    case 'random': {
      const kept = keepRandom(tau, density, positionRandom(seed, ids[m]!, name))
      return perElement(input) && density > 0 && density < 1 ? kept.map(value => value / density) : kept
    }
    case 'rank':
      return keepByRank(tau, shape, {
        density,
        epsilon: coefficients.epsilon![m]!,
        random: positionRandom(seed, ids[m]!, name),
        perElement: perElement(input),
        where,
      })
  }
}

function familyParameters({ sparsifier, normalize, rescale }: FamilyMember): OperatorParameter[] {
  const parameters: OperatorParameter[] = [
    boolean('normalize', 'Divide by the sum of the weights that count at a position.', normalize),
    {
      kind: 'number',
      name: 'lambda',
      description: 'Scale of the mixed task vectors.',
      default: 1,
      searchRange: [0, 1.5],
    },
  ]
  if (rescale !== undefined) {
    parameters.push(boolean('rescale', 'Scale what a task vector keeps back to its L1 norm.', rescale))
  }
  if (sparsifier === 'random' || sparsifier === 'rank') {
    parameters.push({
      kind: 'choice',
      name: 'flavor',
      description:
        'mergekit: rescale keeps the L1 norm of a tensor. paper: every kept element is divided by its probability.',
      choices: ['mergekit', 'paper'],
      default: 'mergekit',
    })
  }
  return parameters
}

function familyCoefficients(sparsifier: FamilyMember['sparsifier']): NumberParameter[] {
  const coefficients: NumberParameter[] = [
    { kind: 'number', name: 'weight', description: 'Scale of the task vector of the model.', searchRange: [0, 1.5] },
  ]
  if (sparsifier === 'none') return coefficients
  coefficients.push({
    kind: 'number',
    name: 'density',
    description: 'Share of the task vector that is kept.',
    default: 1,
    bounds: [0, 1],
    searchRange: sparsifier === 'rank' ? [0.2, 0.8] : [0.05, 1],
  })
  if (sparsifier === 'middle') {
    coefficients.push({
      kind: 'number',
      name: 'gamma',
      description: 'Share of the largest magnitudes that is dropped.',
      default: 0.01,
      bounds: [0, 1],
      searchRange: [0, 0.1],
    })
  }
  if (sparsifier === 'rank') {
    coefficients.push({
      kind: 'number',
      name: 'epsilon',
      description: 'How far the keep probability departs from the density, for the smallest and largest of a row.',
      default: 0.15,
      bounds: [0, 0.5],
      searchRange: [0, 0.18],
    })
  }
  return coefficients
}

function boolean(name: string, description: string, value: boolean): BooleanParameter {
  return { kind: 'boolean', name, description, default: value }
}
