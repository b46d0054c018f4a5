import type { Domain, Genome } from '../candidate.ts'
import { SOBOL_DIMENSIONS, SobolSequence } from '../numerics/sobol.ts'
import type { Rng } from '../rng.ts'
import { aroundStart } from './initial-spread.ts'
import { fromUnitCube, resetInactive } from './unit-cube.ts'

/**
 * Where a model-based strategy looks before it has a model: the declared start, the known recipes, then a scrambled Sobol sequence
 * (independent uniform points in spaces with more genes than the sequence has dimensions) over a share `spread` of the box around the
 * start. The k-th genome is a function of k and of the generator's seed alone.
 */
export class InitialDesign {
  readonly #domain: Domain
  readonly #rng: Rng
  readonly #known: readonly Genome[]
  readonly #spread: number
  #sequence: SobolSequence | undefined

  constructor(domain: Domain, guesses: readonly Genome[] | undefined, rng: Rng, spread = 1) {
    this.#domain = domain
    this.#rng = rng
    this.#spread = spread
    this.#known = distinct([domain.initial, ...(guesses ?? [])])
  }

  /** Genomes that come before the Sobol sequence: the start and the known recipes, each once. */
  get known(): number {
    return this.#known.length
  }

  genome(k: number): Genome {
    const known = this.#known[k]
    if (known !== undefined) return known.slice()
    const point = this.#point(k - this.#known.length)
    return resetInactive(this.#domain, fromUnitCube(this.#domain, aroundStart(this.#domain, point, this.#spread)))
  }

  #point(index: number): Float64Array {
    const d = this.#domain.genes.length
    if (d > SOBOL_DIMENSIONS) {
      const rng = this.#rng.split(`design ${index}`)
      return Float64Array.from({ length: d }, () => rng.uniform())
    }
    this.#sequence ??= new SobolSequence(d, this.#rng.split('design'))
    return this.#sequence.point(index)
  }
}

function distinct(genomes: readonly Genome[]): Genome[] {
  const seen = new Map(genomes.map(genome => [genome.join(), genome]))
  return [...seen.values()]
}
