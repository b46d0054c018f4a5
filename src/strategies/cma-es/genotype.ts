import type { Domain, Gene, Genome } from '../../candidate.ts'
import { geneCoordinate, geneValue, resetInactive } from '../unit-cube.ts'
import { fromUnitInterval, intoUnitInterval } from './bound-transform.ts'
import type { Boundary } from './cma-es-options.ts'

/** What the search distribution samples: a point for real and integer genes, one choice index for each categorical gene. */
export interface Phenotype {
  /** Shape (n,), widths of the genes' ranges, unbounded. */
  readonly x: Float64Array
  readonly choices: readonly number[]
}

/**
 * The map between genomes and what is sampled. Real and integer genes together are the coordinates of x: a range is the unit
 * interval, an integer gene with K values K cells of equal width, the outer two reaching to infinity. A space without such genes has
 * one coordinate that decides nothing, so that there always is a distribution.
 */
export class Genotype {
  readonly domain: Domain
  /** n, at least 1. */
  readonly dimension: number
  /** Per coordinate: number of cells of an integer gene, 0 for a real one. Shape (n,). */
  readonly cells: readonly number[]
  /** Number of choices of each categorical gene. */
  readonly choiceCounts: readonly number[]
  readonly #boundary: Boundary
  readonly #numeric: readonly number[] // gene index by coordinate
  readonly #categorical: readonly number[]

  constructor(domain: Domain, boundary: Boundary) {
    this.domain = domain
    this.#boundary = boundary
    const indices = domain.genes.map((_, i) => i)
    this.#numeric = indices.filter(i => domain.genes[i]!.kind !== 'categorical')
    this.#categorical = indices.filter(i => domain.genes[i]!.kind === 'categorical')
    this.dimension = Math.max(1, this.#numeric.length)
    const cells = this.#numeric.map(i => integerCells(domain.genes[i]!))
    this.cells = cells.length === 0 ? [0] : cells
    this.choiceCounts = this.#categorical.map(i => choiceCount(domain.genes[i]!))
  }

  genome({ x, choices }: Phenotype): Genome {
    const genome = new Float64Array(this.domain.genes.length)
    for (const [k, i] of this.#numeric.entries()) {
      const fold = this.cells[k] === 0 && this.#boundary === 'transform'
      genome[i] = geneValue(this.domain.genes[i]!, fold ? intoUnitInterval(x[k]!) : x[k]!)
    }
    for (const [k, i] of this.#categorical.entries()) genome[i] = choices[k]!
    return resetInactive(this.domain, genome)
  }

  phenotype(genome: Genome): Phenotype {
    const x = new Float64Array(this.dimension).fill(0.5)
    for (const [k, i] of this.#numeric.entries())
      x[k] = this.#coordinate(k, geneCoordinate(this.domain.genes[i]!, genome[i]!))
    return { x, choices: this.#categorical.map(i => genome[i]!) }
  }

  /** The point with every coordinate at the given share of its range. */
  point(shares: ArrayLike<number>): Float64Array {
    return Float64Array.from({ length: this.dimension }, (_, k) => this.#coordinate(k, shares[k]!))
  }

  /** How far x lies outside the bounds, coordinate by coordinate, where that is penalised. Shape (n,). */
  violation(x: Float64Array): Float64Array {
    return x.map((v, k) => (this.#boundary === 'transform' || this.cells[k] !== 0 ? 0 : v < 0 ? v : v > 1 ? v - 1 : 0))
  }

  #coordinate(k: number, share: number): number {
    return this.cells[k] === 0 && this.#boundary === 'transform' ? fromUnitInterval(share) : share
  }
}

function integerCells(gene: Gene): number {
  return gene.kind === 'integer' ? gene.high - gene.low + 1 : 0
}

function choiceCount(gene: Gene): number {
  return gene.kind === 'categorical' ? gene.choices.length : 0
}
