import type { Domain } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import type { StrategyContext } from '../strategy.ts'
import { MOST_BINNED_GENES } from './angle-bins.ts'
import { sourceGenes } from './design.ts'
import { passEvaluations } from './nested.ts'
import type { MapOptions, Mode } from './options.ts'
import { allowedModels, trialsNeeded } from './surrogate.ts'

/** Objectives, and sources, from which on `auto` may nest. */
const NESTED_FROM = 4

/**
 * The mode asked for, or for `auto`: nested where four or more sources and objectives would need a larger sample for the full
 * quadratic than half the budget, and a pass over the tree fits into that half; else plain.
 * @throws {ConfigError} for directions to bin in too many dimensions.
 */
export function chooseMode(
  { domain, objectives, budget }: StrategyContext,
  { mode, model }: MapOptions,
): Exclude<Mode, 'auto'> {
  const d = domain.genes.length
  const sources = sourceGenes(domain).length
  if (mode === 'bayesian' && d > MOST_BINNED_GENES) {
    throw new ConfigError(
      `Strategy "map" bins directions of at most ${MOST_BINNED_GENES} genes, but the space has ${d}.`,
      {
        hint: 'Set "mode" to "plain", or to "nested" for many sources.',
      },
    )
  }
  if (mode === 'nested' && sources === 1) return 'plain' // nothing to pair
  if (mode !== 'auto') return mode
  if (budget === undefined || objectives.length < NESTED_FROM || sources < NESTED_FROM) return 'plain'
  const full = allowedModels(model, d).includes('full') && trialsNeeded('full', d) <= budget / 2
  return !full && passEvaluations(sources) <= budget / 2 ? 'nested' : 'plain'
}

/** @throws {ConfigError} for a domain without genes or with categorical ones. */
export function requireNumericGenes(domain: Domain): void {
  if (domain.genes.length === 0) throw new ConfigError('Strategy "map" needs at least one gene, got none.')
  for (const gene of domain.genes) {
    if (gene.kind !== 'categorical') continue
    throw new ConfigError(
      `Strategy "map" fits quadratics in numbers, but gene "${gene.name}" is a choice between ${gene.choices.length}.`,
      {
        hint: `Give "${gene.name}" a fixed value, or use a strategy that searches choices, such as "forest" or "tpe".`,
      },
    )
  }
}
