import { ConfigError, nearest, show } from '../errors.ts'
import { autoDescription } from './auto/options.ts'
import { bayesDescription } from './bayes/options.ts'
import { cmaEsDescription } from './cma-es/cma-es-options.ts'
import { comoCmaEsDescription } from './evolution/como-cma-es-options.ts'
import { differentialEvolutionDescription } from './evolution/differential-evolution-options.ts'
import { nsga2Description } from './evolution/nsga2-options.ts'
import { nsga3Description } from './evolution/nsga3-options.ts'
import { smsEmoaDescription } from './evolution/sms-emoa-options.ts'
import { forestDescription } from './forest/options.ts'
import { mapDescription } from './map/options.ts'
import { cycleQdDescription } from './niches/cycle-qd-options.ts'
import { geneticAlgorithmDescription, m2n2Description } from './niches/m2n2-options.ts'
import { mapElitesDescription } from './niches/map-elites-options.ts'
import { gridDescription } from './sampling/grid-options.ts'
import { randomDescription } from './sampling/random-options.ts'
import { sobolDescription } from './sampling/sobol-options.ts'
import type { StrategyDescription } from './strategy.ts'
import { tpeDescription } from './tpe/options.ts'

/**
 * What there is to search with, by kind, without its code: commands that read and check need no more, and start the faster. `registry.ts` has the
 * strategies themselves.
 */
export const STRATEGY_DESCRIPTIONS: Readonly<Record<string, StrategyDescription>> = Object.fromEntries(
  [
    autoDescription,
    bayesDescription,
    cmaEsDescription,
    comoCmaEsDescription,
    differentialEvolutionDescription,
    gridDescription,
    forestDescription,
    mapDescription,
    nsga2Description,
    nsga3Description,
    m2n2Description,
    geneticAlgorithmDescription,
    mapElitesDescription,
    cycleQdDescription,
    randomDescription,
    smsEmoaDescription,
    sobolDescription,
    tpeDescription,
  ].map(description => [description.kind, description]),
)

/** @throws {ConfigError} for an unknown kind. */
export function strategyDescription(kind: string): StrategyDescription {
  const description = Object.hasOwn(STRATEGY_DESCRIPTIONS, kind) ? STRATEGY_DESCRIPTIONS[kind] : undefined
  if (description !== undefined) return description
  const kinds = Object.keys(STRATEGY_DESCRIPTIONS)
  const guess = nearest(kind, kinds)
  throw new ConfigError(`Unknown strategy ${show(kind)}.`, {
    hint: guess === undefined ? `Use one of: ${kinds.join(', ')}.` : `Did you mean "${guess}"?`,
  })
}
