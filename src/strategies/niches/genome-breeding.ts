import type { Domain, Gene, Genome, RealGene } from '../../candidate.ts'
import type { Rng } from '../../rng.ts'
import { geneCoordinate, geneValue, resetInactive } from '../unit-cube.ts'
import { angle, slerpFactors } from './slerp.ts'

/** How two genomes have a child. */
export interface Breeding {
  child(x: Genome, y: Genome, rng: Rng): Genome
}

/**
 * - `split`: SLERP by t ~ U(0, 1) before a random split point, by 1 − t after it; the angle is that of the whole vectors (the program of
 *   Abrantes et al. 2025; their paper has an angle for either side).
 * - `slerp`: SLERP by t everywhere.
 * - `average`: (a x + b y) / (a + b) with a, b ~ N(1, 0.01²) (S. Kuroki et al., "Agent Skill Acquisition for Large Language Models via CycleQD",
 *   ICLR 2025, section 3.2).
 * - `none`: x alone.
 */
export type Crossover = 'split' | 'slerp' | 'average' | 'none'

/** Standard deviation of the two weights of `average`. */
const AVERAGE_DEVIATION = 0.01

/** The factors of x and y, before and after the split point. */
export function crossoverFactors(crossover: Exclude<Crossover, 'none'>, Ω: number | undefined, rng: Rng) {
  if (crossover === 'average') {
    const [a, b] = [1 + AVERAGE_DEVIATION * rng.normal(), 1 + AVERAGE_DEVIATION * rng.normal()]
    const factors = [a / (a + b), b / (a + b)] as const
    return { before: factors, after: factors }
  }
  const t = rng.uniform()
  return { before: slerpFactors(t, Ω), after: slerpFactors(crossover === 'split' ? 1 - t : t, Ω) }
}

/**
 * Children of genomes whatever they mean. Real genes on a linear axis are one vector, which is interpolated as models are, and cut at the
 * bounds; the others take the value of the parent that is nearer on their side of the split point (log-scaled ones lie between, on their axis).
 * The split point lies between groups of genes, never inside one, so that what belongs to one layer stays together.
 *
 * Mutation adds N(0, s²) to every real and integer gene, in shares of its range, with s ~ U(0, `mutation`) drawn for each child: some children look around,
 * some stay near. A categorical gene is drawn anew with probability s.
 */
export class GenomeBreeding implements Breeding {
  readonly #domain: Domain
  readonly #crossover: Crossover
  readonly #mutation: number
  /** Position of each gene's group. */
  readonly #group: readonly number[]
  readonly #groups: number

  constructor(domain: Domain, crossover: Crossover, mutation: number) {
    this.#domain = domain
    this.#crossover = crossover
    this.#mutation = mutation
    const names = [...new Set(domain.genes.map(groupName))]
    this.#group = domain.genes.map(gene => names.indexOf(groupName(gene)))
    this.#groups = names.length
  }

  child(x: Genome, y: Genome, rng: Rng): Genome {
    const child = this.#crossover === 'none' ? x.slice() : this.#cross(x, y, this.#crossover, rng)
    if (this.#mutation > 0) this.#mutate(child, rng)
    return resetInactive(this.#domain, child)
  }

  #cross(x: Genome, y: Genome, crossover: Exclude<Crossover, 'none'>, rng: Rng): Genome {
    const { genes } = this.#domain
    let [xx, xy, yy] = [0, 0, 0]
    for (const [i, gene] of genes.entries()) {
      if (!isVector(gene)) continue
      xx += x[i]! ** 2
      xy += x[i]! * y[i]!
      yy += y[i]! ** 2
    }
    const { before, after } = crossoverFactors(crossover, angle(xx, xy, yy), rng)
    const split = rng.integer(0, this.#groups + 1)
    return Float64Array.from(genes, (gene, i) => {
      const [a, b] = this.#group[i]! < split ? before : after
      if (isVector(gene)) return Math.min(gene.high, Math.max(gene.low, a * x[i]! + b * y[i]!))
      if (gene.kind === 'real') {
        const t = b / (a + b)
        return geneValue(gene, (1 - t) * geneCoordinate(gene, x[i]!) + t * geneCoordinate(gene, y[i]!))
      }
      return a > b ? x[i]! : b > a ? y[i]! : (rng.uniform() < 0.5 ? x : y)[i]!
    })
  }

  #mutate(child: Genome, rng: Rng): void {
    const s = this.#mutation * rng.uniform()
    for (const [i, gene] of this.#domain.genes.entries()) {
      if (gene.kind !== 'categorical') child[i] = geneValue(gene, geneCoordinate(gene, child[i]!) + s * rng.normal())
      else if (rng.uniform() < s) child[i] = rng.integer(0, gene.choices.length)
    }
  }
}

function isVector(gene: Gene): gene is RealGene & { readonly scale: 'linear' } {
  return gene.kind === 'real' && gene.scale === 'linear'
}

/** `layers.0-3:attn/low/weight` belongs to `layers.0-3`. */
function groupName(gene: Gene): string {
  return gene.name.split(/[/:]/, 1)[0]!
}
