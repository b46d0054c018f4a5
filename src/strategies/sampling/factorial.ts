import type { Domain, Gene, Genome } from '../../candidate.ts'
import { geneCoordinate, geneValue } from '../unit-cube.ts'

/**
 * A full factorial grid: every combination of the genes' grid values, each once. A gene whose condition does not hold stays at its
 * start and multiplies nothing: below a value v of a gene, the number of combinations is the product over the genes that v switches on.
 *
 * Combinations are counted in bigint: 3 values of 300 genes are more than a float can count.
 */
export class Factorial {
  /** Combinations. */
  readonly size: bigint
  readonly #domain: Domain
  readonly #points: readonly number[]
  /** Genes without a condition. */
  readonly #roots: readonly number[]
  /** Per gene, the genes whose condition names it. */
  readonly #dependents: readonly (readonly number[])[]
  /** Per gene, the combinations of it and of everything below it. */
  readonly #sizes: readonly bigint[]

  /** @param points grid values per gene, shape (d,), at least 2; for integer and categorical genes at most the values they have. */
  constructor(domain: Domain, points: readonly number[]) {
    this.#domain = domain
    this.#points = points
    const { roots, dependents, parentsFirst } = conditionForest(domain)
    this.#roots = roots
    this.#dependents = dependents
    const sizes = domain.genes.map(() => 1n)
    this.#sizes = sizes
    for (const gene of parentsFirst.toReversed()) sizes[gene] = this.#count(gene)
    this.size = this.#product(roots)
  }

  /** The combination with this number, 0 to size - 1: a bijection. Shape (d,), which of its grid values each gene has; -1: switched off. */
  combination(rank: bigint): Float64Array {
    const indices = new Float64Array(this.#domain.genes.length).fill(-1)
    this.#placeAll(indices, this.#roots, rank)
    return indices
  }

  genomeOf(combination: Float64Array): Genome {
    return combination.map((j, gene) => (j < 0 ? this.#domain.genes[gene]!.initial : this.#value(gene, j)))
  }

  #placeAll(indices: Float64Array, genes: readonly number[], rank: bigint): void {
    let rest = rank
    for (const gene of genes) {
      this.#place(indices, gene, rest % this.#sizes[gene]!)
      rest /= this.#sizes[gene]!
    }
  }

  #place(indices: Float64Array, gene: number, rank: bigint): void {
    if (this.#dependents[gene]!.length === 0) {
      indices[gene] = Number(rank)
      return
    }
    let rest = rank
    for (let j = 0; j < this.#points[gene]!; j++) {
      const active = this.#active(gene, this.#value(gene, j))
      const below = this.#product(active)
      if (rest < below) {
        indices[gene] = j
        this.#placeAll(indices, active, rest)
        return
      }
      rest -= below
    }
  }

  #count(gene: number): bigint {
    if (this.#dependents[gene]!.length === 0) return BigInt(this.#points[gene]!)
    let count = 0n
    for (let j = 0; j < this.#points[gene]!; j++) count += this.#product(this.#active(gene, this.#value(gene, j)))
    return count
  }

  #product(genes: readonly number[]): bigint {
    return genes.reduce((product, gene) => product * this.#sizes[gene]!, 1n)
  }

  /** The genes that `value` of `gene` switches on. */
  #active(gene: number, value: number): readonly number[] {
    return this.#dependents[gene]!.filter(other => this.#domain.genes[other]!.activeWhen!.oneOf.includes(value))
  }

  #value(gene: number, j: number): number {
    return gridValue(this.#domain.genes[gene]!, j, this.#points[gene]!)
  }
}

/** The j-th of `points` values, evenly spaced over the gene's range (its logarithm for a log scale), both ends included. */
export function gridValue(gene: Gene, j: number, points: number): number {
  if (gene.kind === 'real') return geneValue(gene, j / (points - 1))
  return lowest(gene) + Math.round((j * (valuesOf(gene) - 1)) / (points - 1))
}

/** Whether the value is one of {@link gridValue}'s for that number of points. */
export function isOnGrid(gene: Gene, value: number, points: number): boolean {
  const share = gene.kind === 'real' ? geneCoordinate(gene, value) : (value - lowest(gene)) / (valuesOf(gene) - 1)
  return gridValue(gene, Math.round(share * (points - 1)), points) === value
}

/** How many values a gene has; infinite for real genes. */
export function valuesOf(gene: Gene): number {
  if (gene.kind === 'real') return Number.POSITIVE_INFINITY
  return gene.kind === 'integer' ? gene.high - gene.low + 1 : gene.choices.length
}

function lowest(gene: Exclude<Gene, { kind: 'real' }>): number {
  return gene.kind === 'integer' ? gene.low : 0
}

function conditionForest({ genes }: Domain) {
  const index = new Map(genes.map((gene, i) => [gene.name, i]))
  const parents = genes.map(({ activeWhen }) => (activeWhen === undefined ? undefined : index.get(activeWhen.gene)))
  const dependents = genes.map((_, i) => parents.flatMap((parent, child) => (parent === i ? [child] : [])))
  const roots = parents.flatMap((parent, i) => (parent === undefined ? [i] : []))
  const parentsFirst = [...roots]
  for (const gene of parentsFirst) parentsFirst.push(...dependents[gene]!)
  return { roots, dependents, parentsFirst }
}
