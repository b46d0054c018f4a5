import { z } from 'zod'
import type { Genome } from '../../candidate.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { rngStateSchema } from '../snapshot.ts'
import type { Fit } from './surrogate.ts'
import { trustRegionSchema } from './trust-region.ts'

/** The snapshot of Bayesian optimisation: what was observed, compactly, and what cannot be computed from it again. */

const fitSchema = z.strictObject({
  transform: z.strictObject({
    warp: z.enum(['none', 'log']),
    origin: z.number(),
    shift: z.number(),
    scale: z.number(),
  }),
  parameters: z.strictObject({
    lengthscales: z.string(),
    outputscale: z.number(),
    mean: z.number(),
    noise: z.number(),
  }),
  observations: z.number().int(),
  failure: z.number(),
  meanVariance: z.number().nullable(),
  chosenAt: z.number().int(),
})

export const stateSchema = z.strictObject({
  rng: rngStateSchema,
  asked: z.number().int().nonnegative(),
  pending: z.array(z.number().int()), // ids asked and not told, in ask order
  pendingGenomes: z.string(), // (pending, d)
  fresh: z.array(z.number().int()), // ids told since the last proposal, ascending
  genomes: z.string(), // of the observations kept, the fresh ones last, (n, d)
  losses: z.string(), // (n, m); NaN: failed
  variances: z.string(), // (n, m); NaN: unknown
  fits: z.array(fitSchema.nullable()), // one per model
  hasEstimates: z.boolean(), // whether any loss was estimated from some of the examples
  trustRegion: trustRegionSchema.nullable(),
})
export type BayesState = z.infer<typeof stateSchema>

/** A told trial, as much of it as models need. */
export interface Told {
  readonly genome: Genome
  readonly losses: readonly number[] | undefined
  readonly variances: readonly (number | undefined)[]
}

/** @param d number of genes. @param m number of objectives. */
export function encodeTold(
  told: readonly Told[],
  d: number,
  m: number,
): Pick<BayesState, 'genomes' | 'losses' | 'variances'> {
  const losses = told.map(t => t.losses ?? Array.from({ length: m }, () => Number.NaN))
  const variances = told.map(t => t.variances.map(v => v ?? Number.NaN))
  const genomes = told.map(t => t.genome)
  return { genomes: encodeRows(genomes, d), losses: encodeRows(losses, m), variances: encodeRows(variances, m) }
}

export function decodeTold(state: BayesState, d: number, m: number): Told[] {
  const genomes = decodeRows(state.genomes, d)
  const losses = decodeRows(state.losses, m)
  const variances = decodeRows(state.variances, m)
  return genomes.map((genome, i) => ({
    genome,
    losses: Number.isNaN(losses[i]![0]) ? undefined : Array.from(losses[i]!),
    variances: Array.from(variances[i]!, v => (Number.isNaN(v) ? undefined : v)),
  }))
}

export function encodeFit(fit: Fit): z.infer<typeof fitSchema> {
  const parameters = { ...fit.parameters, lengthscales: encodeFloat64(fit.parameters.lengthscales) }
  return { ...fit, parameters, meanVariance: fit.meanVariance ?? null }
}

export function decodeFit(fit: z.infer<typeof fitSchema>): Fit {
  const parameters = { ...fit.parameters, lengthscales: decodeFloat64(fit.parameters.lengthscales) }
  return { ...fit, parameters, meanVariance: fit.meanVariance ?? undefined }
}

export function encodeRows(rows: readonly ArrayLike<number>[], width: number): string {
  const values = new Float64Array(rows.length * width)
  for (const [i, row] of rows.entries()) values.set(row, i * width)
  return encodeFloat64(values)
}

export function decodeRows(text: string, width: number): Float64Array[] {
  const values = decodeFloat64(text)
  return Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width))
}
