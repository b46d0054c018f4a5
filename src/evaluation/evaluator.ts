import type { Dtype, WeightDtype } from '../formats/dtype.ts'
import type { MergedModel, SourceReference } from '../merge/model.ts'
import type { Objective } from '../objective.ts'
import type { ExampleRange } from './example-range.ts'

export type { MergedModel, TensorView } from '../merge/model.ts'
export type { ExampleRange } from './example-range.ts'

/** `search`: what strategies see; `select`: what the front is re-scored on before a winner is named; `holdout`: what the report quotes. */
export type Split = 'search' | 'select' | 'holdout'
export const SPLITS: readonly Split[] = ['search', 'select', 'holdout']

/** Scores of one model on one split, or on some of its examples. */
export interface Scores {
  /**
   * Shape (m,), raw direction, in the order of `Evaluator.objectives`. May hold NaN: the caller makes that a failed candidate, unless
   * it asked for none of the objective's examples.
   */
  readonly values: readonly number[]
  /** Per objective, the score of each example that was asked for, shape (e,), in the split's order; an empty array where there is none. */
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
  /** Names or patterns of tensors that are not merged, because the evaluator has its own: the sources are taken without them. */
  readonly unmerged?: readonly string[]
  /**
   * Loads data and runtime. Once per worker; expensive.
   * @param context absent where there is no worker around the session
   */
  open(context?: OpenContext): Promise<EvaluatorSession>
}

/** What a session may know of the worker it is opened in. An evaluator that writes models to files needs it. */
export interface OpenContext {
  /** From 0; no two sessions that are open at once in one worker process have the same. */
  readonly workerIndex: number
  /** Sessions that may work at once on this machine, this one included. At least 1. */
  readonly workers: number
  /** All models that recipes may name. */
  readonly sources: readonly SourceReference[]
  /** Type of each merged tensor as the sources store it, by name. */
  readonly dtypes: ReadonlyMap<string, WeightDtype>
  /** Integer and boolean tensors: the same in all sources, not merged. Little-endian, row-major. */
  readonly others: readonly {
    readonly name: string
    readonly dtype: Dtype
    readonly shape: readonly number[]
    readonly data: Uint8Array
  }[]
}

/** Something that was left to a session, such as how many threads it uses, and that decides its speed alone, never a score. */
export interface SessionChoice {
  /** The option that would set it. */
  readonly option: string
  readonly value: number | string
  /** A sentence, with what was measured. */
  readonly reason: string
}

export interface EvaluatorSession {
  /**
   * Number of examples per objective in a split; 0 where it has none. The examples have one order, the same in every worker, in which
   * every prefix is a small copy of the whole (`exampleOrder` makes one).
   */
  exampleCount(split: Split): readonly number[]
  /**
   * Deterministic: equal weights give equal scores, bit by bit, on one machine, and an example's score is the same whichever others
   * are asked for with it. One call at a time: the next may use the memory of the one before, all but what it returned.
   * @param ranges per objective the examples to score, and to take the value over; absent: all. Objectives without examples are
   *   computed whatever their range. `rangesToScore` checks them.
   */
  score(model: MergedModel, split: Split, ranges?: readonly ExampleRange[]): Promise<Scores>
  /** What it has decided so far; shown to the user. Absent: nothing was left to it. */
  choices?(): readonly SessionChoice[]
  close(): Promise<void>
}
