import type { z } from 'zod'
import type { Candidate, CandidateId, Domain, Genome, JsonValue, StopReason } from '../candidate.ts'
import type { Objective } from '../objective.ts'
import type { Rng } from '../rng.ts'

/**
 * A strategy proposes genomes and learns from their losses. It is pure: no files, no clock, no global randomness, no weights.
 *
 * The contract, checked for every strategy by `test/contracts/strategy-contract.ts`:
 * - `ask(count)` returns 0 to `count` proposals inside the bounds. `[]` means "tell me more first"; it is never an error and
 *   leaves the snapshot unchanged.
 * - The k-th proposal a strategy ever makes belongs to the k-th candidate id: the caller numbers them in ask order.
 * - `tell` takes trials in any order and any grouping, failed ones included, each id exactly once. A generational strategy
 *   buffers until its generation is complete and orders it by (loss, id), never by arrival.
 * - `snapshot` holds everything needed to continue, the generator's state and outstanding asks included, and survives
 *   `JSON.parse(JSON.stringify(...))`. A restored strategy continues bit by bit as the original would have.
 */
export interface Strategy {
  readonly kind: string
  ask(count: number): readonly Proposal[]
  tell(trials: readonly ToldTrial[]): void
  /** Which criterion ended the search, or `undefined` while there is more to propose. */
  stopReason(): StopReason | undefined
  snapshot(): Snapshot
  /** Facts worth showing while a run goes on (step size, restarts, ...), JSON-safe. */
  diagnostics(): Readonly<Record<string, JsonValue>>
}

export interface Proposal {
  readonly genome: Genome
  readonly parents?: readonly CandidateId[]
  readonly memo?: JsonValue
}

/** What a strategy sees of a trial: losses are minimised, whatever the objective's direction. */
export interface ToldTrial extends Candidate {
  /** Shape (m,); `undefined`: the evaluation failed. */
  readonly losses: readonly number[] | undefined
  /** Per objective, shape (e,), raw direction. */
  readonly exampleScores?: readonly Float32Array[]
  /**
   * There where the candidate was scored on some of the examples only: how far its losses may be from those over all of them, shape (m,). It
   * then comes without `exampleScores`, which could not be compared with those of others.
   */
  readonly standardErrors?: readonly number[]
}

export interface Snapshot {
  readonly kind: string // equals the strategy's kind
  readonly version: number // raised when `state` changes shape
  readonly state: JsonValue
}

export interface StrategyContext {
  readonly domain: Domain
  readonly objectives: readonly Objective[]
  readonly rng: Rng
  /** Evaluations the run may spend, where known: lets a strategy plan. */
  readonly budget: number | undefined
  /** Evaluations in flight at most, where known: lets a strategy choose between one good proposal and a batch. */
  readonly slots?: number
  /**
   * Trials of earlier runs in this very domain, scored by the same objectives, best used as a warm start. Their ids belong to those
   * runs; they are never told. Order is part of the input: equal priors in equal order give equal proposals.
   */
  readonly prior?: readonly ToldTrial[]
  /** Genomes worth a look besides `domain.initial`: known recipes. Each is proposed once, early, and learned from where it fits. */
  readonly guesses?: readonly Genome[]
}

/** What is known of a strategy without its code: what lists and checks of config files need. */
export interface StrategyDescription<Options = unknown> {
  readonly kind: string
  /** Paper or specification: authors, year, title or URL. */
  readonly reference: string
  /** One sentence for `--help` and the documentation. */
  readonly summary: string
  /** Unknown keys are errors; every key has a default and a description. */
  readonly options: z.ZodType<Options>
}

export interface StrategyDefinition<Options = unknown> extends StrategyDescription<Options> {
  create(context: StrategyContext, options: Options): Strategy
  /** @throws {RunStoreError} if the snapshot is of another kind or version. */
  restore(context: StrategyContext, options: Options, snapshot: Snapshot): Strategy
}
