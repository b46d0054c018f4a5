import type { StrategyDefinition } from '../strategy.ts'
import { type BayesOptions, bayesDescription } from './options.ts'
import { RestartedSearch, restarts } from './restarts.ts'
import { Bayes, KIND } from './search.ts'

export const bayes: StrategyDefinition<BayesOptions> = {
  ...bayesDescription,
  create: (context, options) =>
    restarts(context, options)
      ? new RestartedSearch(context, options)
      : new Bayes(context, options, context.rng.split(KIND).state()),
  restore: (context, options, snapshot) =>
    restarts(context, options)
      ? RestartedSearch.restore(context, options, snapshot)
      : Bayes.restore(context, options, snapshot),
}
