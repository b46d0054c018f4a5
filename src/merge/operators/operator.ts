/**
 * A merge operator as its paper writes it: tensors in, tensor out, in float64. One operator, one file; the list is in `registry.ts`.
 *
 * This is the exact path: what fast paths are compared with, and what a winner is written with. Operators hold no state and read no
 * files; randomness is a function of (seed, source, tensor, position), so that a result does not depend on order or threads.
 */
export interface MergeOperator {
  /** mergekit's spelling where mergekit has it. */
  readonly name: string
  readonly title: string
  readonly reference: { readonly text: string; readonly url: string }
  /** `required`: works on task vectors or needs the ancestor; `optional`: uses it where a recipe names one; `none`: a recipe must not name one. */
  readonly base: 'required' | 'optional' | 'none'
  /** How many models besides the base. */
  readonly models: readonly [least: number, most: number]
  /**
   * What a candidate costs once everything that does not depend on the searched numbers has been prepared:
   * `linear`: out = W0 + Σ c_j B_j with fixed B_j; `gram`: the same, the c_j from a matrix of inner products; `pass`: one pass with
   * comparisons; `prepared`: some parameters change what is prepared, the others are linear.
   */
  readonly cost: 'linear' | 'gram' | 'pass' | 'prepared'
  /**
   * How much of the inputs decides one element of the result: the elements at its position, the tensor, or the model. `element`
   * operators may be given any stretch of a tensor.
   */
  readonly span: 'element' | 'tensor' | 'model'
  /** Of the task-arithmetic family: how it thins task vectors out, and whether signs are elected. See `task-vector-family.ts`. */
  readonly family?: TaskVectorTraits
  /** Of the operator as a whole; the same for all models of a group. */
  readonly parameters: readonly OperatorParameter[]
  /** Per model. */
  readonly coefficients: readonly NumberParameter[]
  /** Draws random masks: `seed` decides which. */
  readonly random?: true
  /** Statistics of activations or gradients that every model must come with. See `TensorInput.statistics`. */
  readonly needs?: StatisticKind
  /** With `needs`: tensors that have no statistics are Σ c_m x_m, these the c_m. Not finite: the definition refuses the settings. */
  readonly unmeasured?: (settings: Settings, models: number) => readonly number[]
  /** How candidates are computed fast; absent: by the definition. */
  readonly candidate?: CandidatePlan
  /**
   * The definition in windows, for tensors that are too large to be held as a whole. Absent: operators whose span is an element, and those
   * with a Gram plan, have windows all the same (`windows.ts`). `undefined`: these settings need the whole tensor.
   */
  readonly windows?: (tensor: WindowedTensor) => Windows | undefined
  /** Numbers over all tensors of the models, for operators whose definition spans the whole model. Computed once per recipe. */
  readonly survey?: (model: ModelView, settings: Settings) => Survey
  /**
   * One tensor of the result, shape as the inputs'. Must not change its inputs; may return one of them.
   * @throws {MergeError} where the numbers have no meaning, such as weights that cancel and are to be divided by
   */
  merge(input: TensorInput): Float64Array
}

export type StatisticKind = 'input-gram' | 'fisher'

export interface TaskVectorTraits {
  readonly sparsifier: 'none' | 'largest' | 'random' | 'middle' | 'rank'
  readonly elect: boolean
}

export type OperatorParameter = NumberParameter | BooleanParameter | ChoiceParameter

export interface NumberParameter {
  readonly kind: 'number'
  readonly name: string
  readonly description: string
  /** Absent: required. */
  readonly default?: number
  /** Values that have a meaning, inclusive; absent: any finite number. */
  readonly bounds?: readonly [low: number, high: number]
  /** What a search tries when it is told nothing else. */
  readonly searchRange: readonly [low: number, high: number]
  /** Only whole numbers. */
  readonly integer?: true
}

export interface BooleanParameter {
  readonly kind: 'boolean'
  readonly name: string
  readonly description: string
  readonly default: boolean
}

export interface ChoiceParameter {
  readonly kind: 'choice'
  readonly name: string
  readonly description: string
  readonly choices: readonly string[]
  readonly default: string
}

/** Parameters and coefficients of one group, checked, defaults filled in. */
export interface Settings {
  readonly parameters: Readonly<Record<string, number | boolean | string>>
  /** By name, one value per model in the order of the recipe. */
  readonly coefficients: Readonly<Record<string, readonly number[]>>
  readonly seed: number
}

export interface TensorInput extends Settings {
  readonly name: string
  /** Row-major. [] for a scalar. */
  readonly shape: readonly number[]
  readonly base: Float64Array | undefined
  readonly models: readonly Float64Array[]
  /** Ids of the models, in the same order: random masks follow the model, not its position. */
  readonly ids: readonly string[]
  readonly survey: Survey | undefined
  /**
   * Per model, for operators with `needs`. `input-gram`: XᵀX of the inputs of a linear layer, shape (in, in), symmetric, its diagonal not
   * negative; `fisher`: diagonal of the Fisher information, shape of the tensor, not negative. `undefined` for tensors that have none.
   */
  readonly statistics?: readonly Float64Array[] | undefined
  /** With an `input-gram`: where the inputs of the layer are in its weight. `columns`: shape (out, in); `rows`: (in, out). Default `columns`. */
  readonly inputsAlong?: InputsAlong | undefined
  /** Where in the model the tensor is: 0 before and in the first block, 1 in the last and after it; undefined outside blocks. */
  readonly depth: number | undefined
}

export type InputsAlong = 'columns' | 'rows'

/** What is known of a tensor whose elements come in windows. */
export interface WindowedTensor extends Omit<TensorInput, 'base' | 'models' | 'statistics'> {
  readonly elements: number
  /** Whether there is a base. */
  readonly based: boolean
  /** Whether there are statistics of it. */
  readonly measured?: boolean
}

/** A stretch of all inputs. */
export interface Window {
  /** Position of its first element in the tensor. */
  readonly begin: number
  readonly base: Float64Array | undefined
  readonly models: readonly Float64Array[]
  /** As in `TensorInput`; of elements, those of the window. */
  readonly statistics?: readonly Float64Array[] | undefined
}

/** One tensor's merge in windows. Every pass sees all of them, in order; so does `merge`, at the end. */
export interface Windows {
  /** Elements of a window are a multiple of this, but for the last. */
  readonly unit: number
  readonly passes: readonly ((window: Window) => void)[]
  /** Must not change its inputs; may return one of them. */
  readonly merge: (window: Window) => Float64Array
}

/** All tensors, one at a time: nothing keeps a whole model in memory. */
export interface ModelView {
  readonly ids: readonly string[]
  readonly tensors: Iterable<{
    readonly name: string
    readonly shape: readonly number[]
    readonly base: Float64Array | undefined
    readonly models: readonly Float64Array[]
  }>
}

export type Survey = Readonly<Record<string, readonly number[]>>

/**
 * How candidates of an operator are computed in one pass over the weights, in float32, beside its definition: what can be prepared once is,
 * and the searched numbers become coefficients. An operator without such a plan is computed by its definition, candidate by candidate.
 */
export type CandidatePlan = SourceSum | PreparedSum | GramSum | PassPlan | ImportanceMean

/** out = Σ c_m x_m, or W0 + Σ c_m (x_m − W0) where the operator has a base: nothing to prepare. */
export interface SourceSum {
  readonly kind: 'sources'
  /** One per model. @param depth as in `TensorInput` */
  readonly coefficients: (settings: Settings, depth: number | undefined) => readonly number[]
}

/**
 * out = W0 + Σ c_j B_j, the B_j prepared once for every choice of the structure. An operator without a base has Σ c_j B_j, at least one c_j not 0.
 */
export interface PreparedSum {
  readonly kind: 'prepared'
  /** What of the settings decides the B_j, as plain data. `bases` reads nothing else of them. */
  readonly structure: (settings: Settings) => unknown
  /** B_j, shape as the tensor's; none: nothing is added to this tensor. */
  readonly bases: (input: TensorInput) => readonly Float64Array[]
  /** c_j. */
  readonly coefficients: (settings: Settings) => readonly number[]
}

/** out = Σ c_v x_v of vectors of a tensor (all of it, its rows or columns), the c_v from the vectors' inner products. */
export interface GramSum {
  readonly kind: 'gram'
  /** What is combined: `models`; `with-base`: the base before the models; `task-vectors`, whose sum is added to the base. */
  readonly of: (base: boolean) => 'models' | 'with-base' | 'task-vectors'
  /** Vectors: the whole `tensor`, or along the `last` or the `first` dimension. */
  readonly along: (settings: Settings, shape: readonly number[]) => 'tensor' | 'last' | 'first'
  /**
   * One coefficient per vector that is combined.
   * @throws {MergeError} as the definition does
   */
  readonly coefficients: (gram: Gram, settings: Settings, name: string) => readonly number[]
}

/** Inner products of `size` vectors, in float64; symmetric. */
export interface Gram {
  readonly size: number
  at(i: number, j: number): number
}

/** out = Σ w_m (s_m + δ) x_m / Σ w_m (s_m + δ) element by element, the s_m the statistics of the models, shaped as the tensor. */
export interface ImportanceMean {
  readonly kind: 'importance'
  /** `undefined`: settings so large or small that the definition is used. */
  readonly importance: (settings: Settings) => Importance | undefined
}

export interface Importance {
  /** w_m, 0 or more, not all 0. Sums and products with what is in float32 stay within float64. */
  readonly weights: readonly number[]
  /** δ, above 0. */
  readonly delta: number
}

/** Task vectors thinned out, weighed and mixed element by element. */
export interface PassPlan {
  readonly kind: 'pass'
  /**
   * `undefined`: these settings have no pass, the definition is used.
   * @throws {MergeError} as the definition does
   */
  readonly pass: (settings: Settings, tensor: PassTensor) => Pass | undefined
}

export interface PassTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly elements: number
  readonly ids: readonly string[]
}

export interface Pass {
  /** z_m = weight · (what is kept of τ_m), one per model. */
  readonly terms: readonly PassTerm[]
  readonly mix: Mix
}

export interface PassTerm {
  readonly weight: number
  /** Of what is kept, besides the weight: weights divide, where a mix is normalized, factors do not. */
  readonly factor: number
  readonly thin: Thin
  /** Scale what is kept back to the L1 norm of the task vector. */
  readonly rescale: boolean
}

/** What is kept of a task vector. */
export type Thin =
  | { readonly kind: 'all' }
  /** Elements from rank `begin` to before rank `end` in the order of `smallestFirst`. */
  | { readonly kind: 'ranks'; readonly begin: number; readonly end: number }
  /** Each element with that probability, by `positionRandom`. */
  | { readonly kind: 'random'; readonly density: number }
  /** As `keepByRank`; with `perElement` divided by the probability. */
  | {
      readonly kind: 'row-ranks'
      readonly density: number
      readonly epsilon: number
      readonly perElement: boolean
    }
  /** The share of the positions at which models differ, largest variance first. The same for all models. */
  | { readonly kind: 'varying'; readonly share: number }

/** How the z_m of one position become what is added to the base. */
export type Mix =
  /** scale · Σ z */
  | { readonly kind: 'sum'; readonly scale: number }
  /** λ · Σ z over those of the sign of the sum, divided by their weights when normalized. */
  | { readonly kind: 'elect'; readonly lambda: number; readonly normalize: boolean }
  /** SCE: weights from the energy of what is kept, equal below `floor`; mean of what has the sign of the sum. */
  | { readonly kind: 'erase'; readonly floor: number }
  /** α · Σ z where at least `tasks` models have |z_m| > λ_m |Σ z − z_m|. */
  | { readonly kind: 'consensus'; readonly alpha: number; readonly tasks: number; readonly lambdas: readonly number[] }
  /** z moved towards 0 to at most `limit`. One model. */
  | { readonly kind: 'limit'; readonly limit: number }
  /** Mean of the z above ε; of a single one, its factor more. `amplify`: factors from how much is unique (RAM+). */
  | {
      readonly kind: 'unique'
      readonly epsilon: number
      readonly amplify: { readonly r: number; readonly alpha: number } | undefined
    }
