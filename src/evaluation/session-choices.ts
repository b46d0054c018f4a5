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
    value: typeof value === 'number' ? value : oneLine(String(value), 64),
    reason: oneLine(String(reason)),
  }
}

/** A line for the user. */
export function describeChoice({ option, value, reason }: SessionChoice): string {
  return `evaluator: ${option} ${value}. ${reason}`
}

/** The choices of several sessions, each value once, with the reason that was given first. */
export class ChoiceBook {
  readonly #choices = new Map<string, SessionChoice>()

  /** @returns those that are new */
  add(choices: readonly SessionChoice[]): readonly SessionChoice[] {
    const fresh: SessionChoice[] = []
    for (const choice of choices) {
      const key = JSON.stringify([choice.option, choice.value])
      if (this.#choices.has(key)) continue
      this.#choices.set(key, choice)
      fresh.push(choice)
    }
    return fresh
  }

  all(): readonly SessionChoice[] {
    return [...this.#choices.values()]
  }
}
