/** The values that travel between strategy, executor, archive and run store. */

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** Position in ask order, from 0: the k-th candidate a run asked for has id k. */
export type CandidateId = number

/** A point in a search space. Shape (d,), gene order as in `Domain.genes`; integer genes hold integers, categorical genes the index of a choice. */
export type Genome = Float64Array

interface GeneBase {
  /** For example `layers.2/low/weight`: group / source / parameter. Unique in its space. */
  readonly name: string
  /** Start value, inside the bounds. */
  readonly initial: number
}

export interface RealGene extends GeneBase {
  readonly kind: 'real'
  readonly low: number // inclusive
  readonly high: number // inclusive, > low
  /** `log`: searched on a logarithmic axis; requires low > 0. */
  readonly scale: 'linear' | 'log'
}

export interface IntegerGene extends GeneBase {
  readonly kind: 'integer'
  readonly low: number // inclusive integer
  readonly high: number // inclusive integer, > low
}

export interface CategoricalGene extends GeneBase {
  readonly kind: 'categorical'
  /** At least two. A genome holds the index, 0 .. choices.length - 1. */
  readonly choices: readonly (string | number | boolean)[]
}

/** A gene that matters only while another (categorical) gene holds one of the given choice indices. */
export interface Condition {
  readonly gene: string
  readonly oneOf: readonly number[]
}

export type Gene = (RealGene | IntegerGene | CategoricalGene) & { readonly activeWhen?: Condition }

/** What a strategy knows of a search space. */
export interface Domain {
  readonly genes: readonly Gene[]
  /** The declared start, usually the uniform average. Shape (d,). */
  readonly initial: Genome
  /** Each source on its own, as near as the space comes to it. */
  readonly anchors?: readonly Genome[]
  /** There where genomes are combinations of sources piece by piece. */
  readonly pieces?: PieceGeometry
}

/**
 * A space of piecewise combinations: the weights of a model lie one after another on a line of G cells, cut into at most N pieces, each with
 * a weight for each of S sources. Genes: N − 1 breakpoints in [0, 1], shares of the G cells, rounded to whole cells, in any order; then N × S
 * weights, piece by piece, in the order of the ascending breakpoints. A piece without cells does not count.
 */
export interface PieceGeometry {
  readonly sources: number // S
  readonly max: number // N
  readonly cells: number // G
  /** Inner products of the sources over the first g cells, shape (G + 1, S, S): what angles between combinations follow from, without weights. */
  readonly gram: Float64Array
}

/** A genome with an id, not yet scored. */
export interface Candidate {
  readonly id: CandidateId
  readonly genome: Genome
  readonly parents: readonly CandidateId[] // lineage, [] for sampled candidates
  readonly memo: JsonValue // private to the strategy, handed back at tell
}

/** What an evaluation found: raw objective values, or why there are none. */
export type Evaluation =
  | {
      readonly status: 'scored'
      readonly values: readonly number[] // shape (m,), raw direction, all finite
      /** Per objective, the score of each example, shape (e,), raw direction; an empty array where the evaluator has none. */
      readonly exampleScores?: readonly Float32Array[]
      /** There where only some of the examples were looked at. */
      readonly partial?: PartialScore
      readonly timing: Timing
    }
  | {
      readonly status: 'failed'
      readonly kind: FailureKind
      readonly reason: string
      /** What to do about it, where something is known. For who waits for this one evaluation; runs do not record it. */
      readonly hint?: string
      readonly timing: Timing
    }

/**
 * A candidate that was stopped early: its `values` are estimates of what all examples would give, and it is on no front. `exampleScores`
 * hold what was seen, the first examples of each objective.
 */
export interface PartialScore {
  /** Examples there are, shape (m,); 0 where an objective has none and its value is exact. */
  readonly of: readonly number[]
  /** Of the estimates, shape (m,). */
  readonly standardErrors: readonly number[]
  /** `dominated`: a finished candidate is better in everything, with confidence; `outranked`: it seemed neither the best nor to extend the front. */
  readonly stopped: 'dominated' | 'outranked'
}

/** Scored on everything that there is: what may be compared, quoted and put on a front. */
export function isWhole(evaluation: Evaluation): boolean {
  return evaluation.status === 'scored' && evaluation.partial === undefined
}

/**
 * `threw`: merge or evaluator raised an error; `non-finite`: a value was NaN or infinite; `timeout`: past its time limit;
 * `crashed`: its worker process died with it; `memory`: its worker process grew past the memory limit.
 */
export type FailureKind = 'threw' | 'non-finite' | 'timeout' | 'crashed' | 'memory'

/** Wall-clock times of one evaluation, milliseconds. Never part of anything that must be reproducible. */
export interface Timing {
  readonly totalMs: number
  readonly mergeMs: number
  readonly inferenceMs: number
}

/** Candidate + evaluation: one row of a run. */
export interface Trial extends Candidate {
  readonly evaluation: Evaluation
}

/** A search's reason to stop: which criterion fired, and its value. */
export interface StopReason {
  readonly criterion: string
  readonly detail: string
}
