import { z } from 'zod'
import type { Domain, Genome, JsonValue, StopReason } from '../../candidate.ts'
import { ConfigError, nearest, show } from '../../errors.ts'
import { snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition } from '../strategy.ts'
import { Factorial, isOnGrid, valuesOf } from './factorial.ts'
import { type GridOptions, gridDescription, MAX_POINTS } from './grid-options.ts'

/**
 * Grid search: every combination of evenly spaced values of the genes, each once. Meant for a few genes, or for spaces of choices.
 *
 * Three things make it useful when it is stopped early or goes on for long:
 * - Combinations are visited at golden-ratio strides, modulo their number: any stretch of the search is spread over the whole grid.
 * - When a grid is complete, the next has half its spacing (integer genes: until all values are there), and only what is new in it is
 *   proposed. The search ends when every gene is exhausted, which a real gene never is.
 * - The seed decides where in the cycle the search begins, and nothing else.
 */
const KIND = gridDescription.kind
const VERSION = 1

/** Points per gene where not even two fit the budget: the ends and the middle. */
const FALLBACK_POINTS = 3
/** Beyond this, neighbouring points of a real gene are equal in double precision. */
const MAX_LEVEL = 40
/** 2^53 times the golden ratio's fractional part. */
const GOLDEN = 5566755282872655n
const TWO_53 = 2n ** 53n

const stateSchema = z.strictObject({
  asked: z.number().int().nonnegative(),
  level: z.number().int().min(0).max(MAX_LEVEL),
  visited: z.number().int().nonnegative(),
  offset: z.number().min(0).max(1),
})

class GridSearch implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #offset: number
  /** Points per gene on level 0. */
  readonly #points: readonly number[]
  #asked = 0
  #level = 0
  /** Combinations of this level's grid that were proposed or passed over. */
  #visited = 0
  #grid: Factorial
  #start = 0n
  #stride = 1n

  constructor(context: StrategyContext, options: GridOptions, offset: number) {
    const { domain } = context
    if (domain.genes.length === 0) throw new ConfigError('Strategy "grid" needs at least one gene, got none.')
    this.#context = context
    this.#offset = offset
    this.#points = pointsPerGene(domain, options.points, context.budget)
    this.#grid = this.#enter(0)
  }

  ask(count: number): readonly Proposal[] {
    const { guesses = [] } = this.#context
    const proposals: Proposal[] = []
    while (proposals.length < count) {
      const guess = guesses[this.#asked]
      const genome = guess === undefined ? this.#next() : guess.slice()
      if (genome === undefined) break
      this.#asked++
      proposals.push({ genome })
    }
    return proposals
  }

  tell(): void {} // learns nothing

  stopReason(): StopReason | undefined {
    if (!this.#isExhausted()) return undefined
    return { criterion: 'grid', detail: `all ${this.#grid.size} combinations of the search space are proposed` }
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    return { asked: this.#asked, level: this.#level, combinations: String(this.#grid.size), visited: this.#visited }
  }

  snapshot(): Snapshot {
    const state: z.infer<typeof stateSchema> = {
      asked: this.#asked,
      level: this.#level,
      visited: this.#visited,
      offset: this.#offset,
    }
    return { kind: KIND, version: VERSION, state }
  }

  static restore(context: StrategyContext, options: GridOptions, snapshot: Snapshot): GridSearch {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const strategy = new GridSearch(context, options, state.offset)
    strategy.#asked = state.asked
    strategy.#enter(state.level)
    strategy.#visited = state.visited
    return strategy
  }

  #next(): Genome | undefined {
    for (;;) {
      if (BigInt(this.#visited) === this.#grid.size) {
        if (!this.#canRefine()) return undefined
        this.#enter(this.#level + 1)
      }
      const combination = this.#grid.combination(
        (this.#start + BigInt(this.#visited++) * this.#stride) % this.#grid.size,
      )
      const genome = this.#grid.genomeOf(combination)
      if (this.#level === 0 || !this.#isOnLevel(combination, genome, this.#level - 1)) return genome
    }
  }

  #isExhausted(): boolean {
    const { guesses = [] } = this.#context
    return this.#asked >= guesses.length && BigInt(this.#visited) === this.#grid.size && !this.#canRefine()
  }

  #canRefine(): boolean {
    const finest = this.#pointsOn(this.#level)
    return this.#level < MAX_LEVEL && this.#context.domain.genes.some((gene, i) => finest[i]! < valuesOf(gene))
  }

  #enter(level: number): Factorial {
    this.#level = level
    this.#visited = 0
    this.#grid = new Factorial(this.#context.domain, this.#pointsOn(level))
    this.#start = (BigInt(Math.floor(this.#offset * 2 ** 53)) * this.#grid.size) / TWO_53
    this.#stride = strideOf(this.#grid.size)
    return this.#grid
  }

  /** Each level halves the spacing; the points of a level are points of the next. */
  #pointsOn(level: number): number[] {
    return this.#context.domain.genes.map((gene, i) =>
      Math.min(valuesOf(gene), (this.#points[i]! - 1) * 2 ** level + 1),
    )
  }

  #isOnLevel(combination: Float64Array, genome: Genome, level: number): boolean {
    const points = this.#pointsOn(level)
    return this.#context.domain.genes.every((gene, i) => combination[i]! < 0 || isOnGrid(gene, genome[i]!, points[i]!))
  }
}

function pointsPerGene(domain: Domain, points: GridOptions['points'], budget: number | undefined): number[] {
  const given = typeof points === 'object' ? points : {}
  const names = domain.genes.map(gene => gene.name)
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue
    const guess = nearest(name, names)
    throw new ConfigError(`Strategy "grid": "points" names the gene ${show(name)}, which the space does not have.`, {
      hint: guess === undefined ? '"amalgam validate --json" lists the genes.' : `Did you mean "${guess}"?`,
    })
  }
  const withAuto = (auto: number): number[] =>
    domain.genes.map(gene => {
      const wanted = gene.kind === 'categorical' ? Number.POSITIVE_INFINITY : (given[gene.name] ?? auto)
      return Math.min(valuesOf(gene), wanted)
    })
  if (typeof points === 'number') return withAuto(points)
  const fits = (auto: number): boolean =>
    budget !== undefined && new Factorial(domain, withAuto(auto)).size <= BigInt(Math.floor(budget))
  let auto = FALLBACK_POINTS
  for (let n = 2; n <= MAX_POINTS && fits(n); n++) auto = n
  return withAuto(auto)
}

/** As close above size / φ as has no divisor in common with the size, so that the strides visit everything. */
function strideOf(size: bigint): bigint {
  let stride = (size * GOLDEN) / TWO_53
  while (greatestCommonDivisor(stride, size) !== 1n) stride++
  return stride
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestCommonDivisor(b, a % b)
}

export const grid: StrategyDefinition<GridOptions> = {
  ...gridDescription,
  create: (context, options) => new GridSearch(context, options, context.rng.split(KIND).uniform()),
  restore: (context, options, snapshot) => GridSearch.restore(context, options, snapshot),
}
