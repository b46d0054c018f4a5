import { z } from 'zod'
import type { JsonValue } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import { SOBOL_DIMENSIONS, SobolSequence } from '../../numerics/sobol.ts'
import { type RngState, restoreRng } from '../../rng.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition } from '../strategy.ts'
import { fromUnitCube, resetInactive } from '../unit-cube.ts'
import { type SobolOptions, sobolDescription } from './sobol-options.ts'

/**
 * Sobol search: the points of a scrambled Sobol sequence in order. Covers the space more evenly than random search at the same
 * cost; as a baseline it is kept pure, so the declared start is not among its candidates. Known recipes, where a caller gives some,
 * come first. Inactive genes are held at their start.
 */
const KIND = sobolDescription.kind
const VERSION = 1

/** The generator's state before scrambling; the scramble is derived from it again. */
const stateSchema = z.strictObject({ scramble: rngStateSchema, index: z.number().int().nonnegative() })

class SobolSearch implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #scramble: RngState
  readonly #sequence: SobolSequence
  #index: number

  constructor(context: StrategyContext, scramble: RngState, index: number) {
    const d = context.domain.genes.length
    if (d < 1 || d > SOBOL_DIMENSIONS) {
      throw new ConfigError(`Strategy "sobol" searches 1 to ${SOBOL_DIMENSIONS} genes, but the space has ${d}.`, {
        hint: 'Use strategy "random", or a search space with fewer layer groups.',
      })
    }
    this.#context = context
    this.#scramble = scramble
    this.#sequence = new SobolSequence(d, restoreRng(scramble))
    this.#index = index
  }

  ask(count: number): readonly Proposal[] {
    const { domain, guesses = [] } = this.#context
    return Array.from({ length: count }, () => {
      const k = this.#index++
      const guess = guesses[k]
      if (guess !== undefined) return { genome: guess.slice() }
      return { genome: resetInactive(domain, fromUnitCube(domain, this.#sequence.point(k - guesses.length))) }
    })
  }

  tell(): void {} // learns nothing

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    return { asked: this.#index }
  }

  snapshot(): Snapshot {
    const { key, words, spare } = this.#scramble
    return { kind: KIND, version: VERSION, state: { scramble: { key, words, spare }, index: this.#index } }
  }
}

export const sobol: StrategyDefinition<SobolOptions> = {
  ...sobolDescription,
  create: context => new SobolSearch(context, context.rng.split(KIND).state(), 0),
  restore: (context, _options, snapshot) => {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    return new SobolSearch(context, state.scramble, state.index)
  },
}
