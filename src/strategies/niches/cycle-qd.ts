import { z } from 'zod'
import type { JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import type { Objective } from '../../objective.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { normalizeLosses } from '../../scalarization.ts'
import { snapshotState } from '../snapshot.ts'
import type { StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { breedingFor, sampleSize } from './breeding.ts'
import { type Cells, gridCells } from './cells.ts'
import { type CycleQdOptions, cycleQdDescription } from './cycle-qd-options.ts'
import { type Elite, Elites } from './elites.ts'
import { roulette } from './parents.ts'
import type { Parent, Population } from './population.ts'
import { type SteadyParts, SteadyStateSearch, stateSchema } from './steady-state.ts'

/**
 * CycleQD: an archive of elites for each objective, in which that objective is the quality and the others are the axes of behaviour. Children
 * come from the archives in turn, and every archive is open to all of them.
 *
 * S. Kuroki, T. Nakamura, T. Akiba, Y. Tang, "Agent Skill Acquisition for Large Language Models via CycleQD", ICLR 2025,
 * https://arxiv.org/abs/2410.14735
 */
const KIND = cycleQdDescription.kind
const VERSION = 1

/** Cells of one archive at most, unless "bins" says otherwise; and the bins per axis that the authors use. */
const [CELLS, MOST_BINS] = [256, 15]
/** Elite sampling weighs every coordinate, normalised to 0..1, as BASE + SPAN · coordinate (the authors' program). */
const [BASE, SPAN] = [0.5, 0.8]

class CycleQd implements Population {
  readonly #objectives: readonly Objective[]
  readonly #byElite: boolean
  readonly #cells: Cells
  /** One per objective. */
  readonly #archives: readonly Elites[]

  constructor(objectives: readonly Objective[], { bins, parents }: CycleQdOptions) {
    const axes = objectives.length - 1
    const most = axes === 0 ? MOST_BINS : Math.min(MOST_BINS, Math.max(2, Math.floor(CELLS ** (1 / axes))))
    this.#objectives = objectives
    this.#byElite = parents === 'elite'
    this.#cells = gridCells(axes, bins === 'auto' ? most : bins)
    this.#archives = objectives.map(() => new Elites())
  }

  insert(trial: ToldTrial): void {
    const { losses } = trial
    if (!losses?.every(Number.isFinite)) return
    const scores = normalizeLosses(losses, this.#objectives).map(loss => 1 - loss)
    for (const [q, archive] of this.#archives.entries()) {
      const behaviour = scores.filter((_, o) => o !== q)
      archive.offer(this.#cells.cellOf(behaviour), trial, losses, losses[q]!)
    }
  }

  parents(turn: number, rng: Rng): readonly [Parent, Parent] | undefined {
    const elites = this.#archives[turn % this.#archives.length]!.all()
    if (elites.length === 0) return undefined
    const weights = this.#byElite ? eliteWeights(elites) : elites.map(() => 1)
    const first = roulette(weights, rng)
    if (elites.length === 1) return [elites[0]!, elites[0]!]
    weights[first] = 0
    return [elites[first]!, elites[roulette(weights, rng, first)]!]
  }

  snapshot(): JsonValue {
    return this.#archives.map(archive => archive.snapshot())
  }

  restore(state: JsonValue): void {
    const states = z.array(z.unknown()).length(this.#archives.length).parse(state)
    for (const [q, archive] of this.#archives.entries()) archive.restore(states[q] as JsonValue) // checked by the archive
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    return {
      cells: this.#cells.count,
      filled: this.#archives.map(archive => archive.size),
      best: this.#archives.map(archive => {
        const costs = archive.all().map(({ cost }) => cost)
        return costs.length === 0 ? null : Math.min(...costs)
      }),
    }
  }
}

/** The product over all objectives of BASE + SPAN · how good an elite is among the elites, 0..1. */
function eliteWeights(elites: readonly Elite[]): number[] {
  const weights = elites.map(() => 1)
  for (let o = 0; o < elites[0]!.losses.length; o++) {
    const losses = elites.map(elite => elite.losses[o]!)
    const [best, worst] = [Math.min(...losses), Math.max(...losses)]
    for (const [i, loss] of losses.entries()) {
      weights[i]! *= BASE + SPAN * (worst > best ? (worst - loss) / (worst - best) : 1)
    }
  }
  return weights
}

function parts(context: StrategyContext, options: CycleQdOptions): SteadyParts {
  if (context.domain.genes.length === 0) throw new ConfigError('Strategy "cycleqd" needs at least one gene, got none.')
  return {
    kind: KIND,
    version: VERSION,
    context,
    rng: context.rng.split(KIND),
    population: new CycleQd(context.objectives, options),
    breeding: breedingFor(context.domain, 'average', options.mutation),
    sample: sampleSize(context, options.initial_sample),
  }
}

export const cycleQd: StrategyDefinition<CycleQdOptions> = {
  ...cycleQdDescription,
  create: (context, options) => SteadyStateSearch.create(parts(context, options)),
  restore: (context, options, snapshot) => {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    return SteadyStateSearch.restore(parts(context, options), state, restoreRng(state.rng))
  },
}
