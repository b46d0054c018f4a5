import type { MergeOperator } from '../operators/operator.ts'

/** What mergekit (0.1.5) has words for, of what the operators here have. */

const METHODS: ReadonlySet<string> = new Set([
  'linear',
  'slerp',
  'nuslerp',
  'multislerp',
  'karcher',
  'task_arithmetic',
  'ties',
  'dare_linear',
  'dare_ties',
  'della',
  'della_linear',
  'breadcrumbs',
  'breadcrumbs_ties',
  'model_stock',
  'nearswap',
  'sce',
  'arcee_fusion',
  'ram',
  'ramplus_tl',
  'passthrough',
])

/** Parameters that only the operators here have; by operator where the name has another meaning elsewhere. */
const OWN: ReadonlySet<string> = new Set(['flavor', 'sce.floor', 'model_stock.clamp'])

export function isMergekitMethod(name: string): boolean {
  return METHODS.has(name)
}

/** Why values of parameters cannot be written: mergekit has only the default of those that are not its own. */
export function foreignParameters(
  operator: MergeOperator,
  values: Readonly<Record<string, number | boolean | string>>,
): string[] {
  return operator.parameters.flatMap(({ name, default: fallback }) => {
    const own = OWN.has(name) || OWN.has(`${operator.name}.${name}`)
    const value = values[name]
    return own && value !== undefined && value !== fallback
      ? [`mergekit's ${operator.name} has no ${name}, which is ${value} here instead of ${fallback}`]
      : []
  })
}
