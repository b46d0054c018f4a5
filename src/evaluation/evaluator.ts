import type { MergedModel } from '../merge/model.ts'
import type { Objective } from '../objective.ts'

export type { MergedModel, TensorView } from '../merge/model.ts'

/** `search`: what strategies see; `select`: what the front is re-scored on before a winner is named; `holdout`: what the report quotes. */
export type Split = 'search' | 'select' | 'holdout'
export const SPLITS: readonly Split[] = ['search', 'select', 'holdout']

/** Scores of one model on one split. */
export interface Scores {
  /** Shape (m,), raw direction, in the order of `Evaluator.objectives`. May hold NaN: the caller makes that a failed candidate. */
  readonly values: readonly number[]
  /** Per objective, the score of each example, shape (e,), in the fixed order of the data; an empty array where there is none. */
  readonly exampleScores: readonly Float32Array[]
  /** Milliseconds spent inside the runtime. */
  readonly inferenceMs: number
}

/** The plug-in contract: what scores a merged model on data. Checked by `test/contracts/evaluator-contract.ts`. */
export interface Evaluator {
  readonly id: string
  readonly objectives: readonly Objective[]
  /** SHA-256 over everything that decides a score: data, graph, options. Part of every cache key. */
  readonly digest: string
  /** Input file → SHA-256, for the run's manifest. */
  readonly inputs: Readonly<Record<string, string>>
  /** Loads data and runtime. Once per worker; expensive. */
  open(): Promise<EvaluatorSession>
}

export interface EvaluatorSession {
  /** Number of examples per objective in a split. */
  exampleCount(split: Split): readonly number[]
  /** Deterministic: equal weights give equal scores, bit by bit, on one machine. */
  score(model: MergedModel, split: Split): Promise<Scores>
  close(): Promise<void>
}
