import { z } from 'zod'
import { RunStoreError, show } from '../errors.ts'
import type { Objective } from '../objective.ts'
import { createRng } from '../rng.ts'
import type { RunReader } from '../runs/run-store.ts'
import type { Scalarization } from '../scalarization.ts'
import { type AssessmentsBySplit, type ScoresBySplit, splitScores } from './split-scores.ts'
import { type Comparison, compareModels, holm, type Incomparable, type Verdict, verdictOf } from './statistics.ts'

/**
 * What a winner is measured against. `scale`: the uniform sum of task vectors times one number; `random`: the winner of a random search
 * with the same budget, chosen by the same rule.
 */
export type BaselineRole = 'base' | 'source' | 'uniform' | 'scale' | 'random'

export interface BaselineFacts {
  /** As recorded, without its prefix: `base`, a source's id, `uniform`, `scale-0.5`; `random-search`. */
  readonly name: string
  readonly role: BaselineRole
  /** What a reader calls it. */
  readonly label: string
  /** The best of its kind (the best scale), or the only one. */
  readonly best: boolean
  readonly scores: ScoresBySplit
}

export type Tested = Comparison & { readonly correctedP: number; readonly verdict: Verdict }

/** The winner against one baseline on the holdout split. */
export interface BaselineComparison {
  readonly baseline: string // name
  /** On the mean over objectives. Holm's correction is over the baselines. */
  readonly overall: Tested | Incomparable
  /** Per objective, shape (m,). Holm's correction is over baselines × objectives. */
  readonly objectives: readonly (Tested | Incomparable)[]
}

export const RANDOM_SEARCH = 'random-search'

const subjectFact = z.looseObject({ subject: z.string().optional(), name: z.string().optional() })

/** A subject named by a fact: the whole of it, or its name after the prefix. */
function namedSubject(run: RunReader, fact: string, prefix: string): string | undefined {
  const value = run.fact(fact)
  if (value === undefined || value === null) return undefined
  const parsed = subjectFact.safeParse(value)
  const name = parsed.success ? (parsed.data.subject ?? parsed.data.name) : undefined
  if (name === undefined)
    throw new RunStoreError(`The run's fact ${fact} must name a subject, got ${show(value)}.`, {
      hint: 'The run was written by another version, or is damaged.',
    })
  return name.startsWith(prefix) ? name : `${prefix}${name}`
}

export function collectBaselines(
  run: RunReader,
  subjects: ReadonlyMap<string, AssessmentsBySplit>,
  scalarization: Scalarization,
): BaselineFacts[] {
  const bestScale = namedSubject(run, 'best_scale', 'baseline:')
  const randomWinner = namedSubject(run, 'random_winner', 'random:')
  const baselines: BaselineFacts[] = []
  const scoresOf = (bySplit: AssessmentsBySplit): ScoresBySplit =>
    Object.fromEntries(
      Object.entries(bySplit).map(([split, { evaluation }]) => [
        split,
        splitScores(evaluation, run.manifest.objectives, scalarization),
      ]),
    )
  for (const [subject, bySplit] of subjects) {
    if (!subject.startsWith('baseline:')) continue
    const name = subject.slice('baseline:'.length)
    const role = roleOf(name)
    const best = role !== 'scale' || bestScale === undefined || subject === bestScale
    baselines.push({ name, role, label: labelOf(name, role), best, scores: scoresOf(bySplit) })
  }
  const random = randomWinner === undefined ? undefined : subjects.get(randomWinner)
  if (random !== undefined)
    baselines.push({
      name: RANDOM_SEARCH,
      role: 'random',
      label: 'random search, same budget',
      best: true,
      scores: scoresOf(random),
    })
  const order: readonly BaselineRole[] = ['base', 'source', 'uniform', 'scale', 'random']
  return baselines.sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role)) // stable: recorded order inside a role
}

function roleOf(name: string): BaselineRole {
  if (name === 'base' || name === 'uniform') return name
  return /^scale-[-+.\de]+$/.test(name) ? 'scale' : 'source'
}

function labelOf(name: string, role: BaselineRole): string {
  if (role === 'uniform') return 'uniform average'
  if (role === 'scale') return `best single scale (${name.slice('scale-'.length)})`
  return name
}

/** @param winner assessments of the winner. Empty while it has no holdout scores: only they may be quoted. */
export function compareWithBaselines(
  run: RunReader,
  subjects: ReadonlyMap<string, AssessmentsBySplit>,
  winner: AssessmentsBySplit,
  baselines: readonly BaselineFacts[],
): BaselineComparison[] {
  const won = winner.holdout?.evaluation
  if (won?.status !== 'scored') return []
  const { objectives, seed } = run.manifest
  const randomWinner = namedSubject(run, 'random_winner', 'random:')
  const raw = baselines.flatMap(({ name, role, best }) => {
    const subject = role === 'random' ? randomWinner : `baseline:${name}`
    const other = subject === undefined ? undefined : subjects.get(subject)?.holdout?.evaluation
    if (!best || other === undefined) return []
    const rng = createRng(seed).split(`comparison with ${name}`)
    const compare = (label: string, which?: readonly number[]): Comparison | Incomparable => {
      if (other.status === 'failed') return { reason: `its evaluation failed (${other.kind})` }
      return compareModels(won, other, objectives, rng.split(label), which)
    }
    return [
      {
        baseline: name,
        overall: compare('mean'),
        objectives: objectives.map((objective: Objective, i) => compare(`objective ${objective.name}`, [i])),
      },
    ]
  })
  const overall = corrected(raw.map(row => row.overall))
  const single = corrected(raw.flatMap(row => row.objectives))
  const m = objectives.length
  return raw.map(({ baseline }, k) => ({
    baseline,
    overall: overall[k]!,
    objectives: single.slice(k * m, (k + 1) * m),
  }))
}

/** Holm over those that could be tested at all. */
function corrected(results: readonly (Comparison | Incomparable)[]): (Tested | Incomparable)[] {
  const ps = holm(results.flatMap(result => ('p' in result ? [result.p] : [])))
  let next = 0
  return results.map(result => {
    if (!('p' in result)) return result
    const correctedP = ps[next++]!
    return { ...result, correctedP, verdict: verdictOf(result.gain, correctedP) }
  })
}
