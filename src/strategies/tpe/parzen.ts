import type { Domain, Gene, Genome } from '../../candidate.ts'
import { normalCdf } from '../../numerics/normal.ts'
import type { Rng } from '../../rng.ts'
import type { Activity, Conditions } from '../activity.ts'
import { cellCount, geneCoordinate, geneValue } from '../unit-cube.ts'

/**
 * A density over genomes: a mixture of product kernels, one per observation and one broad prior kernel (weight 1, like the newest
 * observation).
 *
 *     p(x) = Σ_k w_k Π_{j active in x} κ_kj(x_j)
 *
 * κ_kj for numeric genes, on the unit cube: a normal around the observation, truncated to [0, 1] (for integers its mass on the value's cell);
 * its width is the larger gap to the neighbouring observations, limited to [1 / min(100, n + 2), 1]. For categorical genes: the
 * observed choice with weight 1, every choice with 1 / (n + 1) more. The prior kernel has mean 1/2 and width 1, and equal choices; it
 * also stands in for genes that an observation has inactive. n counts the observations with the gene active.
 *
 * Genes inactive in x take no part, and a sample draws parents before the genes that depend on them: `logDensity` is the density of
 * what `sample` draws, on conditional spaces too.
 *
 * Sources: J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl, "Algorithms for hyper-parameter optimization", NeurIPS 2011, section 4;
 * product kernels and constants: S. Watanabe, "Tree-structured Parzen estimator", arXiv:2304.11127, 2023, section 3 (Optuna's choices).
 */
export class ParzenEstimator {
  readonly #domain: Domain
  readonly #conditions: Conditions
  /** (K + 1,), normalised; the prior kernel is the last. */
  readonly #weights: Float64Array
  readonly #factors: readonly Factor[]

  /** @param observed oldest first: weights rise to 1 for the newest 25 (the ramp of the 2011 authors' program, Hyperopt). */
  constructor(domain: Domain, conditions: Conditions, observed: readonly ObservedPoint[]) {
    this.#domain = domain
    this.#conditions = conditions
    const weights = Float64Array.from([...agedWeights(observed.length), 1])
    const total = weights.reduce((sum, w) => sum + w, 0)
    this.#weights = weights.map(w => w / total)
    this.#factors = domain.genes.map((gene, j) =>
      gene.kind === 'categorical'
        ? new ChoiceFactor(gene.choices.length, observed, j)
        : numericFactor(gene, observed, j),
    )
  }

  sample(rng: Rng): Genome {
    const k = pick(this.#weights, rng)
    const { genes } = this.#domain
    const genome = new Float64Array(genes.length)
    const activity: Activity = new Uint8Array(genes.length)
    for (const j of this.#conditions.order) {
      const active = this.#conditions.isActive(j, genome, activity)
      activity[j] = active ? 1 : 0
      genome[j] = active ? this.#factors[j]!.sample(k, rng) : genes[j]!.initial
    }
    return genome
  }

  logDensity(genome: Genome, activity: Activity): number {
    const terms = this.#weights.map(Math.log)
    for (const [j, factor] of this.#factors.entries()) if (activity[j] === 1) factor.addLogDensity(genome[j]!, terms)
    let largest = Number.NEGATIVE_INFINITY
    for (const term of terms) if (term > largest) largest = term
    let sum = 0
    for (const term of terms) sum += Math.exp(term - largest)
    return largest + Math.log(sum)
  }
}

/** A genome on the unit cube (choices as they are), and which of its genes are active. */
export interface ObservedPoint {
  readonly coordinates: Float64Array
  readonly activity: Activity
}

export function observedPoint(domain: Domain, conditions: Conditions, genome: Genome): ObservedPoint {
  const coordinates = Float64Array.from(domain.genes, (gene, j) =>
    gene.kind === 'categorical' ? genome[j]! : Math.min(1, Math.max(0, geneCoordinate(gene, genome[j]!))),
  )
  return { coordinates, activity: conditions.activity(genome) }
}

/** One gene's part of every kernel; kernel K is the prior. */
interface Factor {
  sample(k: number, rng: Rng): number
  /** Adds log κ_k(value) to `terms[k]`, all k. */
  addLogDensity(value: number, terms: Float64Array): void
}

class ChoiceFactor implements Factor {
  readonly #choices: number
  /** Observed choice of every kernel; -1: the prior's equal choices. */
  readonly #observed: Int32Array
  readonly #smoothing: number

  constructor(choices: number, observed: readonly ObservedPoint[], j: number) {
    this.#choices = choices
    this.#observed = new Int32Array(observed.length + 1).fill(-1)
    let n = 0
    for (const [k, { coordinates, activity }] of observed.entries()) {
      if (activity[j] === 0) continue
      this.#observed[k] = coordinates[j]!
      n++
    }
    this.#smoothing = 1 / (n + 1)
  }

  sample(k: number, rng: Rng): number {
    const total = 1 + this.#choices * this.#smoothing
    const known = this.#observed[k]!
    if (known >= 0 && rng.uniform() * total < 1) return known
    return rng.integer(0, this.#choices)
  }

  addLogDensity(value: number, terms: Float64Array): void {
    const total = 1 + this.#choices * this.#smoothing
    const other = Math.log(this.#smoothing / total)
    const same = Math.log((1 + this.#smoothing) / total)
    const equal = -Math.log(this.#choices)
    for (let k = 0; k < terms.length; k++) {
      const known = this.#observed[k]!
      terms[k]! += known < 0 ? equal : known === value ? same : other
    }
  }
}

type NumericGene = Exclude<Gene, { kind: 'categorical' }>

function numericFactor(gene: NumericGene, observed: readonly ObservedPoint[], j: number): Factor {
  // The prior kernel fills the last place and the places of observations that have the gene inactive.
  const means = new Float64Array(observed.length + 1).fill(0.5)
  const deviations = new Float64Array(observed.length + 1).fill(1)
  const active: number[] = []
  for (const [k, { coordinates, activity }] of observed.entries()) {
    if (activity[j] === 0) continue
    means[k] = coordinates[j]!
    active.push(k)
  }
  const smallest = 1 / Math.min(100, active.length + 2)
  active.sort((a, b) => means[a]! - means[b]! || a - b)
  for (const [i, k] of active.entries()) {
    const mean = means[k]!
    const left = i > 0 ? mean - means[active[i - 1]!]! : undefined
    const right = i + 1 < active.length ? means[active[i + 1]!]! - mean : undefined
    // At the ends the bounds count as neighbours only for a lone observation.
    const gap = left === undefined && right === undefined ? Math.max(mean, 1 - mean) : Math.max(left ?? 0, right ?? 0)
    deviations[k] = Math.min(1, Math.max(smallest, gap))
  }
  return new NumericFactor(gene, means, deviations)
}

class NumericFactor implements Factor {
  readonly #gene: NumericGene
  readonly #means: Float64Array
  readonly #deviations: Float64Array
  /** log of the normal's mass on [0, 1]; for real genes with the constants of its density. */
  readonly #offsets: Float64Array

  constructor(gene: NumericGene, means: Float64Array, deviations: Float64Array) {
    this.#gene = gene
    this.#means = means
    this.#deviations = deviations
    this.#offsets = means.map((mean, k) => {
      const s = deviations[k]!
      const mass = normalCdf((1 - mean) / s) - normalCdf(-mean / s)
      return gene.kind === 'real' ? Math.log(mass * s * Math.sqrt(2 * Math.PI)) : Math.log(mass)
    })
  }

  /** By rejection: a mean inside [0, 1] and a deviation of at most 1 accept a third of the draws or more. */
  sample(k: number, rng: Rng): number {
    for (;;) {
      const u = this.#means[k]! + this.#deviations[k]! * rng.normal()
      if (u >= 0 && u <= 1) return geneValue(this.#gene, u)
    }
  }

  addLogDensity(value: number, terms: Float64Array): void {
    const [means, deviations, offsets] = [this.#means, this.#deviations, this.#offsets]
    const u = geneCoordinate(this.#gene, value)
    if (this.#gene.kind === 'real') {
      for (let k = 0; k < terms.length; k++) {
        const t = (u - means[k]!) / deviations[k]!
        terms[k]! -= 0.5 * t * t + offsets[k]!
      }
      return
    }
    const half = 0.5 / cellCount(this.#gene)
    for (let k = 0; k < terms.length; k++) {
      const s = deviations[k]!
      const t = Math.abs(u - means[k]!) // by symmetry; the lower tail keeps its digits
      terms[k]! += Math.log(normalCdf((half - t) / s) - normalCdf((-half - t) / s)) - offsets[k]!
    }
  }
}

/** 1 for the newest 25, older ones on a straight line from 1/n up to 1. Oldest first, shape (n,). */
function agedWeights(n: number): number[] {
  const ramp = n - 25
  return Array.from({ length: n }, (_, i) =>
    i >= ramp ? 1 : ramp === 1 ? 1 / n : 1 / n + (i / (ramp - 1)) * (1 - 1 / n),
  )
}

function pick(weights: Float64Array, rng: Rng): number {
  let rest = rng.uniform()
  for (let k = 0; k < weights.length; k++) {
    rest -= weights[k]!
    if (rest < 0) return k
  }
  return weights.length - 1
}
