import { ConfigError, nearest, show } from '../../errors.ts'
import { arceeFusion } from './arcee-fusion.ts'
import { breadcrumbs, breadcrumbsTies } from './breadcrumbs.ts'
import { cabs } from './cabs.ts'
import { consensus } from './consensus-masks.ts'
import { dareLinear, dareTies } from './dare.ts'
import { dcMerge } from './dc-merge.ts'
import { della, dellaLinear } from './della.ts'
import { fisher } from './fisher.ts'
import { isoC, isoCts } from './iso.ts'
import { karcher } from './karcher.ts'
import { layerSwap } from './layer-swap.ts'
import { linear } from './linear.ts'
import { lines } from './lines.ts'
import { modelStock } from './model-stock.ts'
import { multislerp } from './multislerp.ts'
import { nearswap } from './nearswap.ts'
import { nuslerp } from './nuslerp.ts'
import { opcm } from './opcm.ts'
import type { MergeOperator } from './operator.ts'
import { passthrough } from './passthrough.ts'
import { pcb } from './pcb.ts'
import { ram, ramPlus } from './ram.ts'
import { regmean } from './regmean.ts'
import { sce } from './sce.ts'
import { slerp } from './slerp.ts'
import { star } from './star.ts'
import { taskArithmetic } from './task-arithmetic.ts'
import { ties } from './ties.ts'
import { tsvM } from './tsv-m.ts'
import { widen } from './widen.ts'
import { wudi } from './wudi.ts'

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
    lines,
    layerSwap,
    consensus,
    pcb,
    cabs,
    widen,
    tsvM,
    isoC,
    isoCts,
    star,
    wudi,
    dcMerge,
    opcm,
    fisher,
    regmean,
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
