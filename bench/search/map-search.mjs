// A search over scales of task vectors, accuracies maximised, one slot, example scores handed over as an evaluator would.
import { createRng, strategyDefinition } from './lib/amalgam.mjs'

/** Populations that fit a few dozen evaluations; the defaults would see less than one generation. */
const populationOf = budget => Math.max(8, 4 * Math.round(budget / 24))

/**
 * @param {{ kind: string, options?: Record<string, unknown>, measure: (c: Float64Array) => { values: number[], scores: Float32Array[] },
 *   d: number, m?: number, seed: number, budget: number, high?: number }} search genes lie in [0, high], the start is the uniform average
 * @returns {{ trials: { genome: Float64Array, values: number[], memo: any }[], stop: string }}
 */
export function searchAccuracies({ kind, options = {}, measure, d, m = d, seed, budget, high = 1 }) {
  const definition = strategyDefinition(kind)
  const initial = new Float64Array(d).fill(1 / d)
  const genes = Array.from({ length: d }, (_, i) => ({
    kind: 'real',
    name: `all/expert${i}/weight`,
    low: 0,
    high,
    scale: 'linear',
    initial: initial[i],
  }))
  const objectives = Array.from({ length: m }, (_, k) => ({
    name: `task${k}`,
    direction: 'maximize',
    unit: 'accuracy, 0..1',
    reference: 0,
    ideal: 1,
  }))
  const sized = kind.startsWith('nsga') ? { population_size: populationOf(budget), ...options } : options
  const context = { domain: { genes, initial }, objectives, rng: createRng(seed), budget, slots: 1 }
  const strategy = definition.create(context, definition.options.parse(sized))
  const trials = []
  while (trials.length < budget) {
    const [proposal] = strategy.ask(1)
    if (proposal === undefined) return { trials, stop: strategy.stopReason()?.criterion ?? 'no proposal' }
    const { genome, parents = [], memo = null } = proposal
    const { values, scores } = measure(genome)
    strategy.tell([
      { id: trials.length, genome: genome.slice(), parents, memo, losses: values.map(v => -v), exampleScores: scores },
    ])
    trials.push({ genome: genome.slice(), values, memo })
  }
  return { trials, stop: strategy.stopReason()?.criterion ?? 'budget' }
}
