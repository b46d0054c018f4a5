import type { Evaluation, FailureKind } from '../candidate.ts'
import type { Split } from '../evaluation/evaluator.ts'
import { lossesOf, type Objective } from '../objective.ts'
import type { Assessment } from '../runs/run-store.ts'
import { type Scalarization, scalarize } from '../scalarization.ts'
import type { Interval } from './intervals.ts'
import { meanValue, valueInterval } from './statistics.ts'

/** What one model scored on one split, ready to show. */
export type SplitScores =
  | {
      readonly status: 'scored'
      readonly values: readonly number[] // shape (m,), raw direction
      /** 95 %, shape (m,); `undefined` where the objective has no example scores, or is not their mean. */
      readonly intervals: readonly (Interval | undefined)[]
      /** Mean over objectives, where they share unit and direction. */
      readonly mean: { readonly value: number; readonly interval: Interval | undefined } | undefined
      /** The run's scalarisation of the losses: smaller is better. */
      readonly scalar: number
      readonly examples: readonly number[] // shape (m,), 0 where unknown
    }
  | { readonly status: 'failed'; readonly kind: FailureKind; readonly reason: string }

export type ScoresBySplit = Readonly<Partial<Record<Split, SplitScores>>>

export function splitScores(
  evaluation: Evaluation,
  objectives: readonly Objective[],
  scalarization: Scalarization,
): SplitScores {
  if (evaluation.status === 'failed') return { status: 'failed', kind: evaluation.kind, reason: evaluation.reason }
  return {
    status: 'scored',
    values: evaluation.values,
    intervals: objectives.map((_, i) => valueInterval(evaluation, i)),
    mean: meanValue(evaluation.values, evaluation, objectives),
    scalar: scalarize(scalarization, lossesOf(evaluation, objectives)!, objectives),
    examples: objectives.map((_, i) => evaluation.exampleScores?.[i]?.length ?? 0),
  }
}

/** Assessments of one subject by split; of several for one split the last counts. */
export type AssessmentsBySplit = Partial<Record<Split, Assessment>>

export function groupBySubject(assessments: readonly Assessment[]): Map<string, AssessmentsBySplit> {
  const subjects = new Map<string, AssessmentsBySplit>()
  for (const assessment of assessments) {
    const bySplit = subjects.get(assessment.subject) ?? {}
    bySplit[assessment.split] = assessment
    subjects.set(assessment.subject, bySplit)
  }
  return subjects
}
