import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { AmalgamError, FormatError, show } from '../errors.ts'

export { WireType }

/** `[start, end)`, in bytes from the start of the file. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Bytes of a file: in memory, where a `Uint8Array` is one as it is, or on disk. What `subarray` gives is only read. */
export interface ByteSource {
  readonly byteLength: number
  subarray(start: number, end: number): Uint8Array
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

/** A tag and a length take at most this many bytes each. */
const VARINT_BYTES = 10
/** Groups are older than ONNX, and skipped: what newer versions might put there is below this. */
const GROUP_BYTES_LIMIT = 65_536

/**
 * The fields of the message that fills `range`, in order, one at a time: a hostile file has millions of two bytes each. Payloads are not read.
 * @throws {FormatError} when they do not fill it exactly, naming `where` and the byte.
 */
export function* fieldsOf(bytes: ByteSource, range: ByteRange, where: string): Generator<Field, undefined, undefined> {
  for (let start = range.start; start < range.end; ) {
    const field = fieldAt(bytes, start, range.end, where)
    yield field
    start = field.whole.end
  }
}

function fieldAt(bytes: ByteSource, start: number, limit: number, where: string): Field {
  try {
    let reader = new BinaryReader(bytes.subarray(start, Math.min(start + 2 * VARINT_BYTES, limit)))
    const [number, wire] = reader.tag()
    let valueStart = start + reader.pos
    let end: number
    if (wire === WireType.LengthDelimited) {
      const length = reader.uint32()
      valueStart = start + reader.pos
      end = valueStart + length
      if (end > limit) throw new RangeError(`a field of ${length} bytes passes its end`)
    } else {
      if (wire === WireType.StartGroup) {
        reader = new BinaryReader(bytes.subarray(start, Math.min(start + GROUP_BYTES_LIMIT, limit)))
        reader.tag()
      }
      reader.skip(wire, number)
      end = start + reader.pos
    }
    return { number, wire, whole: { start, end }, value: { start: valueStart, end } }
  } catch (error) {
    throw broken(where, start, error)
  }
}

/** A varint as a safe integer, negative numbers included. */
export function readInteger(bytes: ByteSource, field: Field, where: string): number {
  requireWire(field, WireType.Varint, where)
  return integerAt(new BinaryReader(bytes.subarray(field.value.start, field.value.end)), field, where)
}

/** A repeated integer field, packed or not, appended to `target`; at most `limit` in all. */
export function readIntegers(bytes: ByteSource, field: Field, where: string, target: number[], limit: number): void {
  const left = limit - target.length
  if (eachInteger(bytes, field, where, left, value => target.push(value)) > left)
    throw new FormatError(`${where} has more than ${limit} entries in field ${field.number}.`)
}

/** Visits the entries of an integer field, packed or not, up to one more than `limit`. @returns how many those are */
export function eachInteger(
  bytes: ByteSource,
  field: Field,
  where: string,
  limit: number,
  visit: (value: number) => void,
): number {
  if (field.wire !== WireType.LengthDelimited) {
    visit(readInteger(bytes, field, where))
    return 1
  }
  const { start, end } = field.value
  const reader = new BinaryReader(bytes.subarray(start, Math.min(end, start + VARINT_BYTES * (limit + 1))))
  let count = 0
  for (; reader.pos < reader.len && count <= limit; count++) visit(integerAt(reader, field, where))
  return count
}

/** Text, strict UTF-8, of at most `limit` bytes. */
export function readText(bytes: ByteSource, field: Field, where: string, limit: number): string {
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
