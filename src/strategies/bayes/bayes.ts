import type { StrategyDefinition } from '../strategy.ts'
import { type BayesOptions, optionsSchema } from './options.ts'
import { RestartedSearch, restarts } from './restarts.ts'
import { Bayes, KIND } from './search.ts'

export const bayes: StrategyDefinition<BayesOptions> = {
  kind: KIND,
  reference:
    'Gaussian process and log expected improvement: S. Ament et al., NeurIPS 2023; priors: C. Hvarfner et al., ICML 2024',
  summary: 'Bayesian optimisation with a Gaussian process: the most from few evaluations, up to a few hundred.',
  options: optionsSchema,
  create: (context, options) =>
    restarts(context, options)
      ? new RestartedSearch(context, options)
      : new Bayes(context, options, context.rng.split(KIND).state()),
  restore: (context, options, snapshot) =>
    restarts(context, options)
      ? RestartedSearch.restore(context, options, snapshot)
      : Bayes.restore(context, options, snapshot),
}
