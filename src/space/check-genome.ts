import type { Gene, Genome } from '../candidate.ts'
import { GenomeError, show } from '../errors.ts'

/** @throws {GenomeError} on a wrong shape, a value that is not finite, out of bounds, or a fraction where whole numbers are needed. */
export function checkGenome(genes: readonly Gene[], genome: Genome): void {
  if (genome.length !== genes.length) {
    throw new GenomeError(`Expected a genome of shape (${genes.length},), got (${genome.length},).`)
  }
  genes.forEach((gene, i) => {
    const value = genome[i]!
    const [low, high] = gene.kind === 'categorical' ? [0, gene.choices.length - 1] : [gene.low, gene.high]
    if (!(value >= low && value <= high)) {
      throw new GenomeError(`Expected gene ${show(gene.name)} to lie in [${low}, ${high}], got ${value}.`)
    }
    if (gene.kind !== 'real' && !Number.isInteger(value)) {
      throw new GenomeError(`Expected gene ${show(gene.name)} to be a whole number, got ${value}.`)
    }
  })
}
