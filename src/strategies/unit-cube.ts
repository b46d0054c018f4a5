import type { Domain, Gene, Genome } from '../candidate.ts'

/**
 * Genome ⇄ unit cube [0, 1]^d, gene by gene:
 * - real: linear, or linear in the logarithm for `scale: 'log'`; the ends map to the bounds exactly;
 * - integer and categorical with k values: k cells of equal width; a value's preimage is the middle of its cell.
 */
export function fromUnitCube(domain: Domain, point: ArrayLike<number>): Genome {
  return Float64Array.from(domain.genes, (gene, i) => geneValue(gene, point[i]!))
}

/** Inverse of {@link fromUnitCube} for real genes; the middle of the cell for the others. Values outside the bounds map outside [0, 1]. */
export function toUnitCube(domain: Domain, genome: ArrayLike<number>): Float64Array {
  return Float64Array.from(domain.genes, (gene, i) => geneCoordinate(gene, genome[i]!))
}

/** Coordinate in [0, 1] (others are clipped) → value of the gene. */
export function geneValue(gene: Gene, coordinate: number): number {
  const u = Math.min(1, Math.max(0, coordinate))
  if (gene.kind === 'real') {
    if (u === 0) return gene.low
    if (u === 1) return gene.high
    const value =
      gene.scale === 'log'
        ? Math.exp(Math.log(gene.low) + u * (Math.log(gene.high) - Math.log(gene.low)))
        : gene.low + u * (gene.high - gene.low)
    return Math.min(gene.high, Math.max(gene.low, value)) // rounding may step over a bound
  }
  const first = gene.kind === 'integer' ? gene.low : 0
  const cells = cellCount(gene)
  return first + Math.min(cells - 1, Math.floor(u * cells))
}

/** Value of the gene → coordinate in [0, 1]. */
export function geneCoordinate(gene: Gene, value: number): number {
  if (gene.kind === 'real') {
    if (gene.scale === 'log') {
      return (Math.log(value) - Math.log(gene.low)) / (Math.log(gene.high) - Math.log(gene.low))
    }
    return (value - gene.low) / (gene.high - gene.low)
  }
  const first = gene.kind === 'integer' ? gene.low : 0
  return (value - first + 0.5) / cellCount(gene)
}

/**
 * Sets genes whose condition does not hold to their declared start, in place, so that genomes which decode to the same recipe
 * are equal. A gene under an inactive gene is inactive too.
 */
export function resetInactive(domain: Domain, genome: Genome): Genome {
  const index = new Map(domain.genes.map((gene, i) => [gene.name, i]))
  const active = new Map<number, boolean>()
  const isActive = (i: number): boolean => {
    const known = active.get(i)
    if (known !== undefined) return known
    const condition = domain.genes[i]!.activeWhen
    const parent = condition && index.get(condition.gene)
    active.set(i, true) // ends a circular condition, which a space should have refused
    const result =
      condition === undefined || parent === undefined || (isActive(parent) && condition.oneOf.includes(genome[parent]!))
    active.set(i, result)
    return result
  }
  for (const [i, gene] of domain.genes.entries()) if (!isActive(i)) genome[i] = gene.initial
  return genome
}

/** Values of an integer or categorical gene. */
export function cellCount(gene: Exclude<Gene, { kind: 'real' }>): number {
  return gene.kind === 'integer' ? gene.high - gene.low + 1 : gene.choices.length
}
