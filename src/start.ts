import { z } from 'zod'
import type { Genome } from './candidate.ts'
import { RunStoreError, show } from './errors.ts'
import { decodeFloat32, decodeFloat64, encodeFloat32, encodeFloat64 } from './numerics/float-codec.ts'
import type { RunReader } from './runs/run-store.ts'
import type { ToldTrial } from './strategies/strategy.ts'

/**
 * What a search may know before it begins: the trials of an earlier run, and recipes worth a look. Both are read once, when a run is started, and
 * recorded in it, so that resuming needs nothing but the run's own folder.
 */
export interface Start {
  readonly prior: readonly ToldTrial[]
  readonly guesses: readonly Genome[]
}

/** Where the start of a run comes from, for people. */
export interface StartOrigin {
  readonly warmStart?: { readonly run: string; readonly trials: number; readonly leftOut: number }
  readonly guesses?: readonly string[]
}

/** The most recent trials are the ones a search had learned from most; more than this only makes a run's file large. */
export const MAX_TRIALS = 5000

export const WARM_START_FACT = 'warm_start'
export const GUESSES_FACT = 'guesses'

export type RecordedTrials = z.infer<typeof warmStartSchema>
const warmStartSchema = z.strictObject({
  run: z.string(),
  folder: z.string(), // for people; never read again
  leftOut: z.int().min(0), // trials outside the bounds of this space
  ids: z.array(z.int().min(0)).max(MAX_TRIALS),
  genomes: z.string(), // float64, trial after trial
  losses: z.string(), // float64, trial after trial; NaN: failed
  examples: z.array(z.array(z.int().min(0))), // per trial, how many example scores each objective has; []: none recorded
  scores: z.string(), // float32 of all of those
})
export type RecordedGuesses = z.infer<typeof guessesSchema>
const guessesSchema = z.array(z.strictObject({ from: z.string(), genome: z.string() }))

/**
 * What was recorded when the run was started.
 * @param d genes of its space
 * @param m objectives of the run
 * @throws {RunStoreError} if it is not what this version records.
 */
export function startOf(run: Pick<RunReader, 'fact' | 'folder'>, d: number, m: number): Start {
  return checked(run, () => {
    const { warmStart, guesses } = recordedStart(run)
    return {
      prior: warmStart === undefined ? [] : decodeTrials(warmStart, d, m),
      guesses: (guesses ?? []).map(({ genome }) => decodeFloat64(genome, d)),
    }
  })
}

export function startOrigin(run: Pick<RunReader, 'fact' | 'folder'>): StartOrigin {
  const { warmStart, guesses } = checked(run, () => recordedStart(run))
  return {
    ...(warmStart && {
      warmStart: { run: warmStart.run, trials: warmStart.ids.length, leftOut: warmStart.leftOut },
    }),
    ...(guesses && { guesses: guesses.map(({ from }) => from) }),
  }
}

function recordedStart(run: Pick<RunReader, 'fact'>) {
  return {
    warmStart: warmStartSchema.optional().parse(run.fact(WARM_START_FACT)),
    guesses: guessesSchema.optional().parse(run.fact(GUESSES_FACT)),
  }
}

function checked<T>(run: Pick<RunReader, 'folder'>, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof z.ZodError || error instanceof RangeError)) throw error
    throw new RunStoreError(`Run ${show(run.folder)} is damaged: what it was started with cannot be read.`, {
      hint: 'It was written by another version, or changed by hand.',
      cause: error,
    })
  }
}

export function encodeTrials(
  trials: readonly ToldTrial[],
  from: { readonly run: string; readonly folder: string; readonly leftOut: number; readonly objectives: number },
): RecordedTrials {
  const { objectives, ...origin } = from
  const failed = new Array<number>(objectives).fill(Number.NaN)
  const scores = trials.flatMap(({ exampleScores = [] }) => exampleScores)
  return {
    ...origin,
    ids: trials.map(({ id }) => id),
    genomes: encodeFloat64(Float64Array.from(trials.flatMap(({ genome }) => [...genome]))),
    losses: encodeFloat64(Float64Array.from(trials.flatMap(({ losses }) => losses ?? failed))),
    examples: trials.map(({ exampleScores = [] }) => exampleScores.map(({ length }) => length)),
    scores: encodeFloat32(Float32Array.from(scores.flatMap(values => [...values]))),
  }
}

function decodeTrials(record: RecordedTrials, d: number, m: number): ToldTrial[] {
  const n = record.ids.length
  const genomes = decodeFloat64(record.genomes, n * d)
  const losses = decodeFloat64(record.losses, n * m)
  const scores = decodeFloat32(record.scores)
  let offset = 0
  const take = (length: number): Float32Array => {
    offset += length
    return scores.slice(offset - length, offset)
  }
  return record.ids.map((id, i) => {
    const values = [...losses.subarray(i * m, (i + 1) * m)]
    const exampleScores = (record.examples[i] ?? []).map(take)
    return {
      id,
      genome: genomes.slice(i * d, (i + 1) * d),
      parents: [],
      memo: null,
      losses: values.some(Number.isNaN) ? undefined : values,
      ...(exampleScores.length > 0 && { exampleScores }),
    }
  })
}
