import type { MergeOperator, Settings } from './operators/operator.ts'

/**
 * A merge method with a kernel of its own: out = Σ c_j x_j or b + Σ c_j (x_j − b). One method, one file; the list is in `methods.ts`. All
 * methods, these too, are defined in `operators/`.
 */
export interface MergeMethod {
  /** mergekit's spelling, as in recipes. */
  readonly name: string
  readonly title: string
  readonly reference: { readonly text: string; readonly url: string }
  /** Whether a recipe must name the common ancestor. */
  readonly needsBase: boolean
  /** Parameters of the method as a whole. */
  readonly parameters: readonly MethodParameter[]
  /** Parameters per source and group. */
  readonly coefficients: readonly NumberParameter[]
  /**
   * What to compute for every tensor of one group.
   * @throws {MergeError} when the coefficients have no meaning, such as a sum of zero that is to be divided by
   */
  plan(input: PlanInput): KernelPlan
}

export type MethodParameter = NumberParameter | BooleanParameter

export interface NumberParameter {
  readonly kind: 'number'
  readonly name: string
  readonly description: string
  /** Absent: required. */
  readonly default?: number
  /** What a search tries when it is told nothing else; any finite number is allowed in a recipe. */
  readonly searchRange: readonly [low: number, high: number]
}

export interface BooleanParameter {
  readonly kind: 'boolean'
  readonly name: string
  readonly description: string
  readonly default: boolean
}

export interface PlanInput {
  /** Position of the base among the sources in memory. */
  readonly base: number | undefined
  /** Positions of the merged models, in the order of the recipe. */
  readonly sources: readonly number[]
  /** By coefficient name, one value per source: finite, defaults filled in. */
  readonly coefficients: Readonly<Record<string, readonly number[]>>
  /** Validated, defaults filled in. */
  readonly parameters: Readonly<Record<string, number | boolean>>
  /** Names the group in messages: `group 3`. */
  readonly where: string
}

export type TensorPlan = KernelPlan | OperatorPlan

/** A tensor by its definition, in float64. */
export interface OperatorPlan {
  readonly kernel: 'operator'
  readonly operator: MergeOperator
  readonly settings: Settings
  readonly base: number | undefined
  /** Positions of the merged models, in the order of the recipe. */
  readonly sources: readonly number[]
  /** Their ids. */
  readonly ids: readonly string[]
  /** 0 in the first block, 1 in the last; undefined outside blocks. */
  readonly depth: number | undefined
}

/** One pass of a kernel. Terms are added in this order. */
export interface KernelPlan {
  readonly kernel: 'linear' | 'task-arithmetic'
  /** Position of b; undefined for `linear`. */
  readonly base: number | undefined
  readonly terms: readonly PlanTerm[]
}

export interface PlanTerm {
  readonly source: number
  /** A float32, not zero unless it is the only one. */
  readonly coefficient: number
}
