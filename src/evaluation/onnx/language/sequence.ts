import { BROKEN } from './token-rows.ts'

/** A text that grows. */
export interface Sequence {
  /** The prompt, then what was generated. */
  readonly tokens: number[]
  /** Tokens of the prompt. */
  readonly prompt: number
  /** A logit was NaN: what would have come next is not known. */
  isBroken: boolean
}

/** Whether a text is complete. @param generated its tokens after the prompt, at least one */
export type IsComplete = (generated: readonly number[]) => boolean

/** Appends a token. @returns whether there is more to come */
export function extend(sequence: Sequence, token: number, isComplete: IsComplete): boolean {
  if (token === BROKEN) {
    sequence.isBroken = true
    return false
  }
  sequence.tokens.push(token)
  return !isComplete(sequence.tokens.slice(sequence.prompt))
}
