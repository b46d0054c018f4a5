import { crc32 } from 'node:zlib'
import { z } from 'zod'
import type {
  Candidate,
  CandidateId,
  Evaluation,
  FailureKind,
  Genome,
  JsonValue,
  PartialScore,
  StopReason,
} from '../candidate.ts'
import { show } from '../errors.ts'
import { SPLITS, type Split } from '../evaluation/evaluator.ts'
import { type Recipe, recipeSchema } from '../space/recipe.ts'
import type { RunManifest } from './run-store.ts'
import { FORMAT } from './schema.ts'
import type { SqlRow, SqlValue } from './sqlite.ts'

/**
 * Values ⇄ rows of `run.sqlite`, exactly. Every row ends in a checksum over its other columns.
 *
 * Decoders throw plain errors that say what is wrong with the row; the caller adds which run and which row.
 */

/** Longer failure reasons are cut: an evaluator may put a whole log into one. Characters. */
const REASON_LIMIT = 4000

const FAILURE_KINDS: readonly FailureKind[] = ['threw', 'non-finite', 'timeout', 'crashed', 'memory']

/** The columns with their checksum (CRC-32 over type, length and bytes of each) at the end. */
export function seal(columns: readonly SqlValue[]): SqlValue[] {
  return [...columns, checksum(columns)]
}

/** The columns without their checksum. @throws {RangeError} if it does not match. */
export function unseal(row: SqlRow): SqlRow {
  const columns = row.slice(0, -1)
  const stored = row[row.length - 1]
  const actual = checksum(columns)
  if (stored !== actual) throw new RangeError(`its checksum is ${String(stored)}, its content has ${actual}`)
  return columns
}

function checksum(columns: readonly SqlValue[]): number {
  return columns.reduce<number>((crc, value) => {
    const bytes = value instanceof Uint8Array ? value : Buffer.from(value === null ? '' : String(value))
    const type = value === null || typeof value === 'number' ? typeof value : 'bytes' // text is written as text, read as bytes
    const withHead = crc32(`${type} ${bytes.length};`, crc)
    return bytes.length === 0 ? withHead : crc32(bytes, withHead) // crc32 of no bytes is 0, whatever came before
  }, 0)
}

/** JSON that gives back the same value bit by bit: `JSON.stringify` would lose the sign of -0. @throws {TypeError} on NaN and infinities. */
export function exactJson(value: JsonValue): string {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`JSON has no ${value}.`)
    return Object.is(value, -0) ? '-0' : String(value)
  }
  if (Array.isArray(value)) return `[${value.map(item => exactJson(item as JsonValue)).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${exactJson(member)}`).join(',')}}`
  }
  return JSON.stringify(value)
}

/** A schema would copy objects, and lose a member called `__proto__`. */
export function parseJson(value: SqlValue | undefined): JsonValue {
  return JSON.parse(text(value)) // nothing else comes out of it
}

/** Text that SQLite gives back as it was: no NUL, which ends a text for the driver, and no half surrogate pairs, which UTF-8 cannot hold. */
export function storable(foreign: string): string {
  const wellFormed = Buffer.from(foreign.slice(0, REASON_LIMIT)).toString().replaceAll('\0', '\u{fffd}')
  return foreign.length > REASON_LIMIT ? `${wellFormed}…` : wellFormed
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @throws {TypeError} if it is not text in UTF-8. */
export function text(value: SqlValue | undefined): string {
  return utf8.decode(blob(value))
}

export function integer(value: SqlValue | undefined): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw new TypeError(`expected an integer, got ${typeof value === 'number' ? value : kindOf(value)}`)
  return value
}

function blob(value: SqlValue | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError(`expected bytes, got ${kindOf(value)}`)
  return value
}

function kindOf(value: SqlValue | undefined): string {
  if (value === null || value === undefined) return 'nothing'
  return value instanceof Uint8Array ? 'bytes' : `a ${typeof value}`
}

// ── manifest ───────────────────────────────────────────────────────────────────

const words = z.record(z.string(), z.string())

const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  runId: z.string().min(1),
  createdAt: z.string(),
  seed: z.int(),
  slots: z.int().min(1),
  strategy: z.string(),
  config: z.json(),
  objectives: z
    .array(
      z.strictObject({
        name: z.string(),
        direction: z.enum(['minimize', 'maximize']),
        unit: z.string(),
        reference: z.number(),
        ideal: z.number().optional(),
        perExample: z.strictObject({ low: z.number().optional(), high: z.number().optional() }).optional(),
        isMeasured: z.literal(true).optional(),
        isExact: z.literal(true).optional(),
      }),
    )
    .min(1),
  geneNames: z.array(z.string()),
  digests: words,
  environment: words,
}) as unknown as z.ZodType<RunManifest>

/** Columns json, objectives. @throws {z.ZodError} if it is no manifest of this format. */
export function encodeManifest(manifest: RunManifest): SqlValue[] {
  const checked = manifestSchema.parse(manifest)
  const json = exactJson(checked as unknown as JsonValue)
  return [json, exactJson(checked.objectives as unknown as JsonValue)]
}

export function decodeManifest(json: SqlValue | undefined): RunManifest {
  return manifestSchema.parse(JSON.parse(text(json)))
}

// ── candidates ─────────────────────────────────────────────────────────────────

/** What {@link encodeCandidate} gives and {@link decodeCandidate} takes, sealed. */
export const CANDIDATE_COLUMNS = 'id, asked, genome, parents, memo, crc'
export const CANDIDATE_SELECT = 'id, asked, genome, CAST(parents AS BLOB), CAST(memo AS BLOB), crc'

export function encodeCandidate(candidate: Candidate, asked: number): SqlValue[] {
  const { id, genome, parents, memo } = candidate
  return [id, asked, bytesOf(genome), exactJson(parents), exactJson(memo)]
}

/** @param genes d, the length its genome must have. */
export function decodeCandidate([id, , genome, parents, memo]: SqlRow, genes: number): Candidate {
  return {
    id: integer(id),
    genome: decodeGenome(blob(genome), genes),
    parents: idsSchema.parse(JSON.parse(text(parents))),
    memo: parseJson(memo),
  }
}

const idsSchema: z.ZodType<readonly CandidateId[]> = z.array(z.int().min(0))

function decodeGenome(bytes: Uint8Array, genes: number): Genome {
  if (bytes.length !== 8 * genes)
    throw new RangeError(`expected a genome of ${genes} genes in ${8 * genes} bytes, got ${bytes.length} bytes`)
  return new Float64Array(bytes.slice().buffer)
}

function bytesOf(values: Float64Array | Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

// ── evaluations ────────────────────────────────────────────────────────────────

/** In this order in every table that holds evaluations. */
export const EVALUATION_COLUMNS = 'status, "values", kind, reason, timing, examples, scores, partial'
export const EVALUATION_SELECT =
  'CAST(status AS BLOB), CAST("values" AS BLOB), CAST(kind AS BLOB), CAST(reason AS BLOB), CAST(timing AS BLOB), CAST(examples AS BLOB), scores, CAST(partial AS BLOB)'

/**
 * Columns {@link EVALUATION_COLUMNS}.
 * @param objectives m.
 * @throws {RangeError} if there are not m values, or not m arrays of example scores, or a value is not finite.
 */
export function encodeEvaluation(evaluation: Evaluation, objectives: number): SqlValue[] {
  const { totalMs, mergeMs, inferenceMs } = evaluation.timing
  const timing = exactJson([totalMs, mergeMs, inferenceMs])
  if (evaluation.status === 'failed')
    return ['failed', null, evaluation.kind, storable(evaluation.reason), timing, null, null, null]

  const { values, exampleScores, partial } = evaluation
  if (values.length !== objectives) throw new RangeError(`Expected ${objectives} values, got ${values.length}.`)
  if (exampleScores !== undefined && exampleScores.length !== objectives)
    throw new RangeError(`Expected example scores for ${objectives} objectives, got ${exampleScores.length}.`)
  const encoded = exactJson(values)
  if (exampleScores === undefined) return ['scored', encoded, null, null, timing, null, null, null]
  const counts = exampleScores.map(scores => scores.length)
  const scores = Buffer.concat(exampleScores.map(bytesOf))
  const part = partial === undefined ? null : exactJson(partial as unknown as JsonValue)
  return ['scored', encoded, null, null, timing, exactJson(counts), scores, part]
}

/** A part of an evaluation, in the same columns: a value that is NaN, since nothing new was looked at, is null. */
export function encodeRung(evaluation: Evaluation, objectives: number): SqlValue[] {
  if (evaluation.status === 'failed') throw new RangeError('Expected a scored rung, got a failed one.')
  const whole = evaluation.values.map(value => (Number.isNaN(value) ? 0 : value))
  const [status, , ...rest] = encodeEvaluation({ ...evaluation, values: whole }, objectives)
  return [status!, exactJson(evaluation.values.map(value => (Number.isNaN(value) ? null : value))), ...rest]
}

export function decodeRung(columns: SqlRow, objectives: number): Evaluation {
  const values = z.array(z.number().nullable()).parse(JSON.parse(text(columns[1])))
  const known = Buffer.from(exactJson(values.map(value => value ?? 0)))
  const evaluation = decodeEvaluation([columns[0]!, new Uint8Array(known), ...columns.slice(2)], objectives)
  return { ...evaluation, values: values.map(value => value ?? Number.NaN) } as Evaluation
}

const valuesSchema = z.array(z.number())
const countsSchema = z.array(z.int().min(0))
const partialSchema: z.ZodType<PartialScore> = z.strictObject({
  of: countsSchema,
  standardErrors: z.array(z.number().min(0)),
  stopped: z.enum(['dominated', 'outranked']),
})
const timingSchema = z.tuple([z.number(), z.number(), z.number()])

/** @param objectives m. */
export function decodeEvaluation(columns: SqlRow, objectives: number): Evaluation {
  const [encodedStatus, encodedValues, kind, reason, encodedTiming, examples, scores, encodedPartial] = columns
  const [totalMs, mergeMs, inferenceMs] = timingSchema.parse(JSON.parse(text(encodedTiming)))
  const timing = { totalMs, mergeMs, inferenceMs }
  const status = text(encodedStatus)
  if (status === 'failed') {
    const known = FAILURE_KINDS.find(name => name === text(kind))
    if (known === undefined) throw new RangeError(`its kind of failure is unknown: ${show(text(kind))}`)
    return { status, kind: known, reason: text(reason), timing }
  }
  if (status !== 'scored') throw new RangeError(`its status is unknown: ${show(status)}`)
  const values = valuesSchema.length(objectives).parse(JSON.parse(text(encodedValues)))
  if (examples === null) return { status, values, timing }

  const counts = countsSchema.length(objectives).parse(JSON.parse(text(examples)))
  const bytes = blob(scores)
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (bytes.length !== 4 * total)
    throw new RangeError(`expected ${total} example scores in ${4 * total} bytes, got ${bytes.length} bytes`)
  let from = 0
  const exampleScores = counts.map(count => {
    const part = new Float32Array(bytes.slice(from, from + 4 * count).buffer)
    from += 4 * count
    return part
  })
  if (encodedPartial === null || encodedPartial === undefined) return { status, values, exampleScores, timing }
  const partial = partialSchema.parse(JSON.parse(text(encodedPartial)))
  if (partial.of.length !== objectives || partial.standardErrors.length !== objectives)
    throw new RangeError(`expected ${objectives} counts and standard errors of a partial score`)
  return { status, values, exampleScores, partial, timing }
}

// ── the rest ───────────────────────────────────────────────────────────────────

const stopReasonSchema = z.strictObject({ criterion: z.string(), detail: z.string() })

export function encodeStopReason(reason: StopReason): string {
  return exactJson({ criterion: reason.criterion, detail: storable(reason.detail) })
}

export function decodeStopReason(value: SqlValue | undefined): StopReason {
  return stopReasonSchema.parse(JSON.parse(text(value)))
}

export function encodeRecipe(recipe: Recipe): string {
  return exactJson(recipe as unknown as JsonValue)
}

export function decodeRecipe(value: SqlValue | undefined): Recipe {
  const recipe = recipeSchema.parse(JSON.parse(text(value)))
  return recipe.kind === 'parameter-merge' ? { ...recipe, base: recipe.base } : { ...recipe, base: undefined }
}

export function decodeSplit(value: SqlValue | undefined): Split {
  const split = SPLITS.find(name => name === text(value))
  if (split === undefined) throw new RangeError(`its split is unknown: ${show(text(value))}`)
  return split
}
