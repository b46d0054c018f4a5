import { FormatError, show } from '../errors.ts'
import { ENTRY } from './onnx-schema.ts'
import { type ByteSource, type Field, fieldsOf, readText, requireWire, WireType } from './onnx-wire.ts'

/**
 * Values of an initializer in another file, by the rules of onnx/docs/ExternalData.md: `location` is a path relative to the model's folder,
 * `offset` and `length` say where in it. Text here; `opened-file.ts` follows it.
 */
export interface ExternalValues {
  /** Names of folders and a file, none of them "." or "..". */
  readonly location: readonly string[]
  readonly offset: number
  /** Bytes; `undefined`: what the shape needs. */
  readonly length: number | undefined
}

/** Linux takes paths of 4,096 bytes. */
const VALUE_BYTES_LIMIT = 4_096
const KEYS = ['location', 'offset', 'length', 'checksum'] as const
type Key = (typeof KEYS)[number]

/** A key and its value; a tensor has a few of these. @throws {FormatError} on keys the specification does not have, or one twice. */
export function readExternalEntry(bytes: ByteSource, field: Field, where: string, entries: Map<Key, string>): void {
  requireWire(field, WireType.LengthDelimited, where)
  let key = ''
  let value = ''
  for (const part of fieldsOf(bytes, field.value, where)) {
    if (part.number === ENTRY.key) key = readText(bytes, part, where, VALUE_BYTES_LIMIT)
    else if (part.number === ENTRY.value) value = readText(bytes, part, where, VALUE_BYTES_LIMIT)
  }
  // A reader that sets whatever attribute a file names is open to attack (CVE-2026-34445).
  const known = KEYS.find(name => name === key)
  if (known === undefined)
    throw new FormatError(`${where} has the external data key ${show(key)}; known are ${KEYS.join(', ')}.`)
  if (entries.has(known)) throw new FormatError(`${where} has the external data key ${show(key)} twice.`)
  entries.set(known, value)
}

/**
 * The checksum is not compared: it is that of the whole file, of which only what is needed is read.
 * @throws {FormatError} when the location could lead out of the model's folder, or a number is none
 */
export function parseExternalValues(entries: ReadonlyMap<Key, string>, where: string): ExternalValues {
  const location = entries.get('location')
  if (location === undefined)
    throw new FormatError(`${where} keeps its values in another file and does not say in which.`)
  const names = location.split('/')
  // Backslashes and colons: separators and drives of Windows. No absolute path, no "..", nothing that is not printed.
  const isPlain = names.every(name => /^[^\\:\p{Cc}]+$/u.test(name) && name !== '.' && name !== '..')
  if (!isPlain)
    throw new FormatError(
      `${where} keeps its values in ${show(location)}; a path below the model's own folder is required.`,
      { hint: 'A model that reads files elsewhere is not to be trusted.' },
    )
  const checksum = entries.get('checksum')
  if (checksum !== undefined && !/^[0-9a-f]{40}$/i.test(checksum))
    throw new FormatError(`${where} has the checksum ${show(checksum)}; a SHA-1 of 40 hexadecimal digits is required.`)
  return { location: names, offset: count(entries, 'offset', where) ?? 0, length: count(entries, 'length', where) }
}

function count(entries: ReadonlyMap<Key, string>, key: Key, where: string): number | undefined {
  const text = entries.get(key)
  if (text === undefined) return undefined
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value)) return value
  throw new FormatError(`${where} has the external data ${key} ${show(text)}; a whole number of bytes is required.`)
}

/** Values of one initializer, for {@link requireApart}. */
export interface ExternalRange {
  readonly name: string
  readonly begin: number
  readonly end: number
}

/**
 * Ranges in one file: the very same range may serve several tensors (tied weights), but two may not share a part.
 * @throws {FormatError}
 */
export function requireApart(ranges: readonly ExternalRange[], file: string): void {
  const sorted = [...ranges].sort((a, b) => a.begin - b.begin || a.end - b.end)
  let last = sorted[0]
  for (const range of sorted) {
    if (last !== undefined && range.begin < last.end && (range.begin !== last.begin || range.end !== last.end))
      throw new FormatError(
        `${file}: the values of initializers ${show(last.name)} (bytes ${last.begin} to ${last.end}) and ${show(range.name)} (${range.begin} to ${range.end}) overlap.`,
      )
    if (last === undefined || range.end > last.end) last = range
  }
}
