import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

/** ONNX files field by field, so that a test can write what no exporter would. */

export type Body = (writer: BinaryWriter) => void

/** A message field: tag, length, body. */
export function field(number: number, body: Body): Body {
  return writer => {
    writer.tag(number, WireType.LengthDelimited).fork()
    body(writer)
    writer.join()
  }
}

export function encode(...parts: readonly Body[]): Uint8Array {
  const writer = new BinaryWriter()
  for (const part of parts) part(writer)
  return writer.finish()
}

export const text =
  (number: number, value: string): Body =>
  writer =>
    writer.tag(number, WireType.LengthDelimited).string(value)
export const int =
  (number: number, value: number): Body =>
  writer =>
    writer.tag(number, WireType.Varint).int64(value)
export const bytes =
  (number: number, value: Uint8Array): Body =>
  writer =>
    writer.tag(number, WireType.LengthDelimited).bytes(value)
export const all =
  (...parts: readonly Body[]): Body =>
  writer => {
    for (const part of parts) part(writer)
  }

export const IR = int(1, 8)
export const graph = (...parts: readonly Body[]): Body => field(7, all(...parts))
export const initializer = (...parts: readonly Body[]): Body => field(5, all(...parts))
export const model = (...parts: readonly Body[]): Uint8Array => encode(IR, graph(...parts))
export const floats = (...values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)

/** An initializer `name` with its values in another file: the fields 13 and 14, entries as given. */
export function external(
  name: string,
  shape: readonly number[],
  entries: Readonly<Record<string, string>>,
  type = 1,
): Body {
  return initializer(
    text(8, name),
    ...shape.map(dim => int(1, dim)),
    int(2, type),
    ...Object.entries(entries).map(([key, value]) => field(13, all(text(1, key), text(2, value)))),
    int(14, 1),
  )
}
