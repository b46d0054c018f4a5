import type { SessionChoice } from '../evaluator.ts'

/** Most threads of a session: more have never helped one graph. */
export const MAX_THREADS = 64

/** What a comparison of one thread with several found. */
export interface ThreadsTrial {
  /** How many the several were. */
  readonly threads: number
  /** Estimated milliseconds per candidate. */
  readonly oneMs: number
  readonly severalMs: number
  /** Whether all outputs were equal, bit by bit. */
  readonly isEqual: boolean
}

/** Threads that each of `workers` sessions may have, so that together they have no more than the machine has cores. At least 1. */
export function threadsToSpare({ cores, workers }: { readonly cores: number; readonly workers: number }): number {
  return Math.max(1, Math.min(MAX_THREADS, Math.floor(cores / workers)))
}

/** Why there is nothing to compare. */
export function noThreadsToSpare(cores: number, workers: number): SessionChoice {
  const who = workers === 1 ? '1 worker' : `${workers} workers`
  const where = cores === 1 ? '1 core' : `${cores} cores`
  return { option: 'threads', value: 1, reason: `No cores to spare: ${who} on ${where}.` }
}

/**
 * Several threads must be faster and must give the same bits as one: how many there are depends on the machine and on the number of
 * workers, and neither may decide a score. (A runtime that shares a sum out among threads would add in another order.)
 */
export function chooseThreads({ threads, oneMs, severalMs, isEqual }: ThreadsTrial): SessionChoice {
  const times = `about ${oneMs.toFixed(1)} ms with 1 thread, ${severalMs.toFixed(1)} ms with ${threads} per candidate`
  if (oneMs <= severalMs) return { option: 'threads', value: 1, reason: `Faster: ${times}.` }
  if (isEqual) return { option: 'threads', value: threads, reason: `Faster: ${times}.` }
  return {
    option: 'threads',
    value: 1,
    reason: `Slower (${times}), but outputs differ in the last bits: set "threads: ${threads}" to take the faster in every worker.`,
  }
}
