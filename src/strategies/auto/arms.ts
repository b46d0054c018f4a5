import type { Scalarization } from '../../scalarization.ts'
import { bayes } from '../bayes/bayes.ts'
import { cmaEs } from '../cma-es/cma-es.ts'
import { nsga3 } from '../evolution/nsga3.ts'
import { smsEmoa } from '../evolution/sms-emoa.ts'
import { forest } from '../forest/forest.ts'
import type { Snapshot, Strategy, StrategyContext, StrategyDefinition } from '../strategy.ts'
import { tpe } from '../tpe/tpe.ts'
import type { ArmKind } from './plan.ts'

/** A strategy with its options settled. */
export interface Arm {
  create(context: StrategyContext): Strategy
  restore(context: StrategyContext, snapshot: Snapshot): Strategy
}

/** Every option at its default, unless a reason is given. */
export function armOf(kind: ArmKind, scalarization: Scalarization): Arm {
  switch (kind) {
    case 'bayes':
      return settled(bayes, { scalarization })
    case 'cma-es':
      return settled(cmaEs, { scalarization })
    case 'forest':
      return settled(forest, {})
    case 'nsga3':
      return settled(nsga3, {})
    case 'sms-emoa':
      return settled(smsEmoa, {})
    case 'tpe':
      return settled(tpe, {})
  }
}

function settled<Options>(definition: StrategyDefinition<Options>, written: object): Arm {
  const options = definition.options.parse(written)
  return {
    create: context => definition.create(context, options),
    restore: (context, snapshot) => definition.restore(context, options, snapshot),
  }
}
