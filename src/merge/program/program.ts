import type { Dtype, WeightDtype } from '../../formats/dtype.ts'
import type { MergeOperator, Settings } from '../operators/operator.ts'

/**
 * What is to be written, tensor by tensor: recipes and mergekit configurations become one, and `write-program.ts` carries it out. Layers may
 * come from several models, in any order and number.
 */
export interface MergeProgram {
  /** Names of the models; tensors refer to them by position. */
  readonly models: readonly string[]
  /** In the order in which they are written. */
  readonly tensors: readonly ProgramTensor[]
  /** Sentences worth telling: what was left out, and why. */
  readonly remarks: readonly string[]
}

export type ProgramTensor = MergedTensor | CopiedTensor

/** Where an input is: position of the model, and the tensor's name there. */
export interface TensorReference {
  readonly model: number
  readonly tensor: string
}

export interface MergedTensor {
  readonly kind: 'merged'
  readonly name: string
  readonly shape: readonly number[]
  readonly operator: MergeOperator
  readonly settings: Settings
  readonly base: TensorReference | undefined
  readonly inputs: readonly TensorReference[]
  /** Of the inputs, for random masks. */
  readonly ids: readonly string[]
  /** 0 in the first block, 1 in the last; undefined outside blocks. */
  readonly depth: number | undefined
  /** Inputs are rounded to it before they are merged. Undefined: they stay as they are. */
  readonly work: WeightDtype | undefined
  readonly written: WeightDtype
}

/** Integers, booleans, and what only one model has: taken over byte by byte. */
export interface CopiedTensor {
  readonly kind: 'copied'
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: Dtype
  readonly from: TensorReference
  /** Inputs that must have the very same bytes. */
  readonly equals: readonly TensorReference[]
}
