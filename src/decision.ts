import { z } from 'zod'
import type { Candidate, CandidateId, JsonValue } from './candidate.ts'

/** A strategy that hands a search to others says so in the memo of the first candidate it proposes after its decision. */
export interface Decision {
  /** Kind of the strategy that proposes from here on. */
  readonly strategy: string
  /** The facts that decided it, as a clause: "8 real genes and 300 evaluations". */
  readonly because: string
}

const memoSchema = z.looseObject({ decision: z.strictObject({ strategy: z.string(), because: z.string() }) })

export function decisionOf(memo: JsonValue): Decision | undefined {
  return memoSchema.safeParse(memo).data?.decision
}

/** All decisions of a run, in order. */
export function decisionsOf(candidates: readonly Candidate[]): (Decision & { readonly candidate: CandidateId })[] {
  return candidates.flatMap(({ id, memo }) => {
    const decision = memo === null ? undefined : decisionOf(memo)
    return decision === undefined ? [] : [{ candidate: id, ...decision }]
  })
}
