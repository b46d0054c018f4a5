import { z } from 'zod'
import type { CandidateId, Domain, Genome } from '../../candidate.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { SOBOL_DIMENSIONS, SobolSequence } from '../../numerics/sobol.ts'
import type { Rng } from '../../rng.ts'
import type { StrategyContext, ToldTrial } from '../strategy.ts'
import { fromUnitCube, resetInactive } from '../unit-cube.ts'
import { randomGenome } from './variation.ts'

/** A scored genome. Failed candidates never become members: they have nothing to pass on. */
export interface Member {
  /** {@link FOREIGN} for a trial of an earlier run. */
  readonly id: CandidateId
  readonly genome: Genome
  readonly losses: readonly number[] // shape (m,), finite
}

/** Stands for the id of a trial that is not of this run, and is therefore nobody's parent. */
export const FOREIGN = -1

/** The trial as a member; `undefined` if it failed or scored something that cannot be compared. */
export function memberOf(trial: ToldTrial, id = trial.id): Member | undefined {
  if (!trial.losses?.every(Number.isFinite)) return undefined
  return { id, genome: trial.genome.slice(), losses: [...trial.losses] }
}

/** Members made of the trials of earlier runs, in their order. */
export function priorMembers(context: StrategyContext): Member[] {
  return (context.prior ?? []).flatMap(trial => memberOf(trial, FOREIGN) ?? [])
}

/** The ids of those parents that belong to this run. */
export function lineage(...parents: readonly Member[]): CandidateId[] {
  return [...new Set(parents.map(parent => parent.id))].filter(id => id !== FOREIGN)
}

/**
 * The first genomes to look at: the declared start, known recipes, then a scrambled Sobol sequence (uniform beyond its largest
 * dimension) until there are `count`. The start and the recipes always are among them, each once.
 */
export function firstGenomes(context: StrategyContext, count: number, rng: Rng): Genome[] {
  const { domain, guesses = [] } = context
  const genomes: Genome[] = []
  for (const known of [domain.initial, ...guesses]) if (!isAmong(known, genomes)) genomes.push(known.slice())
  const sample = spaceFilling(domain, rng)
  while (genomes.length < count) genomes.push(sample(genomes.length))
  return genomes
}

function spaceFilling(domain: Domain, rng: Rng): (index: number) => Genome {
  const d = domain.genes.length
  if (d < 1 || d > SOBOL_DIMENSIONS) return () => randomGenome(domain, rng)
  const sequence = new SobolSequence(d, rng)
  return index => resetInactive(domain, fromUnitCube(domain, sequence.point(index)))
}

/** Whether one of the genomes equals this one. */
export function isAmong(genome: Genome, others: Iterable<Genome>): boolean {
  for (const other of others) if (genome.every((value, i) => value === other[i])) return true
  return false
}

export const populationSchema = z.strictObject({
  ids: z.array(z.number().int()),
  genomes: z.string(),
  losses: z.string(),
})

export function encodePopulation(members: readonly Member[]): z.infer<typeof populationSchema> {
  return {
    ids: members.map(member => member.id),
    genomes: encodeRows(members.map(member => member.genome)),
    losses: encodeRows(members.map(member => member.losses)),
  }
}

export function decodePopulation(state: z.infer<typeof populationSchema>, d: number, m: number): Member[] {
  const genomes = decodeRows(state.genomes, d)
  const losses = decodeRows(state.losses, m)
  return state.ids.map((id, i) => ({ id, genome: genomes[i]!, losses: [...losses[i]!] }))
}

/** Rows of equal length, shape (n, width) → one text. */
export function encodeRows(rows: readonly ArrayLike<number>[]): string {
  const width = rows[0]?.length ?? 0
  const flat = new Float64Array(rows.length * width)
  for (const [i, row] of rows.entries()) flat.set(row, i * width)
  return encodeFloat64(flat)
}

export function decodeRows(text: string, width: number): Float64Array[] {
  const flat = decodeFloat64(text)
  return Array.from({ length: flat.length / width }, (_, i) => flat.slice(i * width, (i + 1) * width))
}
