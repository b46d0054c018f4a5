import type { FilePlace } from '../../formats/checkpoint.ts'
import type { WeightDtype } from '../../formats/dtype.ts'
import type { Settings } from '../operators/operator.ts'
import type { Amplification } from '../operators/ram.ts'

/**
 * A tensor that can be merged tile by tile, as plain data that a thread can be sent. What an operator needs to know of the whole tensor
 * (inner products, thresholds, norms) it finds in passes of its own, so memory does not grow with the tensor.
 */
export interface StreamTensor {
  readonly name: string
  readonly elements: number
  readonly inputs: readonly StreamInput[]
  /** Inputs are rounded to it before they are merged. Undefined: they stay as they are. */
  readonly work: WeightDtype | undefined
  readonly written: WeightDtype
  readonly method: StreamMethod
}

export interface StreamInput {
  readonly dtype: WeightDtype
  /** Where the stored tensor begins; undefined where only the thread that opened its checkpoint can read it. */
  readonly place: FilePlace | undefined
  /** Of its checkpoint, for messages. */
  readonly path: string
  /** Of a matrix of which only the first columns are wanted: how many of how many. */
  readonly columns: { readonly wanted: number; readonly stored: number } | undefined
}

/** Inputs are referred to by position. */
export type StreamMethod =
  | CombineMethod
  | SlerpMethod
  | GramMethod
  | TaskVectorMethod
  | ElementMethod
  | SceMethod
  | ArceeFusionMethod

/** Fixed coefficients. Sections follow each other from the first element to the last. */
export interface CombineMethod {
  readonly kind: 'combine'
  readonly sections: readonly CombineSection[]
}

/** Elements [begin, end): Σ c_j x_j, or b + Σ c_j (x_j − b) where there is a base. */
export interface CombineSection {
  readonly begin: number
  readonly end: number
  readonly base: number | undefined
  readonly terms: readonly { readonly input: number; readonly coefficient: number }[]
}

/** `operators/slerp.ts`, from input 0 to input 1. */
export interface SlerpMethod {
  readonly kind: 'slerp'
  readonly t: number
}

/** Σ c_v x_v, the c_v from inner products of the x_v: an operator's `GramSum` on whole tensors. */
export interface GramMethod {
  readonly kind: 'gram'
  /** Its name in the registry. */
  readonly operator: string
  readonly settings: Settings
  /** Inputs. */
  readonly vectors: readonly number[]
  /** Input that is subtracted from each of them, and added to their sum. */
  readonly base: number | undefined
}

/** `operators/task-vector-family.ts`; input 0 is the base. */
export interface TaskVectorMethod {
  readonly kind: 'task-vectors'
  readonly elect: boolean
  /** With elected signs: divide by the weights that agree. Without, `weight` has all scales in it. */
  readonly normalize: boolean
  /** With elected signs: scale of what is added. */
  readonly lambda: number
  readonly models: readonly ThinnedModel[]
}

/** Operators of the task vectors at one position; input 0 is the base. */
export type ElementMethod = NearswapMethod | RamMethod | ConsensusMethod

/** `operators/nearswap.ts`. */
export interface NearswapMethod {
  readonly kind: 'nearswap'
  readonly t: number
}

/** `operators/ram.ts`; `amplify` takes counts over the whole tensor. */
export interface RamMethod {
  readonly kind: 'ram'
  readonly epsilon: number
  readonly amplify: Amplification | undefined
}

/** `operators/consensus-masks.ts`. */
export interface ConsensusMethod {
  readonly kind: 'consensus'
  readonly alpha: number
  readonly k: number
  readonly weights: readonly number[]
  readonly lambdas: readonly number[]
}

/** `operators/sce.ts`; input 0 is the base. */
export interface SceMethod {
  readonly kind: 'sce'
  /** Of the positions that vary, 0 to 1. */
  readonly share: number
  readonly floor: number
}

/** `operators/arcee-fusion.ts`, from input 0 to input 1. */
export interface ArceeFusionMethod {
  readonly kind: 'arcee_fusion'
  /** Elements of a row. */
  readonly columns: number
}

/** Whether elements know nothing of each other, so that threads may share a tensor. */
export function isElementwise(method: StreamMethod): boolean {
  const { kind } = method
  return kind === 'combine' || kind === 'nearswap' || kind === 'consensus' || (kind === 'ram' && !method.amplify)
}

export interface ThinnedModel {
  readonly input: number
  readonly weight: number
  readonly thinning: Thinning
  /** Of what is kept: a number, or whatever gives it the L1 norm of what there was. */
  readonly scale: number | 'restore'
}

export type Thinning =
  | { readonly kind: 'none' }
  /** Of the elements ordered by descending magnitude, those from position `from` up to, but not including, `to`. */
  | { readonly kind: 'largest'; readonly from: number; readonly to: number }
  /** Those whose random word is at most `last`. */
  | { readonly kind: 'random'; readonly key: number; readonly second: number; readonly last: number }
  /** By rank within rows, with probabilities from density − epsilon to density + epsilon. */
  | {
      readonly kind: 'rank'
      readonly key: number
      readonly second: number
      readonly columns: number
      readonly density: number
      readonly epsilon: number
    }

/** A random word is kept with probability `p`, 0 < p ≤ 1, where it is at most this. Exact: u = word 2^-32 < p. */
export function lastKeptWord(p: number): number {
  return Math.ceil(p * 2 ** 32) - 1
}
