import { FormatError, show } from '../../errors.ts'
import type { Rule } from './options.ts'

/** How a text is scored against what was expected. Pure. Scores are in 0..1. */

/** Rules that need nothing but the answer. */
export type TextRule = Exclude<Rule, { rule: 'judge' | 'choice_likelihood' }>

/** What an example expects. */
export interface Expected {
  /** The right texts; any of them counts. */
  readonly texts: readonly string[]
  /** The choices of a question; empty where it has none. */
  readonly choices: readonly string[]
  /** Position of the right choice; `undefined` where there are none. */
  readonly choice: number | undefined
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'

/**
 * `answer`: a text, a number, or a list of them; with `choices` the right one, as its position from 0, its letter, or its text.
 * @param where starts messages: file and line
 * @throws {FormatError}
 */
export function expectedOf(record: Readonly<Record<string, unknown>>, where: string): Expected {
  const { answer, choices = [] } = record
  if (!Array.isArray(choices) || choices.length > LETTERS.length || choices.some(one => typeof one !== 'string'))
    throw new FormatError(`${where}: "choices" must be a list of at most ${LETTERS.length} texts.`)
  const texts = (Array.isArray(answer) ? answer : [answer]).map(one => {
    if (typeof one === 'string' || typeof one === 'number') return String(one)
    throw new FormatError(`${where}: "answer" must be a text, a number or a list of those, found ${show(one)}.`)
  })
  if (choices.length === 0) return { texts, choices, choice: undefined }
  const [first] = texts
  const byLetter = first?.length === 1 ? LETTERS.indexOf(first.toUpperCase()) : -1
  const choice = typeof answer === 'number' ? answer : choices.includes(first) ? choices.indexOf(first) : byLetter
  if (!Number.isInteger(choice) || choice < 0 || choice >= choices.length)
    throw new FormatError(`${where}: the answer ${show(answer)} is none of its ${choices.length} choices.`)
  return { texts: [choices[choice]], choices, choice }
}

/** The score of an answer, 0 or 1. */
export function scoreText(rule: TextRule, answer: string, expected: Expected): number {
  return Number(isRight(rule, answer, expected))
}

function isRight(rule: TextRule, answer: string, { texts, choices, choice }: Expected): boolean {
  switch (rule.rule) {
    case 'exact': {
      const given = normalized(answer, rule)
      return texts.some(text => normalized(text, rule) === given)
    }
    case 'contains': {
      const given = normalized(answer, { ...rule, ignore_punctuation: false })
      return texts.some(text => given.includes(normalized(text, { ...rule, ignore_punctuation: false })))
    }
    case 'numeric': {
      const given = lastNumber(answer)
      return texts.some(text => {
        const number = lastNumber(text)
        return (
          given !== undefined &&
          number !== undefined &&
          Math.abs(given - number) <= Math.max(rule.absolute, rule.relative * Math.abs(number))
        )
      })
    }
    case 'regex': {
      const match = new RegExp(rule.pattern, rule.ignore_case ? 'iu' : 'u').exec(answer)
      const found = match === null ? undefined : (match[1] ?? match[0]).trim()
      return texts.some(text => text.trim() === found)
    }
    case 'choice':
      return choice !== undefined && chosen(answer, choices) === choice
  }
}

function normalized(
  text: string,
  options: { readonly ignore_case: boolean; readonly ignore_punctuation: boolean },
): string {
  const plain = options.ignore_punctuation ? text.replace(/[\p{P}\p{S}]/gu, '') : text
  const spaced = plain.normalize('NFC').replace(/\s+/gu, ' ').trim()
  return options.ignore_case ? spaced.toLowerCase() : spaced
}

/** The last number of a text. Commas between groups of three digits are part of it: 1,234.5. */
export function lastNumber(text: string): number | undefined {
  const numbers = text.match(/[-−+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|[-−+]?\.\d+/g)
  const last = numbers?.at(-1)
  return last === undefined ? undefined : Number(last.replaceAll(',', '').replace('−', '-'))
}

/**
 * Which choice an answer names: the letter after the word "answer", else a letter that it begins with or that stands alone on its last line,
 * else the only choice whose text it holds. `undefined`: none.
 */
export function chosen(answer: string, choices: readonly string[]): number | undefined {
  const letters = LETTERS.slice(0, choices.length)
  const group = `\\(?\\**([${letters}])\\b`
  const said = [...answer.matchAll(new RegExp(`answer\\s*(?:is|:|=)*\\s*${group}`, 'giu'))].at(-1)?.[1]
  const leading = new RegExp(`^\\W*([${letters}])(?:\\W|$)`, 'u').exec(answer.trim())?.[1]
  const lastLine = answer.trim().split('\n').at(-1) ?? ''
  const closing = new RegExp(`^\\W*([${letters}])\\W*$`, 'u').exec(lastLine)?.[1]
  const letter = said ?? leading ?? closing
  if (letter !== undefined) return LETTERS.indexOf(letter.toUpperCase())
  const held = choices.flatMap((choice, i) => (answer.toLowerCase().includes(choice.toLowerCase()) ? [i] : []))
  return held.length === 1 ? held[0] : undefined
}

/** A judge's mark: the last number of what it says, NaN included, as a share of its scale; 7 in "7/10" and "7 out of 10". `undefined`: none. */
export function markOf(text: string, [low, high]: readonly [number, number]): number | undefined {
  if (/\bNaN\b/.test(text)) return Number.NaN
  const mark = lastNumber(text.replace(/(?<=\d)\s*(?:\/|out of)\s*\d+(?:\.\d+)?/gi, ''))
  return mark === undefined || mark < low || mark > high ? undefined : (mark - low) / (high - low)
}

/** `A. first`, `B. second`, a line each. */
export function listChoices(choices: readonly string[]): string {
  return choices.map((choice, i) => `${LETTERS[i]}. ${choice}`).join('\n')
}

/**
 * Fills `{field}` with what the example has of that name.
 * @throws {FormatError} when it has none
 */
export function fillFields(text: string, fields: Readonly<Record<string, unknown>>, where: string): string {
  return text.replace(/\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (typeof value === 'string' || typeof value === 'number') return String(value)
    if (name === 'choices' && Array.isArray(value)) return listChoices(value.map(String))
    throw new FormatError(
      `${where} has no text ${show(name)} for {${name}} in a prompt; it has ${Object.keys(fields).join(', ')}.`,
    )
  })
}
