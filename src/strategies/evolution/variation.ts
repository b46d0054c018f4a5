import type { Domain, Gene, Genome } from '../../candidate.ts'
import type { Rng } from '../../rng.ts'
import { fromUnitCube, geneCoordinate, geneValue, resetInactive } from '../unit-cube.ts'

/**
 * Variation for every kind of gene: simulated binary crossover and polynomial mutation, both with bounds.
 *
 * Source: K. Deb, R. B. Agrawal, "Simulated binary crossover for continuous search space", Complex Systems 9(2), 1995, and
 * K. Deb, M. Goyal, "A combined genetic adaptive search (GeneAS) for engineering design", Computer Science and Informatics 26(4),
 * 1996; the bounded forms are those of the authors' later programs: the spread's density is cut at the bounds and rescaled.
 *
 * Real genes vary on the axis they are searched on (logarithmic for `scale: 'log'`). Integer genes cross over as reals in cells of
 * width one; a mutated integer moves by at least one. Categorical genes are exchanged, and mutate to one of the other choices.
 */
export interface Variation {
  /** Share of pairs that cross over, 0..1. */
  readonly crossoverProbability: number
  /** Distribution index η_c > 0: larger keeps children closer to their parents. */
  readonly crossoverIndex: number
  /** Share of genes that mutate, 0..1. */
  readonly mutationProbability: number
  /** Distribution index η_m > 0: larger makes smaller steps. */
  readonly mutationIndex: number
}

/** Parents closer than this share of a gene's range have nothing to cross over. */
const SAME = 1e-14

/** Two children of two parents, shape (d,) each: crossed over, mutated, genes that do not matter reset. The parents stay as they are. */
export function vary(domain: Domain, first: Genome, second: Genome, variation: Variation, rng: Rng): [Genome, Genome] {
  const children: [Genome, Genome] =
    rng.uniform() < variation.crossoverProbability
      ? crossover(domain, first, second, variation.crossoverIndex, rng)
      : [first.slice(), second.slice()]
  for (const child of children) {
    mutate(domain, child, variation.mutationProbability, variation.mutationIndex, rng)
    resetInactive(domain, child)
  }
  return children
}

/** Simulated binary crossover: each gene crosses over with probability 1/2, and the two values go to either child alike. */
export function crossover(domain: Domain, first: Genome, second: Genome, eta: number, rng: Rng): [Genome, Genome] {
  const [a, b] = [first.slice(), second.slice()]
  for (const [i, gene] of domain.genes.entries()) {
    if (rng.uniform() >= 0.5 || a[i] === b[i]) continue
    const [low, high] =
      gene.kind === 'categorical'
        ? [a[i]!, b[i]!]
        : crossedValues(gene, Math.min(a[i]!, b[i]!), Math.max(a[i]!, b[i]!), eta, rng)
    const swap = rng.uniform() < 0.5
    a[i] = swap ? high : low
    b[i] = swap ? low : high
  }
  return [a, b]
}

/** Deb and Agrawal's spread β around the parents' middle, once for each side's bound, from one random number. */
function crossedValues(gene: Gene, lower: number, upper: number, eta: number, rng: Rng): [number, number] {
  const y1 = geneCoordinate(gene, lower)
  const y2 = geneCoordinate(gene, upper)
  const distance = y2 - y1
  if (distance <= SAME) return [lower, upper]
  const u = rng.uniform()
  const spread = (toBound: number): number => {
    const alpha = 2 - (1 + (2 * toBound) / distance) ** -(eta + 1)
    return (u <= 1 / alpha ? u * alpha : 1 / (2 - u * alpha)) ** (1 / (eta + 1))
  }
  const middle = y1 + y2
  const low = (middle - spread(y1) * distance) / 2
  const high = (middle + spread(1 - y2) * distance) / 2
  return [geneValue(gene, low), geneValue(gene, high)]
}

/** Polynomial mutation, in place: each gene with the given probability. Returns whether any value changed. */
export function mutate(domain: Domain, genome: Genome, probability: number, eta: number, rng: Rng): boolean {
  let changed = false
  for (const [i, gene] of domain.genes.entries()) {
    if (rng.uniform() >= probability) continue
    const before = genome[i]!
    genome[i] = mutatedValue(gene, before, eta, rng)
    changed ||= genome[i] !== before
  }
  return changed
}

function mutatedValue(gene: Gene, value: number, eta: number, rng: Rng): number {
  if (gene.kind === 'categorical') {
    const other = rng.integer(0, gene.choices.length - 1)
    return other < value ? other : other + 1
  }
  const u = geneCoordinate(gene, value)
  const step = polynomialStep(u, eta, rng.uniform())
  if (gene.kind === 'real') return geneValue(gene, u + step)
  const cells = gene.high - gene.low + 1
  const distance = Math.max(1, Math.round(Math.abs(step) * cells))
  const direction = step < 0 ? -1 : 1
  const moved = Math.min(gene.high, Math.max(gene.low, value + direction * distance))
  return moved === value ? value - direction : moved // at a bound: back inside
}

/** The step δ in [-u, 1 - u] from a coordinate u for a uniform random number r. */
function polynomialStep(u: number, eta: number, r: number): number {
  const power = 1 / (eta + 1)
  if (r <= 0.5) return (2 * r + (1 - 2 * r) * (1 - u) ** (eta + 1)) ** power - 1
  return 1 - (2 * (1 - r) + (2 * r - 1) * u ** (eta + 1)) ** power
}

/** A uniform genome (log-uniform where a gene is searched so), genes that do not matter reset. */
export function randomGenome(domain: Domain, rng: Rng): Genome {
  return resetInactive(
    domain,
    fromUnitCube(
      domain,
      Float64Array.from(domain.genes, () => rng.uniform()),
    ),
  )
}
