import { auto } from './auto/auto.ts'
import { bayes } from './bayes/bayes.ts'
import { cmaEs } from './cma-es/cma-es.ts'
import { strategyDescription } from './descriptions.ts'
import { comoCmaEs } from './evolution/como-cma-es.ts'
import { differentialEvolution } from './evolution/differential-evolution.ts'
import { nsga2 } from './evolution/nsga2.ts'
import { nsga3 } from './evolution/nsga3.ts'
import { smsEmoa } from './evolution/sms-emoa.ts'
import { forest } from './forest/forest.ts'
import { map } from './map/map.ts'
import { cycleQd } from './niches/cycle-qd.ts'
import { geneticAlgorithm, m2n2 } from './niches/m2n2.ts'
import { mapElites } from './niches/map-elites.ts'
import { grid } from './sampling/grid.ts'
import { random } from './sampling/random.ts'
import { sobol } from './sampling/sobol-search.ts'
import type { StrategyDefinition } from './strategy.ts'
import { tpe } from './tpe/tpe.ts'

/** Every strategy by kind. A new one is added here and in `descriptions.ts`, and has to pass `test/contracts/strategy-contract.ts`. */
export const STRATEGIES: Readonly<Record<string, StrategyDefinition>> = {
  [auto.kind]: auto,
  [bayes.kind]: bayes,
  [cmaEs.kind]: cmaEs,
  [comoCmaEs.kind]: comoCmaEs,
  [differentialEvolution.kind]: differentialEvolution,
  [grid.kind]: grid,
  [forest.kind]: forest,
  [map.kind]: map,
  [nsga2.kind]: nsga2,
  [nsga3.kind]: nsga3,
  [m2n2.kind]: m2n2,
  [geneticAlgorithm.kind]: geneticAlgorithm,
  [mapElites.kind]: mapElites,
  [cycleQd.kind]: cycleQd,
  [random.kind]: random,
  [smsEmoa.kind]: smsEmoa,
  [sobol.kind]: sobol,
  [tpe.kind]: tpe,
}

/** @throws {ConfigError} for an unknown kind. */
export function strategyDefinition(kind: string): StrategyDefinition {
  return STRATEGIES[strategyDescription(kind).kind]!
}
