import { createParetoArchive } from '../archive/pareto-archive.ts'
import { isWhole, type Trial } from '../candidate.ts'
import { lossesOf, type Objective } from '../objective.ts'
import { type Scalarization, scalarize } from '../scalarization.ts'

/** What a search had found after so many evaluations. */
export interface HistoryPoint {
  readonly evaluations: number // from 1; failed ones count: they cost as much
  readonly hypervolume: number
  /** Smallest scalarised loss so far; `undefined` while every evaluation failed. */
  readonly best: number | undefined
}

/**
 * Beyond three objectives one exact hypervolume of n points takes about n²/2 microseconds, so the curve has as many as fit into two
 * seconds, at least a few and at most a hundred.
 */
function volumesToTake(trials: readonly Trial[], objectives: readonly Objective[]): number {
  if (objectives.length <= 3) return trials.length
  const archive = createParetoArchive(objectives)
  for (const trial of trials) archive.add(trial)
  return Math.min(100, Math.max(4, Math.round(4e6 / archive.size ** 2)))
}

/** @param trials in the order they were told. One point each. */
export function historyOf(
  trials: readonly Trial[],
  objectives: readonly Objective[],
  scalarization: Scalarization,
): HistoryPoint[] {
  const archive = createParetoArchive(objectives)
  const stride = Math.ceil(trials.length / volumesToTake(trials, objectives))
  let best: number | undefined
  let volume = 0
  let stale = false
  return trials.map((trial, k) => {
    if (archive.add(trial).status === 'added') stale = true
    if (stale && (k % stride === 0 || k === trials.length - 1)) {
      volume = archive.hypervolume()
      stale = false
    }
    const losses = lossesOf(trial.evaluation, objectives)
    if (losses !== undefined && isWhole(trial.evaluation)) {
      const scalar = scalarize(scalarization, losses, objectives)
      if (best === undefined || scalar < best) best = scalar
    }
    return { evaluations: k + 1, hypervolume: volume, best }
  })
}
