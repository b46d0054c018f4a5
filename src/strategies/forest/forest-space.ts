import type { Domain, Genome } from '../../candidate.ts'
import type { Rng } from '../../rng.ts'
import { type Conditions, conditionsOf } from '../activity.ts'
import { cellCount, geneCoordinate, geneValue } from '../unit-cube.ts'
import type { Feature } from './regression-forest.ts'

/** What stands for an inactive numeric gene: below all active values, so that one split can tell them apart. */
const INACTIVE = -1

/** Draws of a numeric gene in a neighbourhood, and their standard deviations on the unit interval: far, near and nearest. */
const NEIGHBOUR_DEVIATIONS = [0.2, 0.05, 0.05, 0.0125] as const

/** A domain as a forest and a local search see it: inputs, random genomes, neighbours. */
export class ForestSpace {
  readonly features: readonly Feature[]
  readonly #domain: Domain
  readonly #conditions: Conditions

  constructor(domain: Domain) {
    this.#domain = domain
    this.#conditions = conditionsOf(domain)
    this.features = domain.genes.map(gene =>
      gene.kind === 'categorical'
        ? { kind: 'choice', choices: gene.choices.length + (gene.activeWhen === undefined ? 0 : 1) }
        : { kind: 'numeric' },
    )
  }

  /** Input of the forest, shape (d,): unit-interval coordinates and choices; inactive genes hold a value of their own. */
  input(genome: Genome): Float64Array {
    const { genes } = this.#domain
    const activity = this.#conditions.any ? this.#conditions.activity(genome) : undefined
    return Float64Array.from(genes, (gene, i) => {
      const active = activity === undefined || activity[i] === 1
      if (gene.kind === 'categorical') return active ? genome[i]! : gene.choices.length
      return active ? geneCoordinate(gene, genome[i]!) : INACTIVE
    })
  }

  /** Uniform; inactive genes at their start. */
  random(rng: Rng): Genome {
    return this.#canonical(Float64Array.from(this.#domain.genes, gene => geneValue(gene, rng.uniform())))
  }

  /**
   * Genomes that differ in one active gene (and in what that makes active or inactive), in random order: every other choice of a categorical
   * gene, four normal draws around a numeric one. A gene that becomes active starts where it was declared to.
   */
  neighbours(genome: Genome, rng: Rng): Genome[] {
    const { genes } = this.#domain
    const activity = this.#conditions.activity(genome)
    const found: Genome[] = []
    const add = (i: number, value: number): void => {
      if (value === genome[i]) return
      const neighbour = genome.slice()
      neighbour[i] = value
      found.push(this.#canonical(neighbour))
    }
    for (const [i, gene] of genes.entries()) {
      if (activity[i] === 0) continue
      if (gene.kind === 'categorical') {
        for (let c = 0; c < gene.choices.length; c++) add(i, c)
        continue
      }
      const u = geneCoordinate(gene, genome[i]!)
      // An integer gene with few values needs steps that leave its cell.
      const least = gene.kind === 'integer' ? 1 / cellCount(gene) : 0
      for (const deviation of NEIGHBOUR_DEVIATIONS) {
        add(i, geneValue(gene, reflect(u + Math.max(least, deviation) * rng.normal())))
      }
    }
    for (let i = found.length - 1; i > 0; i--) {
      const j = rng.integer(0, i + 1)
      ;[found[i], found[j]] = [found[j]!, found[i]!]
    }
    return found
  }

  #canonical(genome: Genome): Genome {
    if (!this.#conditions.any) return genome
    const activity = this.#conditions.activity(genome)
    for (const [i, gene] of this.#domain.genes.entries()) if (activity[i] === 0) genome[i] = gene.initial
    return genome
  }
}

/** Folds a step over a bound back inside; clips what lies a whole range beyond. */
function reflect(u: number): number {
  return u < 0 ? -u : u > 1 ? 2 - u : u
}
