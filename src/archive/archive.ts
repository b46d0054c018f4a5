import type { CandidateId, Trial } from '../candidate.ts'

/** What became of a trial offered to an archive: reasons, not booleans. */
export type AddResult =
  | { readonly status: 'added'; readonly evicted: readonly CandidateId[] }
  | { readonly status: 'dominated' | 'duplicate'; readonly by: CandidateId }
  | { readonly status: 'ineligible'; readonly reason: string }

/** Keeps the trials that no other trial dominates. Checked by `test/contracts/archive-contract.ts`. */
export interface Archive extends Iterable<Trial> {
  readonly size: number
  add(trial: Trial): AddResult
  /** Against `Objective.reference`, in loss space; exact. */
  hypervolume(): number
}
