import { createParetoArchive } from '../archive/pareto-archive.ts'
import type { Trial } from '../candidate.ts'
import { lossesOf, type Objective } from '../objective.ts'
import { type Scalarization, scalarize } from '../scalarization.ts'

/** What a search had found after so many evaluations. */
export interface HistoryPoint {
  readonly evaluations: number // from 1; failed ones count: they cost as much
  readonly hypervolume: number
  /** Smallest scalarised loss so far; `undefined` while every evaluation failed. */
  readonly best: number | undefined
}

/** Exact hypervolume costs exponentially in m: beyond three objectives it is taken at this many points of the curve only. */
const VOLUMES_OF_MANY_OBJECTIVES = 100

/** @param trials in the order they were told. One point each. */
export function historyOf(
  trials: readonly Trial[],
  objectives: readonly Objective[],
  scalarization: Scalarization,
): HistoryPoint[] {
  const archive = createParetoArchive(objectives)
  const stride = objectives.length <= 3 ? 1 : Math.ceil(trials.length / VOLUMES_OF_MANY_OBJECTIVES)
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
    if (losses !== undefined) {
      const scalar = scalarize(scalarization, losses, objectives)
      if (best === undefined || scalar < best) best = scalar
    }
    return { evaluations: k + 1, hypervolume: volume, best }
  })
}
