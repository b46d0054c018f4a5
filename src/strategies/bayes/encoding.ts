import type { Domain, Genome } from '../../candidate.ts'
import { conditionsOf } from '../activity.ts'
import { fromUnitCube, resetInactive, toUnitCube } from '../unit-cube.ts'

/**
 * Genome → inputs of a Gaussian process: first the real and integer genes as unit-cube coordinates, compared by distance; then the
 * categorical genes as choice indices and one 0/1 flag per distinct condition, compared by equality.
 *
 * An inactive gene is no information: a numeric one is held at 0.5, a categorical one at -1, whatever the genome has there.
 */
export interface Encoding {
  readonly domain: Domain
  /** Number of inputs compared by distance. They come first. */
  readonly numeric: number
  /** Number of inputs compared by equality. */
  readonly categorical: number
  /** Input index of each gene. Shape (d,). */
  readonly inputOf: readonly number[]
  /** Genes that move continuously, in gene order: the real ones. */
  readonly realGenes: readonly number[]
  /** Genes that move in steps, in gene order: integer and categorical. */
  readonly discreteGenes: readonly number[]
  /** Inputs of a genome, shape (numeric + categorical,). */
  encode(genome: Genome): Float64Array
  /** The genome of a point of the unit cube, inactive genes at their start. */
  decode(point: Float64Array): Genome
  /** The point of a genome: for real genes the coordinate, for others the middle of the cell. */
  pointOf(genome: Genome): Float64Array
  /** Whether each gene matters in this genome. Shape (d,), 0 or 1. */
  activity(genome: Genome): Uint8Array
}

/** Input value of an inactive numeric gene: the middle of its range. */
const INACTIVE_NUMERIC = 0.5
const INACTIVE_CATEGORICAL = -1

export function encodingOf(domain: Domain): Encoding {
  const { genes } = domain
  const conditions = conditionsOf(domain)
  const numericGenes = indices(genes.length, i => genes[i]!.kind !== 'categorical')
  const categoricalGenes = indices(genes.length, i => genes[i]!.kind === 'categorical')
  const inputOf = Array.from(genes, () => 0)
  for (const [k, i] of numericGenes.entries()) inputOf[i] = k
  for (const [k, i] of categoricalGenes.entries()) inputOf[i] = numericGenes.length + k
  // Genes under the same condition are active together: one flag, read off the first of them.
  const flags = new Map<string, number>()
  for (const [i, gene] of genes.entries()) {
    if (gene.activeWhen === undefined) continue
    const key = JSON.stringify([gene.activeWhen.gene, [...gene.activeWhen.oneOf].sort((a, b) => a - b)])
    if (!flags.has(key)) flags.set(key, i)
  }
  const flagGenes = [...flags.values()]
  const decode = (point: Float64Array): Genome => {
    const genome = fromUnitCube(domain, point)
    return conditions.any ? resetInactive(domain, genome) : genome
  }

  return {
    domain,
    numeric: numericGenes.length,
    categorical: categoricalGenes.length + flagGenes.length,
    inputOf,
    realGenes: indices(genes.length, i => genes[i]!.kind === 'real'),
    discreteGenes: indices(genes.length, i => genes[i]!.kind !== 'real'),
    encode: genome => {
      const point = toUnitCube(domain, genome)
      const activity = conditions.activity(genome)
      return Float64Array.from([
        ...numericGenes.map(i => (activity[i] === 1 ? point[i]! : INACTIVE_NUMERIC)),
        ...categoricalGenes.map(i => (activity[i] === 1 ? genome[i]! : INACTIVE_CATEGORICAL)),
        ...flagGenes.map(i => activity[i]!),
      ])
    },
    decode,
    pointOf: genome => toUnitCube(domain, genome),
    activity: conditions.activity,
  }
}

function indices(count: number, keep: (i: number) => boolean): number[] {
  return Array.from({ length: count }, (_, i) => i).filter(keep)
}
