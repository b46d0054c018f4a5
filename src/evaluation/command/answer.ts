import { show } from '../../errors.ts'
import type { Objective } from '../../objective.ts'
import { CandidateFailure } from '../candidate-failure.ts'
import { mean } from '../onnx/metric.ts'

/** What a program says about one candidate, before anybody has checked it against the objectives. */
export interface Answer {
  /** The request it answers; `undefined` where a program answers once. */
  readonly id: number | undefined
  readonly values: ReadonlyMap<string, unknown>
  readonly scores: ReadonlyMap<string, unknown>
  /** The program's own reason for having no scores. */
  readonly error: string | undefined
}

/** An objective, and how its value comes about. */
export interface AnsweredObjective {
  readonly objective: Objective
  readonly value: 'mean' | 'program'
  readonly range?: readonly [number, number] | undefined
}

/** A program's own mean and that of its scores may differ by rounding, not by more. */
const MEAN_TOLERANCE = 1e-3

/**
 * One JSON object: `{"id": 7, "values": {"accuracy": 0.5}, "scores": {"accuracy": [0, 1]}}`, or `{"id": 7, "error": "why"}`. Other keys
 * are the program's own affair.
 * @throws {CandidateFailure} on anything else
 */
export function parseAnswer(text: string): Answer {
  const value = parseLooseJson(text)
  if (!isRecord(value)) throw rubbish(text)
  const { id, values = {}, scores = {}, error } = value
  if (!(id === undefined || typeof id === 'number') || !isRecord(values) || !isRecord(scores)) throw rubbish(text)
  return {
    id,
    values: new Map(Object.entries(values)),
    scores: new Map(Object.entries(scores)),
    error: error === undefined || error === null ? undefined : typeof error === 'string' ? error : show(error, 300),
  }
}

/**
 * A null stands for what is no number: the value becomes NaN.
 * @param expected per objective how many examples were asked for; `undefined`: nobody knows how many there are
 * @throws {CandidateFailure} when anything is missing, too much, or of another kind
 */
export function scoresOf(
  answer: Answer,
  objectives: readonly AnsweredObjective[],
  expected: readonly (number | undefined)[],
): { readonly values: readonly number[]; readonly exampleScores: readonly Float32Array[] } {
  if (answer.error !== undefined) throw new CandidateFailure('threw', `The program says: ${answer.error}`)
  const exampleScores = objectives.map((one, i) => checkedScores(answer, one, expected[i]))
  const values = objectives.map((one, i) => objectiveValue(answer, one, exampleScores[i]!, expected[i]))
  return { values, exampleScores }
}

function checkedScores(
  { scores }: Answer,
  { objective: { name }, range }: AnsweredObjective,
  expected: number | undefined,
): Float32Array {
  const list = scores.get(name)
  if (list === undefined && (expected ?? 0) === 0) return new Float32Array(0)
  if (!Array.isArray(list))
    throw new CandidateFailure(
      'threw',
      list === undefined
        ? `The answer has no scores for objective ${show(name)}; it has ${listed(scores)}.`
        : `The scores of objective ${show(name)} must be a list of numbers, got ${show(list)}.`,
    )
  if (expected !== undefined && list.length !== expected)
    throw new CandidateFailure(
      'threw',
      `Objective ${show(name)} was to be scored on ${expected} examples, and the answer has ${list.length} scores.`,
    )
  return Float32Array.from(list, (score: unknown, i) => {
    const number = typeof score === 'boolean' ? Number(score) : score
    if (number === null) return Number.NaN
    if (typeof number !== 'number')
      throw new CandidateFailure('threw', `Score ${i + 1} of objective ${show(name)} is ${show(score)}, not a number.`)
    if (range !== undefined && Number.isFinite(number) && !(number >= range[0] && number <= range[1]))
      throw new CandidateFailure(
        'threw',
        `Score ${i + 1} of objective ${show(name)} is ${number}, outside ${range[0]}..${range[1]}.`,
      )
    return number
  })
}

function objectiveValue(
  { values }: Answer,
  { objective: { name }, value: rule }: AnsweredObjective,
  scores: Float32Array,
  expected: number | undefined,
): number {
  const said = values.get(name)
  const known = said === undefined ? undefined : numberOf(said, name)
  if (rule === 'mean' && scores.length > 0) {
    const average = mean(scores)
    if (known !== undefined && Math.abs(known - average) > MEAN_TOLERANCE * Math.max(1, Math.abs(average)))
      throw new CandidateFailure(
        'threw',
        `The value of objective ${show(name)} is said to be ${known}, but its scores have the mean ${average}.`,
      )
    return average
  }
  if (known !== undefined) {
    const bad = scores.findIndex(score => !Number.isFinite(score))
    if (bad >= 0 && Number.isFinite(known))
      throw new CandidateFailure('non-finite', `Score ${bad + 1} of objective ${show(name)} is ${scores[bad]}.`)
    return known
  }
  if (expected === 0) return Number.NaN // none of its examples were asked for
  throw new CandidateFailure('threw', `The answer has no value for objective ${show(name)}; it has ${listed(values)}.`)
}

function numberOf(said: unknown, name: string): number {
  if (said === null) return Number.NaN
  if (typeof said === 'number') return said
  throw new CandidateFailure('threw', `The value of objective ${show(name)} is ${show(said)}, not a number.`)
}

/**
 * JSON, and JSON with the words NaN and Infinity, which the encoders of some languages write: they become null. `undefined`: it is neither.
 */
export function parseLooseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    const strict = text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, word =>
      word.startsWith('"') ? word : 'null',
    )
    try {
      return JSON.parse(strict)
    } catch {
      return undefined
    }
  }
}

function rubbish(text: string): CandidateFailure {
  return new CandidateFailure('threw', `Expected an answer as a JSON object, got ${show(text.trim(), 120)}.`)
}

function listed(map: ReadonlyMap<string, unknown>): string {
  return map.size === 0 ? 'none' : show([...map.keys()].slice(0, 8).join(', '))
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
