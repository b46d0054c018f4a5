import { z } from 'zod'
import type { StrategyDescription } from '../strategy.ts'

const optionsSchema = z.strictObject({})
export type SobolOptions = z.infer<typeof optionsSchema>

export const sobolDescription: StrategyDescription<SobolOptions> = {
  kind: 'sobol',
  reference: 'S. Joe, F. Y. Kuo, SIAM J. Sci. Comput. 30(5), 2008; scrambling: J. Matousek, J. Complexity 14, 1998',
  summary: 'Evenly spread candidates (scrambled Sobol sequence): a stronger baseline than random.',
  options: optionsSchema,
}
