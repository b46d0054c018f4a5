// One search of a registered strategy on a function, as the search loop does it with one slot: ask for one, tell one.
import { createRng, strategyDefinition } from './amalgam.mjs'

/**
 * @param {{
 *   kind: string,
 *   options?: Record<string, unknown>,
 *   low: ArrayLike<number>, high: ArrayLike<number>, initial: ArrayLike<number>,
 *   losses: (x: Float64Array) => readonly number[],
 *   reference?: readonly number[],
 *   seed: number,
 *   budget: number,
 *   slots?: number,
 *   onEvaluation?: (losses: readonly number[], evaluation: number) => boolean | undefined,
 * }} search losses are minimised; `reference` of shape (m,) for several objectives; `onEvaluation` counts from 1 and ends the run by `true`
 * @returns {{ evaluations: number, stop: string }} stop: "budget", "target" (by onEvaluation), or the strategy's criterion
 */
export function runStrategy({
  kind,
  options,
  low,
  high,
  initial,
  losses,
  reference = [1],
  seed,
  budget,
  slots,
  onEvaluation,
}) {
  const strategy = createStrategy({ kind, options, low, high, initial, reference, seed, budget, slots })
  for (let id = 0; id < budget; id++) {
    const [proposal] = strategy.ask(1)
    if (proposal === undefined) return { evaluations: id, stop: strategy.stopReason()?.criterion ?? 'no proposal' }
    const { genome, parents = [], memo = null } = proposal
    const found = losses(genome)
    strategy.tell([{ id, genome, parents, memo, losses: found }])
    if (onEvaluation?.(found, id + 1)) return { evaluations: id + 1, stop: 'target' }
  }
  return { evaluations: budget, stop: 'budget' }
}

export function createStrategy({
  kind,
  options = {},
  low,
  high,
  initial,
  reference = [1],
  seed,
  budget,
  slots = 1,
  prior = [],
}) {
  const definition = strategyDefinition(kind)
  const genes = Array.from(low, (_, i) => ({
    kind: 'real',
    name: `x${i}`,
    low: low[i],
    high: high[i],
    scale: 'linear',
    initial: initial[i],
  }))
  const objectives = reference.map((value, i) => ({
    name: `f${i + 1}`,
    direction: 'minimize',
    unit: '1',
    reference: value,
  }))
  const context = {
    domain: { genes, initial: Float64Array.from(initial) },
    objectives,
    rng: createRng(seed),
    budget,
    slots,
    ...(prior.length > 0 && { prior }),
  }
  return definition.create(context, definition.options.parse(options))
}
