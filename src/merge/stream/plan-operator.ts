import { positionKeys } from '../operators/hash-random.ts'
import type { MergeOperator, Settings } from '../operators/operator.ts'
import { amplificationOf } from '../operators/ram.ts'
import { lastKeptWord, type StreamMethod, type ThinnedModel, type Thinning } from './stream-tensor.ts'

/** Positions beyond 32 bits would need a second word in the kernels, and counters. Real tensors are a hundred times smaller. */
const ELEMENTS_LIMIT = 2 ** 32 - 1
/** Longer rows are sorted by the definition: the kernel sorts a row in memory. */
const COLUMNS_LIMIT = 1 << 20
/** A row's divergence is kept from one pass to the next: 8 bytes. */
const ROWS_LIMIT = 1 << 22
/** Weights of both signs that leave less of their size than this are divided by in float64 only. */
const CANCELLED = 1e-6

export interface OperatorUse {
  readonly operator: MergeOperator
  readonly settings: Settings
  /** Of the tensor and of the models, in the order of their coefficients. */
  readonly name: string
  readonly shape: readonly number[]
  readonly ids: readonly string[]
  /** Whether a base is given: it is input 0 then, and the models follow. */
  readonly based: boolean
}

/**
 * How to merge a tensor in tiles; undefined where only the operator's definition can. Whatever the definition refuses, or decides case by
 * case, is left to it.
 */
export function streamMethod(use: OperatorUse): StreamMethod | undefined {
  const { operator, settings, shape } = use
  const elements = shape.reduce((product, size) => product * size, 1)
  if (elements === 0 || elements > ELEMENTS_LIMIT) return undefined
  if (settings.parameters.flavor === 'paper' && operator.family?.sparsifier !== 'random') return undefined
  if (operator.family !== undefined) return taskVectors(use, elements)
  switch (operator.name) {
    case 'linear':
      return average(use, elements)
    case 'slerp':
      return { kind: 'slerp', t: Number(settings.parameters.t) }
    case 'nearswap':
      return { kind: 'nearswap', t: Number(settings.parameters.t) }
    case 'ram':
    case 'ramplus_tl':
      return { kind: 'ram', epsilon: Number(settings.parameters.epsilon), amplify: amplificationOf(settings) }
    case 'consensus':
      return consensus(settings)
    case 'sce': {
      const { select_topk, floor } = settings.parameters
      return { kind: 'sce', share: Number(select_topk), floor: Number(floor) }
    }
    case 'arcee_fusion': {
      const columns = shape.at(-1) ?? 1
      const fits = columns <= COLUMNS_LIMIT && elements / columns <= ROWS_LIMIT
      return fits ? { kind: 'arcee_fusion', columns } : undefined
    }
    default:
      return gramSum(use)
  }
}

function consensus({ parameters, coefficients }: Settings): StreamMethod {
  const [alpha, k] = [Number(parameters.alpha), Number(parameters.k)]
  return { kind: 'consensus', alpha, k, weights: coefficients.weight!, lambdas: coefficients.mask_lambda! }
}

function gramSum({ operator, settings, shape, ids, based }: OperatorUse): StreamMethod | undefined {
  const plan = operator.candidate
  if (plan?.kind !== 'gram' || plan.along(settings, shape) !== 'tensor') return undefined
  const of = plan.of(based)
  if (of === 'with-base' || (of === 'models' && based)) return undefined
  const first = based ? 1 : 0
  const { parameters, coefficients, seed } = settings // as plain data, for a thread
  return {
    kind: 'gram',
    operator: operator.name,
    settings: { parameters, coefficients, seed },
    vectors: ids.map((_, m) => first + m),
    base: based ? 0 : undefined,
  }
}

function average(
  { settings: { parameters, coefficients }, based }: OperatorUse,
  elements: number,
): StreamMethod | undefined {
  const weights = coefficients.weight!
  const total = weights.reduce((sum, w) => sum + w, 0)
  const size = weights.reduce((sum, w) => sum + Math.abs(w), 0)
  if (based || (parameters.normalize === true && Math.abs(total) <= CANCELLED * size)) return undefined
  const divisor = parameters.normalize === true ? total : 1
  const terms = weights.flatMap((w, input) => (w === 0 ? [] : [{ input, coefficient: Math.fround(w / divisor) }]))
  if (terms.length === 0 || terms.some(({ coefficient }) => !Number.isFinite(coefficient))) return undefined
  return { kind: 'combine', sections: [{ begin: 0, end: elements, base: undefined, terms }] }
}

function taskVectors(use: OperatorUse, elements: number): StreamMethod | undefined {
  const { operator, settings } = use
  const { sparsifier, elect } = operator.family!
  const { parameters } = settings
  const weights = settings.coefficients.weight!
  const normalize = parameters.normalize === true
  const lambda = Number(parameters.lambda)
  if (![lambda, ...weights].every(value => Number.isFinite(Math.fround(value)))) return undefined
  if (elect && normalize && cancels(weights)) return undefined
  const total = weights.reduce((sum, w) => sum + w, 0)
  const divisor = normalize && Math.abs(total) >= 1e-8 ? total : 1 // mergekit's guard
  const models: ThinnedModel[] = []
  for (const [m, w] of weights.entries()) {
    const thinning = sparsifier === 'none' ? ({ kind: 'none' } as const) : thinningOf(use, m, elements)
    if (thinning === undefined) return undefined
    const weight = Math.fround(elect ? w : (lambda * w) / divisor)
    if (!Number.isFinite(weight)) return undefined
    if (weight === 0 || thinning === 'nothing') continue
    models.push({ input: 1 + m, weight, thinning, scale: scaleOf(use, m, thinning) })
  }
  if (models.length === 0) {
    const terms = [{ input: 0, coefficient: 1 }]
    return { kind: 'combine', sections: [{ begin: 0, end: elements, base: undefined, terms }] }
  }
  if (!elect && models.every(({ thinning }) => thinning.kind === 'none')) {
    const terms = models.map(({ input, weight }) => ({ input, coefficient: weight }))
    return { kind: 'combine', sections: [{ begin: 0, end: elements, base: 0, terms }] }
  }
  return { kind: 'task-vectors', elect, normalize, lambda: Math.fround(lambda), models }
}

/** Whether some of the weights, of both signs, nearly cancel: float32 would decide by rounding whether and by what to divide. */
function cancels(weights: readonly number[]): boolean {
  if (weights.every(w => w >= 0) || weights.every(w => w <= 0)) return false
  if (weights.length > 12) return true
  for (let subset = 1; subset < 2 ** weights.length; subset++) {
    const own = weights.filter((_, m) => (subset >> m) & 1)
    const size = own.reduce((sum, w) => sum + Math.abs(w), 0)
    if (Math.abs(own.reduce((sum, w) => sum + w, 0)) < CANCELLED * size) return true
  }
  return false
}

function thinningOf(
  { operator, settings: { coefficients, seed }, name, shape, ids }: OperatorUse,
  m: number,
  elements: number,
): Thinning | 'nothing' | undefined {
  const density = coefficients.density![m]!
  if (density >= 1) return { kind: 'none' }
  const keys = () => positionKeys(seed, ids[m]!, name)
  const count = Math.trunc(density * elements)
  switch (operator.family!.sparsifier) {
    case 'largest':
      return count <= 0 ? undefined : { kind: 'largest', from: 0, to: count }
    case 'middle': {
      const bottom = Math.max(0, elements - count - Math.trunc(coefficients.gamma![m]! * elements))
      return count <= 0 ? 'nothing' : { kind: 'largest', from: elements - bottom - count, to: elements - bottom }
    }
    case 'random':
      return density <= 0 ? 'nothing' : { kind: 'random', ...keys(), last: lastKeptWord(density) }
    case 'rank': {
      const epsilon = coefficients.epsilon![m]!
      const columns = shape.length < 2 ? elements : shape[1]!
      if (density <= 0) return 'nothing'
      if (!(epsilon >= 0 && density - epsilon > 0 && density + epsilon < 1)) return undefined
      if (shape.length > 2 || columns > COLUMNS_LIMIT) return undefined
      return { kind: 'rank', ...keys(), columns, density, epsilon }
    }
    case 'none':
      return { kind: 'none' }
  }
}

function scaleOf(
  { settings: { parameters, coefficients } }: OperatorUse,
  m: number,
  { kind }: Thinning,
): ThinnedModel['scale'] {
  if (kind === 'none') return 1
  if (parameters.flavor === 'paper') return 1 / coefficients.density![m]!
  return parameters.rescale === true ? 'restore' : 1
}
