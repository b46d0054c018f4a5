import { z } from 'zod'
import type { Objective } from '../../objective.ts'
import { toLoss } from '../../objective.ts'
import type { Batch } from './batch.ts'
import { predicts, type Surrogate } from './surrogate.ts'

/** What the last fit was worth, for the diagnostics and the reason to stop. */
export const reportSchema = z.strictObject({
  objectives: z.array(
    z.strictObject({
      link: z.string(),
      model: z.string(),
      trials: z.number(),
      r2: z.number().nullable(),
      tau: z.number().nullable(),
      noise: z.number(),
      predicts: z.boolean(),
    }),
  ),
  /** Root mean square of predicted minus measured over the last batch with predictions, per objective. */
  error: z.array(z.number()).nullable(),
})
export type Report = z.infer<typeof reportSchema>

export function reportOf(surrogates: readonly Surrogate[], error: number[] | null): Report {
  return {
    objectives: surrogates.map(({ link, model, quality }) => ({
      link,
      model,
      trials: quality.trials,
      r2: quality.r2 ?? null,
      tau: quality.tau ?? null,
      noise: quality.noise,
      predicts: predicts(quality),
    })),
    error,
  }
}

/** Root mean square of predicted minus measured over a batch, shape (m,); `undefined` where nothing of it was predicted and measured. */
export function predictionError(batch: Batch, objectives: readonly Objective[]): number[] | undefined {
  const squares = objectives.map(() => 0)
  let count = 0
  for (const [position, { predicted }] of batch.planned.entries()) {
    const { losses } = batch.outcome(position)
    if (predicted === undefined || losses === undefined) continue
    count++
    for (const [k, objective] of objectives.entries()) {
      squares[k]! += (toLoss(objective, losses[k]!) - predicted[k]!) ** 2
    }
  }
  return count === 0 ? undefined : squares.map(sum => Math.sqrt(sum / count))
}
