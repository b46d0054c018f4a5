import type { Domain, Genome } from '../../candidate.ts'
import { ConfigError } from '../../errors.ts'
import type { SobolSequence } from '../../numerics/sobol.ts'
import { fromUnitCube } from '../unit-cube.ts'
import { boundingBox } from './predicted-front.ts'
import { coefficientCount, type Model } from './quadratic-basis.ts'
import { trialsNeeded } from './surrogate.ts'

/** Trials per coefficient of the first sample, where the budget allows it. */
const SAMPLES_PER_COEFFICIENT = 1.5
/** Share of the budget that the first sample may take, so that enough is left to verify what it predicts. */
const SAMPLE_SHARE = 0.5

/**
 * How many trials come before the first surrogate: enough for the richest of the models that fits into half the budget; if none does,
 * just enough for the simplest.
 * @param models not empty, richest first.
 * @param budget `undefined`: as many as it takes.
 * @throws {ConfigError} where the budget is too small even for the simplest.
 */
export function sampleSize(models: readonly Model[], d: number, budget: number | undefined): number {
  const wanted = (model: Model): number => Math.ceil(SAMPLES_PER_COEFFICIENT * coefficientCount(model, d))
  if (budget === undefined) return wanted(models[0]!)
  const share = Math.floor(SAMPLE_SHARE * budget)
  const model = models.find(choice => trialsNeeded(choice, d) <= share)
  if (model !== undefined) return Math.min(wanted(model), share)
  const least = trialsNeeded(models.at(-1)!, d)
  if (least <= budget) return least
  throw new ConfigError(
    `Strategy "map" needs ${least} evaluations to fit a ${models.at(-1)} quadratic to ${d} genes, but the budget is ${budget}.`,
    { hint: 'Raise the budget, search fewer genes (coarser layer groups), or use strategy "sobol" or "cma-es".' },
  )
}

/** The declared start and the known recipes, each once. */
export function knownGenomes(domain: Domain, guesses: readonly Genome[]): Genome[] {
  return distinct([domain.initial, ...guesses])
}

/** All sources together at half and at full weight (L. Li et al., "MAP", ICLR 2025: part of the sample is isotropic). */
export function togetherGenomes(domain: Domain): Genome[] {
  return [0.5, 1].map(level => atWeights(domain, () => level))
}

/** A genome with the weight genes at the given weight, as near as the bounds allow, and all others at their start. */
export function atWeights(domain: Domain, weight: (gene: number) => number): Genome {
  const weights = new Set(sourceGenes(domain).flat())
  return Float64Array.from(domain.genes, (gene, i) => {
    if (gene.kind === 'categorical' || !weights.has(i)) return gene.initial
    const value = Math.min(gene.high, Math.max(gene.low, weight(i)))
    return gene.kind === 'integer' ? Math.round(value) : value
  })
}

/**
 * Genes by source: `layers.0-3/low/weight` belongs to `low`. In a space without such names every gene is a source of its own.
 */
export function sourceGenes(domain: Domain): readonly (readonly number[])[] {
  const sources = new Map<string, number[]>()
  for (const [i, gene] of domain.genes.entries()) {
    const source = /^[^/]*\/(.+)\/weight$/.exec(gene.name)?.[1]
    if (source === undefined) continue
    const genes = sources.get(source)
    if (genes === undefined) sources.set(source, [i])
    else genes.push(i)
  }
  return sources.size > 0 ? [...sources.values()] : domain.genes.map((_, i) => [i])
}

/** The point of the scrambled sequence at `index` as a genome. */
export function spreadPoint(domain: Domain, sequence: SobolSequence, index: number): Genome {
  return fromUnitCube(domain, sequence.point(index))
}

/** Points of the unit cube, each coordinate mapped linearly so that its least value becomes 0 and its largest 1. */
export function stretched(points: readonly Float64Array[]): Float64Array[] {
  if (points.length < 2) return [...points]
  const { low, high } = boundingBox(points)
  return points.map(point => point.map((v, i) => (v - low[i]!) / (high[i]! - low[i]!)))
}

/** Each genome once, copied. */
export function distinct(genomes: readonly Genome[]): Genome[] {
  const kept: Genome[] = []
  for (const genome of genomes) {
    if (!kept.some(other => other.every((value, i) => value === genome[i]))) kept.push(genome.slice())
  }
  return kept
}
