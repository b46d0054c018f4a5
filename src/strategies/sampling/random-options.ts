import { z } from 'zod'
import type { StrategyDescription } from '../strategy.ts'

const optionsSchema = z.strictObject({})
export type RandomOptions = z.infer<typeof optionsSchema>

export const randomDescription: StrategyDescription<RandomOptions> = {
  kind: 'random',
  reference: 'J. Bergstra, Y. Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13, 2012',
  summary: 'Uniform random candidates: the baseline to compare with.',
  options: optionsSchema,
}
