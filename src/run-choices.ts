import { z } from 'zod'
import { RunStoreError, show } from './errors.ts'
import { ChoiceBook } from './evaluation/choice-book.ts'
import type { SessionChoice } from './evaluation/evaluator.ts'
import type { Run, RunReader } from './runs/run-store.ts'

/**
 * What was left to the machine and decided there, by measurement or by counting cores: it decides how fast candidates are scored, never what they score.
 * Recorded for people; nothing reads it back to act on it.
 */
const CHOICES_FACT = 'choices'

const choicesSchema = z.array(
  z.strictObject({ option: z.string(), value: z.union([z.number(), z.string()]), reason: z.string() }),
)

/** Each value of each option once, in the order in which they were first decided: a run that was resumed may have several. */
export function recordedChoices(run: Pick<RunReader, 'fact' | 'folder'>): readonly SessionChoice[] {
  const parsed = choicesSchema.optional().safeParse(run.fact(CHOICES_FACT))
  if (parsed.success) return parsed.data ?? []
  throw new RunStoreError(`Run ${show(run.folder)} is damaged: what its evaluator decided cannot be read.`, {
    hint: 'It was written by another version, or changed by hand.',
    cause: parsed.error,
  })
}

/** Adds those that are new. */
export function recordChoices(run: Run, choices: readonly SessionChoice[]): void {
  const book = new ChoiceBook()
  book.add(recordedChoices(run))
  if (book.add(choices).length === 0) return
  run.recordFact(
    CHOICES_FACT,
    book.all().map(({ option, value, reason }) => ({ option, value, reason })),
  )
}

/** How many candidates are scored side by side, as a choice. @param asked by the user, where it is not left to the machine */
export function workersChoice(asked: number | undefined, cores: number, slots: number): SessionChoice {
  const wanted = asked ?? cores
  const who = asked === undefined ? `One per core, ${cores}` : `As asked, ${asked}`
  return wanted <= slots
    ? { option: 'workers', value: wanted, reason: `${who}: as many candidates are scored side by side.` }
    : {
        option: 'workers',
        value: slots,
        reason: `${who}, but a search with ${slots} slots has no more candidates at once.`,
      }
}
