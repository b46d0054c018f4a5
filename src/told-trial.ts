import type { Trial } from './candidate.ts'
import { lossesOf, type Objective } from './objective.ts'
import type { ToldTrial } from './strategies/strategy.ts'

/** What a strategy sees of a trial: its losses instead of its values. */
export function toToldTrial(trial: Trial, objectives: readonly Objective[]): ToldTrial {
  const { evaluation, ...candidate } = trial
  const losses = lossesOf(evaluation, objectives)
  if (evaluation.status === 'scored' && evaluation.partial !== undefined)
    return { ...candidate, losses, standardErrors: evaluation.partial.standardErrors }
  return evaluation.status === 'scored' && evaluation.exampleScores !== undefined
    ? { ...candidate, losses, exampleScores: evaluation.exampleScores }
    : { ...candidate, losses }
}
