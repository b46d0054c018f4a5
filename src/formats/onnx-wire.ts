import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { AmalgamError, FormatError, show } from '../errors.ts'

export { WireType }

/** `[start, end)`, in bytes from the start of the file. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** One field of a protobuf message, by its place in the file. Nothing is decoded or copied. */
export interface Field {
  readonly number: number
  readonly wire: WireType
  /** The field with its tag. */
  readonly whole: ByteRange
  /** What follows the tag, and the length where there is one. */
  readonly value: ByteRange
}

/**
 * The fields of the message that fills `range`, in order.
 * @throws {FormatError} when they do not fill it exactly, naming `where` and the byte.
 */
export function fieldsOf(bytes: Uint8Array, range: ByteRange, where: string): readonly Field[] {
  const reader = new BinaryReader(bytes.subarray(range.start, range.end))
  const fields: Field[] = []
  let start = 0
  try {
    while (reader.pos < reader.len) {
      start = reader.pos
      const [number, wire] = reader.tag()
      let valueStart = reader.pos
      if (wire === WireType.LengthDelimited) {
        const length = reader.uint32()
        valueStart = reader.pos
        if (length > reader.len - valueStart) throw new RangeError(`a field of ${length} bytes passes its end`)
        reader.pos = valueStart + length
      } else {
        reader.skip(wire, number)
      }
      fields.push({
        number,
        wire,
        whole: { start: range.start + start, end: range.start + reader.pos },
        value: { start: range.start + valueStart, end: range.start + reader.pos },
      })
    }
  } catch (error) {
    throw broken(where, range.start + start, error)
  }
  return fields
}

/** A varint as a safe integer, negative numbers included. */
export function readInteger(bytes: Uint8Array, field: Field, where: string): number {
  requireWire(field, WireType.Varint, where)
  return integerAt(new BinaryReader(bytes.subarray(field.value.start, field.value.end)), field, where)
}

/** A repeated integer field, packed or not, appended to `target`; at most `limit` in all. */
export function readIntegers(bytes: Uint8Array, field: Field, where: string, target: number[], limit: number): void {
  if (field.wire !== WireType.LengthDelimited) {
    target.push(readInteger(bytes, field, where))
  } else {
    const reader = new BinaryReader(bytes.subarray(field.value.start, field.value.end))
    while (reader.pos < reader.len && target.length <= limit) target.push(integerAt(reader, field, where))
  }
  if (target.length > limit) throw new FormatError(`${where} has more than ${limit} entries in field ${field.number}.`)
}

/** Text, strict UTF-8, of at most `limit` bytes. */
export function readText(bytes: Uint8Array, field: Field, where: string, limit: number): string {
  requireWire(field, WireType.LengthDelimited, where)
  const length = field.value.end - field.value.start
  if (length > limit) throw new FormatError(`${where} has a name of ${length} bytes; at most ${limit} are read.`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      bytes.subarray(field.value.start, field.value.end),
    )
  } catch (error) {
    throw broken(where, field.value.start, error)
  }
}

export function requireWire(field: Field, wire: WireType, where: string): void {
  if (field.wire !== wire)
    throw new FormatError(
      `${where} is damaged at byte ${field.whole.start}: field ${field.number} must have wire type ${wire}, not ${field.wire}.`,
    )
}

function integerAt(reader: BinaryReader, field: Field, where: string): number {
  let value: number
  try {
    value = Number(reader.int64())
  } catch (error) {
    throw broken(where, field.value.start, error)
  }
  if (!Number.isSafeInteger(value))
    throw new FormatError(`${where} has the integer ${show(String(value))} in field ${field.number}: beyond 2^53.`)
  return value
}

function broken(where: string, byte: number, cause: unknown): FormatError {
  if (cause instanceof AmalgamError) throw cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new FormatError(`${where} is damaged at byte ${byte}: ${reason}.`, { cause })
}
