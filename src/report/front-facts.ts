import { median } from 'simple-statistics'
import { z } from 'zod'
import { kneePoints } from '../archive/knee-points.ts'
import { createParetoArchive } from '../archive/pareto-archive.ts'
import type { CandidateId, FailureKind, StopReason, Trial } from '../candidate.ts'
import { type Decision, decisionsOf } from '../decision.ts'
import { RunStoreError, show } from '../errors.ts'
import type { SessionChoice } from '../evaluation/evaluator.ts'
import { lossesOf, type Objective } from '../objective.ts'
import { recordedChoices } from '../run-choices.ts'
import type { RunReader } from '../runs/run-store.ts'
import { type StartOrigin, startOrigin } from '../start.ts'
import { type BaselineFacts, collectBaselines } from './baselines.ts'
import {
  type CandidateFacts,
  type CandidateOptions,
  type CoefficientTable,
  candidateFacts,
  coefficientTable,
} from './candidate-facts.ts'
import { type AssessmentsBySplit, groupBySubject } from './split-scores.ts'

/** What the front of a run is shown with. Plain data; a view of what is recorded, also while the run is going on. */
export interface FrontFacts {
  readonly run: string
  readonly createdAt: string
  readonly seed: number
  readonly slots: number
  readonly strategy: string
  /** What the search began with, besides its space. */
  readonly start: StartOrigin
  /** Of a strategy that hands the search to others. */
  readonly decisions: readonly (Decision & { readonly candidate: CandidateId })[]
  readonly budget: number
  readonly environment: Readonly<Record<string, string>>
  readonly digests: Readonly<Record<string, string>>
  /** What was left to the machine and decided there: each value of each option once. */
  readonly choices: readonly SessionChoice[]
  readonly objectives: readonly Objective[]
  readonly geneNames: readonly string[]
  readonly counts: {
    readonly asked: number
    /** Evaluated and told to the strategy: what "evaluations" means in every rendering. Failed ones included. */
    readonly told: number
    readonly failed: number
    readonly failures: Readonly<Partial<Record<FailureKind, number>>>
    /** Stopped early, on some of the examples. */
    readonly partial: number
    /** Of the examples that all evaluations together would have looked at, the share that was looked at; 1 where none was stopped early. */
    readonly examplesSeen: number
  }
  /** `undefined`: not stopped, or never finished. */
  readonly stopReason: StopReason | undefined
  /** Medians over the scored trials, milliseconds. */
  readonly timing: { readonly totalMs: number; readonly mergeMs: number; readonly inferenceMs: number } | undefined
  readonly hypervolume: number
  /** Non-dominated on the search split, ordered by loss in the first objective. */
  readonly front: readonly CandidateFacts[]
  /** Of the front, those where a little of one objective costs much of another, the most pronounced first. */
  readonly knees: readonly CandidateId[]
  /** All scored trials, in the order they were told. */
  readonly points: readonly {
    readonly id: CandidateId
    readonly values: readonly number[]
    readonly onFront: boolean
  }[]
  readonly failed: readonly { readonly id: CandidateId; readonly kind: FailureKind; readonly reason: string }[]
  readonly winner: WinnerFacts | undefined
  readonly baselines: readonly BaselineFacts[]
}

export interface WinnerFacts {
  readonly candidate: CandidateFacts
  /** How it was chosen, in the words of whoever chose it. */
  readonly rule: string
  readonly coefficients: CoefficientTable | undefined
}

const winnerFact = z.looseObject({ id: z.int().min(0), rule: z.string().default('') })

export function collectFront(run: RunReader, options: CandidateOptions = {}): FrontFacts {
  return frontOf(recordOf(run), options)
}

/** What is recorded, read once. */
export interface RunRecord {
  readonly run: RunReader
  readonly subjects: ReadonlyMap<string, AssessmentsBySplit>
  /** In tell order, as they were told. What is evaluated but not yet told is left out: the strategy has not seen it, and a resumed run may not either. */
  readonly evaluated: readonly Trial[]
  /** The same, with the whole evaluations of those that were stopped early and scored to the end later. */
  readonly told: readonly Trial[]
}

export function recordOf(run: RunReader): RunRecord {
  const subjects = groupBySubject(run.assessments())
  const trials = new Map(run.trials().map(trial => [trial.id, trial]))
  const evaluated = run
    .events()
    .flatMap(event => (event.type === 'told' ? event.ids : []))
    .flatMap(id => trials.get(id) ?? [])
  const told = evaluated.map(trial => {
    const completed = subjects.get(`candidate:${trial.id}`)?.search?.evaluation
    return completed === undefined ? trial : { ...trial, evaluation: completed }
  })
  return { run, subjects, evaluated, told }
}

export function frontOf({ run, subjects, evaluated, told }: RunRecord, options: CandidateOptions): FrontFacts {
  const { manifest } = run
  const { objectives } = manifest
  const archive = createParetoArchive(objectives)
  for (const trial of told) archive.add(trial)
  const front = [...archive].flatMap(({ id }) => {
    const facts = candidateFacts(run, id, subjects.get(`candidate:${id}`), options)
    return facts === undefined ? [] : [facts]
  })
  const onFront = new Set(front.map(candidate => candidate.id))
  const failures: Partial<Record<FailureKind, number>> = {}
  const failed: { id: CandidateId; kind: FailureKind; reason: string }[] = []
  const points: { id: CandidateId; values: readonly number[]; onFront: boolean }[] = []
  for (const { id, evaluation } of told) {
    if (evaluation.status === 'scored') {
      points.push({ id, values: evaluation.values, onFront: onFront.has(id) })
    } else {
      failures[evaluation.kind] = (failures[evaluation.kind] ?? 0) + 1
      failed.push({ id, kind: evaluation.kind, reason: evaluation.reason })
    }
  }
  const winner = collectWinner(run, subjects, options)
  const candidates = run.candidates()
  return {
    run: manifest.runId,
    createdAt: manifest.createdAt,
    seed: manifest.seed,
    slots: manifest.slots,
    strategy: manifest.strategy,
    start: startOrigin(run),
    decisions: decisionsOf(candidates),
    budget: run.budget,
    environment: manifest.environment,
    digests: manifest.digests,
    choices: recordedChoices(run),
    objectives,
    geneNames: manifest.geneNames,
    counts: { asked: candidates.length, told: told.length, failed: failed.length, failures, ...raceCounts(evaluated) },
    stopReason: run.stopReason(),
    timing: timingOf(told),
    hypervolume: archive.hypervolume(),
    front,
    knees: kneesOf([...archive], objectives),
    points,
    failed,
    winner,
    baselines: collectBaselines(run, subjects, options.scalarization ?? 'worst'),
  }
}

function raceCounts(evaluated: readonly Trial[]): { readonly partial: number; readonly examplesSeen: number } {
  let [partial, seen, all] = [0, 0, 0]
  for (const { evaluation } of evaluated) {
    if (evaluation.status === 'failed') continue
    const scores = (evaluation.exampleScores ?? []).reduce((sum, { length }) => sum + length, 0)
    if (evaluation.partial !== undefined) partial++
    seen += scores
    all += evaluation.partial?.of.reduce((sum, count) => sum + count, 0) ?? scores
  }
  return { partial, examplesSeen: all === 0 ? 1 : seen / all }
}

function kneesOf(trials: readonly Trial[], objectives: readonly Objective[]): CandidateId[] {
  return kneePoints(trials.map(({ evaluation }) => lossesOf(evaluation, objectives)!)).map(i => trials[i]!.id)
}

function collectWinner(
  run: RunReader,
  subjects: ReadonlyMap<string, AssessmentsBySplit>,
  options: CandidateOptions,
): WinnerFacts | undefined {
  const fact = run.fact('winner')
  if (fact === undefined || fact === null) return undefined
  const parsed = winnerFact.safeParse(fact)
  const id = parsed.data?.id
  const candidate = id === undefined ? undefined : candidateFacts(run, id, subjects.get(`candidate:${id}`), options)
  if (candidate === undefined)
    throw new RunStoreError(`The run's fact winner must name one of its candidates, got ${show(fact)}.`, {
      hint: 'The run was written by another version, or is damaged.',
    })
  const coefficients = candidate.recipe && coefficientTable(candidate.recipe)
  return { candidate, rule: parsed.data?.rule ?? '', coefficients }
}

function timingOf(trials: readonly Trial[]): FrontFacts['timing'] {
  const timings = trials.flatMap(({ evaluation }) => (evaluation.status === 'scored' ? [evaluation.timing] : []))
  if (timings.length === 0) return undefined
  return {
    totalMs: median(timings.map(timing => timing.totalMs)),
    mergeMs: median(timings.map(timing => timing.mergeMs)),
    inferenceMs: median(timings.map(timing => timing.inferenceMs)),
  }
}
