import { medianSorted } from 'simple-statistics'
import { EvaluatorError } from '../../errors.ts'
import type { EvaluatorSession, MergedModel, Split } from '../evaluator.ts'

export interface LatencyOptions {
  /** How many of the first examples are timed, of each objective that has any. */
  readonly examples: number
  readonly repeats: number
  /** Position of an objective whose scores are counted, and which alone is timed; `undefined`: examples are counted. */
  readonly per: number | undefined
}

/**
 * Milliseconds that the session spends in its runtime per example, all objectives together, or per unit of one objective's scores: the median
 * of some repeats. Whatever else the machine does is in it. Call it after the model was scored, so that nothing is done for the first time.
 * @throws {EvaluatorError} where there is nothing to divide by
 */
export async function measureLatency(
  session: EvaluatorSession,
  model: MergedModel,
  split: Split,
  { examples, repeats, per }: LatencyOptions,
): Promise<number> {
  const counts = session.exampleCount(split)
  const timed = counts.map((count, i) => (per === undefined || per === i ? count : 0))
  const held = timed.filter(count => count > 0)
  if (held.length === 0)
    throw new EvaluatorError('The property latency needs an objective with examples, and there is none.')
  // As many of each: an example is then one of every objective.
  const count = Math.min(examples, ...held)
  const ranges = timed.map(own => ({ begin: 0, end: own === 0 ? 0 : count }))
  const times: number[] = []
  for (let repeat = 0; repeat < repeats; repeat++) {
    const { inferenceMs, exampleScores } = await session.score(model, split, ranges)
    const units = per === undefined ? count : exampleScores[per]!.reduce((sum, score) => sum + score, 0)
    if (units <= 0) throw new EvaluatorError('The property latency is per a count, and that is 0.')
    times.push(inferenceMs / units)
  }
  return medianSorted(times.sort((a, b) => a - b))
}
