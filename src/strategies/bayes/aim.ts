import { ConfigError } from '../../errors.ts'
import type { StrategyContext } from '../strategy.ts'
import { MAX_HYPERVOLUME_OBJECTIVES } from './multi-objective/hypervolume-criterion.ts'
import type { BayesOptions } from './options.ts'

/** What a search goes for; `scalarized` for a single objective, whatever the option. */
export type Aim = 'hypervolume' | 'parego' | 'scalarized'

/** Genes beyond which a model of the whole box knows too little. */
const GLOBAL_GENES = 100

/** @throws {ConfigError} for `hypervolume` with more objectives than it takes. */
export function chooseAim(option: BayesOptions['criterion'], objectives: number): Aim {
  if (objectives === 1) return 'scalarized'
  if (option !== 'hypervolume' || objectives <= MAX_HYPERVOLUME_OBJECTIVES) {
    if (option !== 'auto') return option
    return objectives <= MAX_HYPERVOLUME_OBJECTIVES ? 'hypervolume' : 'parego'
  }
  throw new ConfigError(
    `Strategy "bayes" takes criterion "hypervolume" for 2 or 3 objectives, but there are ${objectives}.`,
    { hint: 'Use criterion "parego", or leave it at "auto".' },
  )
}

/** Whether there is one loss, of which the options do not say that it is noisy, and one model of the whole box. */
export function seesOneExactLoss({ domain, objectives }: StrategyContext, options: BayesOptions): boolean {
  const isGlobal = !usesTrustRegion(options.trust_region, domain.genes.length, 'scalarized')
  return isGlobal && objectives.length === 1 && options.acquisition !== 'noisy-log-ei'
}

/** A trust region knows one best point: it takes a single loss. */
export function usesTrustRegion(option: BayesOptions['trust_region'], d: number, aim: Aim): boolean {
  if (option === true && aim !== 'scalarized') {
    throw new ConfigError(`Strategy "bayes" takes a trust region with one loss, but criterion "${aim}" has several.`, {
      hint: 'Use criterion "scalarized", or leave "trust_region" at "auto".',
    })
  }
  return option === 'auto' ? d > GLOBAL_GENES && aim === 'scalarized' : option
}
