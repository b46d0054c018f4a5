import { z } from 'zod'
import type { StrategyDescription } from '../strategy.ts'
import { populationSizeOption, variationOptions } from './options.ts'

/**
 * Largest automatic population, with up to two objectives and with more. A steady state renews the members one by one: on seven smooth
 * and multimodal pairs of objectives 50 had more hypervolume than 100 after 5,000 and 10,000 evaluations, and on five after 25,000.
 */
export const MOST = { few: 50, many: 100 }

const optionsSchema = z.strictObject({
  population_size: populationSizeOption(`${MOST.few} (${MOST.many} with three and more objectives)`),
  ...variationOptions({ crossoverProbability: 0.9, crossoverIndex: 15 }),
})
export type SmsEmoaOptions = z.infer<typeof optionsSchema>

export const smsEmoaDescription: StrategyDescription<SmsEmoaOptions> = {
  kind: 'sms-emoa',
  reference:
    'N. Beume, B. Naujoks, M. Emmerich, "SMS-EMOA: multiobjective selection based on dominated hypervolume", EJOR 181(3), 2007',
  summary: 'Steady-state evolution by hypervolume: two or three objectives, any kind of gene, never waits.',
  options: optionsSchema,
}
