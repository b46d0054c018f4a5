import type { FailureKind } from '../candidate.ts'
import { AmalgamError } from '../errors.ts'

/** A candidate that an evaluator could not score. The message becomes the reason in the table of trials; the search goes on. */
export class CandidateFailure extends AmalgamError {
  readonly kind: FailureKind

  constructor(kind: FailureKind, reason: string, options: { cause?: unknown } = {}) {
    super(reason, options)
    this.kind = kind
  }
}
