import { z } from 'zod'
import type { JsonValue } from '../../candidate.ts'
import { type Rng, restoreRng } from '../../rng.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition } from '../strategy.ts'
import { fromUnitCube, resetInactive } from '../unit-cube.ts'
import { type RandomOptions, randomDescription } from './random-options.ts'

/**
 * Random search: independent, uniform candidates (log-uniform for genes with a log scale). The baseline that every other
 * strategy has to beat; kept pure, so the declared start is not among its candidates. Known recipes, where a caller gives some, come
 * first. Inactive genes are held at their start.
 */
const KIND = randomDescription.kind
const VERSION = 1

const stateSchema = z.strictObject({ rng: rngStateSchema, asked: z.number().int() })

class RandomSearch implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #rng: Rng
  #asked: number

  constructor(context: StrategyContext, rng: Rng, asked: number) {
    this.#context = context
    this.#rng = rng
    this.#asked = asked
  }

  ask(count: number): readonly Proposal[] {
    const { domain, guesses = [] } = this.#context
    return Array.from({ length: count }, () => {
      const guess = guesses[this.#asked++]
      if (guess !== undefined) return { genome: guess.slice() }
      const point = Float64Array.from(domain.genes, () => this.#rng.uniform())
      return { genome: resetInactive(domain, fromUnitCube(domain, point)) }
    })
  }

  tell(): void {} // learns nothing

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    return { asked: this.#asked }
  }

  snapshot(): Snapshot {
    const { key, words, spare } = this.#rng.state()
    return { kind: KIND, version: VERSION, state: { rng: { key, words, spare }, asked: this.#asked } }
  }
}

export const random: StrategyDefinition<RandomOptions> = {
  ...randomDescription,
  create: context => new RandomSearch(context, context.rng.split(KIND), 0),
  restore: (context, _options, snapshot) => {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    return new RandomSearch(context, restoreRng(state.rng), state.asked)
  },
}
