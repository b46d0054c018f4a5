import type { Candidate, CandidateId, Evaluation, JsonValue, StopReason, Trial } from '../candidate.ts'
import type { Split } from '../evaluation/evaluator.ts'
import type { Objective } from '../objective.ts'
import type { Recipe } from '../space/recipe.ts'
import type { Snapshot } from '../strategies/strategy.ts'

/** A run's fixed facts, written once when it is created. */
export interface RunManifest {
  readonly format: number
  readonly runId: string
  readonly createdAt: string // ISO 8601
  readonly seed: number
  readonly slots: number
  readonly strategy: string
  /** The resolved config, defaults filled in, paths absolute: everything `resume` needs. */
  readonly config: JsonValue
  readonly objectives: readonly Objective[]
  readonly geneNames: readonly string[]
  /** Input file → SHA-256. */
  readonly digests: Readonly<Record<string, string>>
  /** Versions of node, amalgam, onnxruntime; platform, CPU. */
  readonly environment: Readonly<Record<string, string>>
}

/** The order of asks and tells: folding a strategy over these reproduces its state. */
export type RunEvent =
  | { readonly seq: number; readonly type: 'asked'; readonly requested: number; readonly ids: readonly CandidateId[] }
  | { readonly seq: number; readonly type: 'told'; readonly ids: readonly CandidateId[] }
  | { readonly seq: number; readonly type: 'stopped'; readonly reason: StopReason }

/** A score outside the search: a baseline on any split, or a candidate on `select` or `holdout`. */
export interface Assessment {
  /** `candidate:12`, `baseline:uniform`, ... */
  readonly subject: string
  readonly split: Split
  readonly recipe: Recipe
  readonly evaluation: Evaluation
}

/** Read access, possible while another process writes. */
export interface RunReader {
  readonly folder: string
  readonly manifest: RunManifest
  readonly budget: number
  events(afterSeq?: number): RunEvent[]
  candidate(id: CandidateId): Candidate | undefined
  /** `undefined` while the evaluation is outstanding. */
  evaluation(id: CandidateId): Evaluation | undefined
  /** What is recorded of an evaluation that is under way, rung by rung; [] once it is recorded as a whole. */
  rungs(id: CandidateId): Evaluation[]
  /** All trials whose evaluation is recorded, by id. */
  trials(): Trial[]
  /** All candidates ever asked for, by id. */
  candidates(): Candidate[]
  latestSnapshot(): { readonly seq: number; readonly snapshot: Snapshot } | undefined
  assessments(): Assessment[]
  /** Named facts recorded after the search (`winner`, ...). */
  fact(name: string): JsonValue | undefined
  stopReason(): StopReason | undefined
  close(): void
}

/**
 * A run opened for writing; holds the run's lock. Every method is durable when it returns (fsynced), and is called
 * *before* strategy or archive learn of what it records.
 */
export interface Run extends RunReader {
  recordAsked(requested: number, candidates: readonly Candidate[]): number // the event's seq
  /** On arrival, in any order. The first evaluation of an id wins; a second is ignored. */
  recordEvaluation(id: CandidateId, evaluation: Evaluation): void
  /** A part of an evaluation: scored, with scores of examples. Values of objectives without new examples may be NaN. Rungs come in order, from 0. */
  recordRung(id: CandidateId, rung: number, evaluation: Evaluation): void
  /** In tell order. Every id has a recorded evaluation. */
  recordTold(ids: readonly CandidateId[]): number
  recordSnapshot(seq: number, snapshot: Snapshot): void
  recordAssessment(assessment: Assessment): void
  recordFact(name: string, value: JsonValue): void
  recordStopped(reason: StopReason): void
  /** `resume --budget`. Only ever raised. */
  raiseBudget(budget: number): void
}
