import { z } from 'zod'
import type { CandidateId } from '../candidate.ts'

/** Option of strategies that look both for a front and for the one point that names a winner. @param what how the option is explained. */
export const winnerShare = (what: string) => z.number().min(0).max(1).default(0.5).describe(what)

/** Whether candidate `id` is one of those that look for the winner: a `share` of them, in [0, 1], spread evenly. */
export function isForWinner(id: CandidateId, share: number): boolean {
  return Math.floor((id + 1) * share) > Math.floor(id * share)
}
