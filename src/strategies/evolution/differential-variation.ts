import type { Domain, Gene, Genome } from '../../candidate.ts'
import type { Rng } from '../../rng.ts'
import { geneCoordinate, geneValue, resetInactive } from '../unit-cube.ts'

/** Chance that a crossed categorical gene takes any choice at all: without it, a choice that has died out would never come back. */
const FRESH_CHOICE = 0.05

/**
 * The trial of current-to-pbest/1/bin: each gene, with probability `crossoverRate` and one gene in any case, from the donor
 *
 *     v = x + F (x_pbest - x) + F (x_r1 - x_r2)
 *
 * and otherwise from the target x. Where v leaves the bounds it goes halfway from x to the bound.
 *
 * Source: J. Zhang, A. C. Sanderson, "JADE: adaptive differential evolution with optional external archive", IEEE TEC 13(5), 2009,
 * eq. 6 and 2. Real genes are combined on the axis they are searched on. Integer genes are rounded up or down at random, in proportion,
 * so that small steps count too. A categorical gene takes x_pbest's choice with probability F and then, where x_r1 and x_r2 differ,
 * x_r1's with probability F.
 */
export function differentialTrial(
  domain: Domain,
  genomes: { readonly target: Genome; readonly best: Genome; readonly plus: Genome; readonly minus: Genome },
  scale: number,
  crossoverRate: number,
  rng: Rng,
): Genome {
  const { target, best, plus, minus } = genomes
  const trial = target.slice()
  const forced = rng.integer(0, trial.length)
  for (const [i, gene] of domain.genes.entries()) {
    const crosses = rng.uniform() < crossoverRate
    if (!crosses && i !== forced) continue
    trial[i] = donorValue(gene, target[i]!, best[i]!, plus[i]!, minus[i]!, scale, rng)
  }
  return resetInactive(domain, trial)
}

function donorValue(gene: Gene, x: number, best: number, plus: number, minus: number, scale: number, rng: Rng): number {
  if (gene.kind === 'categorical') {
    if (rng.uniform() < FRESH_CHOICE) return rng.integer(0, gene.choices.length)
    const choice = rng.uniform() < scale ? best : x
    return plus !== minus && rng.uniform() < scale ? plus : choice
  }
  if (gene.kind === 'integer') {
    const rounded = Math.floor(x + scale * (best - x + plus - minus) + rng.uniform())
    return Math.min(gene.high, Math.max(gene.low, rounded))
  }
  const u = geneCoordinate(gene, x)
  const step = geneCoordinate(gene, best) - u + geneCoordinate(gene, plus) - geneCoordinate(gene, minus)
  const v = u + scale * step
  return geneValue(gene, v < 0 ? u / 2 : v > 1 ? (1 + u) / 2 : v)
}
