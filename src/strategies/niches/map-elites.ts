import type { JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import type { Objective } from '../../objective.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { normalizeLosses, type Scalarization, scalarize } from '../../scalarization.ts'
import { snapshotState } from '../snapshot.ts'
import type { StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { breedingFor, sampleSize } from './breeding.ts'
import { type Cells, gridCells, voronoiCells } from './cells.ts'
import { Elites } from './elites.ts'
import { type MapElitesOptions, mapElitesDescription } from './map-elites-options.ts'
import { roulette } from './parents.ts'
import type { Parent, Population } from './population.ts'
import { type SteadyParts, SteadyStateSearch, stateSchema } from './steady-state.ts'

/**
 * MAP-Elites over what candidates are good at. A descriptor is the score on each objective, shape (m,): 0 at the objective's `reference`, 1 at its `ideal`.
 * Each cell of descriptors keeps its best candidate. The two parents of a child come from different cells, chosen uniformly or in
 * proportion to their quality.
 *
 * J.-B. Mouret, J. Clune, "Illuminating search spaces by mapping elites", 2015, https://arxiv.org/abs/1504.04909
 */
const KIND = mapElitesDescription.kind
const VERSION = 1

class MapElites implements Population {
  readonly #objectives: readonly Objective[]
  readonly #cells: Cells
  readonly #byQuality: boolean
  readonly #scalarization: Scalarization
  readonly #elites = new Elites()

  constructor(objectives: readonly Objective[], { cells, parents, scalarization }: MapElitesOptions, rng: Rng) {
    const m = objectives.length
    this.#objectives = objectives
    this.#cells = m <= 2 ? gridCells(m, Math.max(2, Math.floor(cells ** (1 / m)))) : voronoiCells(m, cells, rng)
    this.#byQuality = parents === 'quality'
    this.#scalarization = scalarization
  }

  insert(trial: ToldTrial): void {
    if (!trial.losses?.every(Number.isFinite)) return
    const cost = scalarize(this.#scalarization, trial.losses, this.#objectives)
    const scores = normalizeLosses(trial.losses, this.#objectives).map(loss => 1 - loss)
    this.#elites.offer(this.#cells.cellOf(scores), trial, trial.losses, cost)
  }

  parents(_turn: number, rng: Rng): readonly [Parent, Parent] | undefined {
    const elites = this.#elites.all()
    if (elites.length === 0) return undefined
    const costs = elites.map(({ cost }) => cost)
    const worst = Math.max(...costs)
    const weights = costs.map(cost => (this.#byQuality ? worst - cost : 1))
    const first = roulette(weights, rng)
    if (elites.length === 1) return [elites[0]!, elites[0]!]
    weights[first] = 0
    return [elites[first]!, elites[roulette(weights, rng, first)]!]
  }

  snapshot(): JsonValue {
    return this.#elites.snapshot()
  }

  restore(state: JsonValue): void {
    this.#elites.restore(state)
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    const elites = this.#elites.all()
    const scores = elites.map(({ losses }) => {
      const normalized = normalizeLosses(losses, this.#objectives)
      return 1 - normalized.reduce((sum, loss) => sum + loss, 0) / normalized.length
    })
    return {
      cells: this.#cells.count,
      filled: elites.length,
      qualityDiversity: scores.reduce((sum, score) => sum + Math.max(0, score), 0),
      bestLoss: elites.length === 0 ? null : Math.min(...elites.map(({ cost }) => cost)),
    }
  }
}

function parts(context: StrategyContext, options: MapElitesOptions): SteadyParts {
  if (context.domain.genes.length === 0)
    throw new ConfigError('Strategy "map-elites" needs at least one gene, got none.')
  const rng = context.rng.split(KIND)
  return {
    kind: KIND,
    version: VERSION,
    context,
    rng,
    population: new MapElites(context.objectives, options, rng.split('cells')),
    breeding: breedingFor(context.domain, options.split_point ? 'split' : 'slerp', options.mutation),
    sample: sampleSize(context, options.initial_sample),
  }
}

export const mapElites: StrategyDefinition<MapElitesOptions> = {
  ...mapElitesDescription,
  create: (context, options) => SteadyStateSearch.create(parts(context, options)),
  restore: (context, options, snapshot) => {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    return SteadyStateSearch.restore(parts(context, options), state, restoreRng(state.rng))
  },
}
