import type { SessionChoice } from './evaluator.ts'

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
