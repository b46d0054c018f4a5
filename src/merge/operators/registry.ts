import { ConfigError, nearest, show } from '../../errors.ts'
import { arceeFusion } from './arcee-fusion.ts'
import { breadcrumbs, breadcrumbsTies } from './breadcrumbs.ts'
import { dareLinear, dareTies } from './dare.ts'
import { della, dellaLinear } from './della.ts'
import { karcher } from './karcher.ts'
import { linear } from './linear.ts'
import { modelStock } from './model-stock.ts'
import { multislerp } from './multislerp.ts'
import { nearswap } from './nearswap.ts'
import { nuslerp } from './nuslerp.ts'
import type { MergeOperator } from './operator.ts'
import { passthrough } from './passthrough.ts'
import { ram, ramPlus } from './ram.ts'
import { sce } from './sce.ts'
import { slerp } from './slerp.ts'
import { taskArithmetic } from './task-arithmetic.ts'
import { ties } from './ties.ts'

/** Every merge operator, by name. Adding one is adding a file and a line here. */
export const OPERATORS: ReadonlyMap<string, MergeOperator> = new Map(
  [
    linear,
    slerp,
    nuslerp,
    multislerp,
    karcher,
    taskArithmetic,
    ties,
    dareLinear,
    dareTies,
    della,
    dellaLinear,
    breadcrumbs,
    breadcrumbsTies,
    modelStock,
    nearswap,
    sce,
    arceeFusion,
    ram,
    ramPlus,
    passthrough,
  ].map(operator => [operator.name, operator]),
)

/** @throws {ConfigError} with the known names. */
export function findOperator(name: string): MergeOperator {
  const operator = OPERATORS.get(name)
  if (operator !== undefined) return operator
  const near = nearest(name, OPERATORS.keys())
  throw new ConfigError(`There is no merge method ${show(name)}; known are ${[...OPERATORS.keys()].join(', ')}.`, {
    ...(near === undefined ? {} : { hint: `Did you mean ${near}?` }),
  })
}
