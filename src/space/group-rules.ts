import type { GenomeConfig, GroupRule } from './genome-config.ts'
import type { CoefficientName } from './methods.ts'
import { keyError, type Part } from './parts.ts'

/** The first entry of `groups` that matches a coefficient and speaks of it. @throws {ConfigError} where layers cut a group. */
export function matchingRule(
  rules: GenomeConfig['groups'],
  name: CoefficientName,
  part: Part,
  filter: string | undefined,
  source: string,
): { readonly rule: GroupRule | undefined; readonly position: number } {
  const position = rules.findIndex((rule, i) => speaksOf(rule, name) && matches(rule, i, part, filter, source))
  return { rule: rules[position], position }
}

/** An entry that shares genes speaks of all coefficients. */
function speaksOf(rule: GroupRule, name: CoefficientName): boolean {
  return rule[name] !== undefined || rule.share !== undefined || (name === 'weight' && rule.frozen !== undefined)
}

function matches(rule: GroupRule, position: number, part: Part, filter: string | undefined, source: string): boolean {
  const { match } = rule
  if (match.source !== undefined && match.source !== source) return false
  if (match.filter !== undefined && match.filter !== (filter ?? '*')) return false
  if (match.layers === undefined) return true
  if (typeof match.layers === 'string') return match.layers === part.layers
  if (typeof part.layers === 'string') return false
  const [first, end] = typeof match.layers === 'number' ? [match.layers, match.layers + 1] : match.layers
  const [partFirst, partEnd] = part.layers
  if (first >= partEnd || end <= partFirst) return false
  if (first > partFirst || end < partEnd) {
    throw keyError(
      ['groups', position, 'match', 'layers'],
      `[${first}, ${end}) cuts the layer group ${part.name}, which is [${partFirst}, ${partEnd}); match whole groups or lower layer_granularity`,
    )
  }
  return true
}
