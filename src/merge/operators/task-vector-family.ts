import { divisorOf, mixTaskVectors } from './consensus.ts'
import { positionRandom } from './hash-random.ts'
import type {
  BooleanParameter,
  MergeOperator,
  NumberParameter,
  OperatorParameter,
  Pass,
  PassTensor,
  Settings,
  TaskVectorTraits,
  TensorInput,
  Thin,
} from './operator.ts'
import { rowLength } from './order.ts'
import {
  keepByRank,
  keepLargest,
  keepMiddle,
  keepRandom,
  largestCount,
  middleRanks,
  place,
  requireProbabilities,
  restoreMagnitude,
} from './sparsify.ts'
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
    ...(sparsifier !== 'none' && {
      candidate: { kind: 'pass', pass: (settings, tensor) => passOf(member, settings, tensor) } as const,
    }),
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

/** The same as one pass. */
export function passOf(member: FamilyMember, settings: Settings, tensor: PassTensor): Pass | undefined {
  const { parameters, coefficients } = settings
  if (member.sparsifier === 'rank' && rowLength(tensor.elements, tensor.shape) > RANKS_LIMIT) return undefined
  const weights = coefficients.weight!
  const [lambda, normalize] = [Number(parameters.lambda), parameters.normalize === true]
  return {
    terms: weights.map((weight, m) => {
      const density = coefficients.density![m]!
      const divided = member.sparsifier === 'random' && perElement(settings) && density > 0 && density < 1
      return {
        weight,
        factor: divided ? 1 / density : 1,
        thin: thinOf(member, m, settings, tensor),
        rescale: parameters.rescale === true && !perElement(settings),
      }
    }),
    mix: member.elect
      ? { kind: 'elect', lambda, normalize }
      : { kind: 'sum', scale: normalize ? lambda / divisorOf(weights) : lambda },
  }
}

/** Tables of ranks have 16 bits per element. */
const RANKS_LIMIT = 1 << 16

function thinOf({ sparsifier }: FamilyMember, m: number, settings: Settings, tensor: PassTensor): Thin {
  const { coefficients } = settings
  const { name, elements: n, ids } = tensor
  const density = coefficients.density![m]!
  const where = place(name, ids[m]!)
  if (density >= 1) return { kind: 'all' }
  switch (sparsifier) {
    case 'none':
      return { kind: 'all' }
    case 'largest':
      return { kind: 'ranks', begin: n - largestCount(density, n, where), end: n }
    case 'middle':
      return { kind: 'ranks', ...middleRanks(density, coefficients.gamma![m]!, n) }
    case 'random':
      // Beyond the last of the random numbers, all are below.
      return density > 1 - 2 ** -32 ? { kind: 'all' } : { kind: 'random', density }
    case 'rank': {
      if (density <= 0) return { kind: 'ranks', begin: n, end: n }
      const epsilon = coefficients.epsilon![m]!
      requireProbabilities(density, epsilon, where)
      return { kind: 'row-ranks', density, epsilon, perElement: perElement(settings) }
    }
  }
}

/** The paper's scaling of what is kept, element by element, instead of mergekit's. */
function perElement({ parameters }: Settings): boolean {
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
