import type { EvaluatorSession, SessionChoice } from './evaluator.ts'
import { oneLine } from './score-job.ts'

/** What a session has decided, as plain data. An evaluator may be anybody's module: what it says is checked before it travels, and never fails a candidate. */
export function choicesOf(session: EvaluatorSession): readonly SessionChoice[] {
  try {
    const given: unknown = session.choices?.()
    return Array.isArray(given) ? given.map(plainChoice) : []
  } catch {
    return []
  }
}

function plainChoice({ option, value, reason }: SessionChoice): SessionChoice {
  return {
    option: oneLine(String(option), 64),
    value: typeof value === 'number' && Number.isFinite(value) ? value : oneLine(String(value), 64),
    reason: oneLine(String(reason)),
  }
}

/** A line for the user. */
export function describeChoice({ option, value, reason }: SessionChoice): string {
  return `evaluator: ${option} ${value}. ${reason}`
}
