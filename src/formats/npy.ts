import { FormatError, show } from '../errors.ts'

/**
 * The .npy array format, versions 1 to 3 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html):
 * magic, version, header length, a Python dictionary as text, then the elements. The dictionary is read by a grammar of its own
 * three keys; nothing is ever evaluated.
 */

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] // \x93NUMPY
/** Headers of plain arrays are below 200 bytes; versions 2 and 3 allow 4 GiB. */
const HEADER_BYTES_LIMIT = 1 << 20
/** Characters per text; longer ones are not labels or split names. */
const TEXT_WIDTH_LIMIT = 4_096
/** NumPy's own limit. */
const RANK_LIMIT = 64

export type NpyData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | readonly string[]

/** Row-major, product(shape) elements. Booleans are 0 and 1. */
export interface NpyArray {
  /** As NumPy writes it without the byte order: `f4`, `i8`, `b1`, `U7`, ... */
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data: NpyData
}

const ELEMENTS = {
  f4: Float32Array,
  f8: Float64Array,
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  u8: BigUint64Array,
  b1: Uint8Array,
} as const

/**
 * @param file names the file in messages
 * @throws {FormatError} on anything but one whole array of numbers, booleans or fixed-width text in row-major order
 */
export function parseNpy(bytes: Uint8Array, file: string): NpyArray {
  const { text, dataStart } = readHeader(bytes, file)
  const { descr, fortranOrder, shape } = parseHeader(text, file)
  if (fortranOrder && shape.length > 1)
    throw new FormatError(`${file} holds its array in column-major (Fortran) order; row-major is required.`, {
      hint: 'In Python: numpy.save(path, numpy.ascontiguousarray(array)).',
    })

  const match = /^([<>|=]?)([a-zA-Z])(\d{0,9})$/.exec(descr)
  const [, order = '', kind = '', size = ''] = match ?? []
  if (kind === 'O')
    throw new FormatError(`${file} holds Python objects (pickle), which are never read.`, {
      hint: 'Save an array of numbers: numpy.save(path, array.astype(numpy.float32)).',
    })
  const dtype = `${kind}${size}`
  const isText = kind === 'U' || kind === 'S'
  if (match === null || order === '=' || !(isText || Object.hasOwn(ELEMENTS, dtype)))
    throw new FormatError(
      `${file} has elements of type ${show(descr)}; read are f4, f8, i1 to i8, u1 to u8, b1 and text (U, S).`,
    )

  if (isText && !(Number(size) >= 1 && Number(size) <= TEXT_WIDTH_LIMIT))
    throw new FormatError(
      `${file} has text of ${show(descr)}; a width of 1 to ${TEXT_WIDTH_LIMIT} characters is required.`,
    )

  const count = shape.reduce((product, dim) => product * dim, 1)
  const elementBytes =
    kind === 'U' ? 4 * Number(size) : isText ? Number(size) : ELEMENTS[dtype as keyof typeof ELEMENTS].BYTES_PER_ELEMENT
  const found = bytes.byteLength - dataStart
  if (count * elementBytes !== found)
    throw new FormatError(
      `${file} needs ${count * elementBytes} bytes for shape (${shape.join(', ')}) of ${show(descr)}, got ${found}.`,
      { hint: 'The file is damaged or was cut short: write it again.' },
    )

  // A copy: elements need not be aligned in the file, and their byte order may have to change.
  const copy = new Uint8Array(bytes.subarray(dataStart))
  if (order === '>') swapBytes(copy, kind === 'U' ? 4 : isText ? 1 : elementBytes)
  const data = isText
    ? readTexts(copy, kind, elementBytes, count, file)
    : new ELEMENTS[dtype as keyof typeof ELEMENTS](copy.buffer)
  return { dtype, shape, data }
}

function readHeader(bytes: Uint8Array, file: string): { readonly text: string; readonly dataStart: number } {
  if (bytes.byteLength < 10 || MAGIC.some((byte, i) => bytes[i] !== byte))
    throw new FormatError(`${file} is no .npy file: it does not start with the bytes of one.`)
  const [major, minor] = [bytes[6]!, bytes[7]!]
  if (major < 1 || major > 3 || minor !== 0)
    throw new FormatError(`${file} has .npy version ${major}.${minor}; versions 1.0, 2.0 and 3.0 are read.`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = major === 1 ? 10 : 12
  if (bytes.byteLength < start) throw new FormatError(`${file} is cut short inside its header.`)
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > HEADER_BYTES_LIMIT)
    throw new FormatError(`${file} announces a header of ${length} bytes; at most ${HEADER_BYTES_LIMIT} are read.`)
  if (start + length > bytes.byteLength)
    throw new FormatError(`${file} announces a header of ${length} bytes and has ${bytes.byteLength - start} left.`)
  // Versions 1 and 2 are Latin-1, version 3 is UTF-8; the three keys and their values are ASCII in all of them.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1')
  return { text, dataStart: start + length }
}

interface Header {
  readonly descr: string
  readonly fortranOrder: boolean
  readonly shape: readonly number[]
}

type HeaderValue = string | boolean | readonly number[]

const TOKEN = /\s*(?:('[^'\\]*'|"[^"\\]*")|(True|False)|(\d{1,15})L?|([{}():,[\]]))/y

/** dict = "{" (key ":" value ("," key ":" value)* ","?)? "}"; value = text | True | False | "(" (int ("," int)* ","?)? ")" */
function parseHeader(text: string, file: string): Header {
  TOKEN.lastIndex = 0
  const fail = (what: string): FormatError => new FormatError(`${file} has a damaged header: ${what}.`)
  const next = (): string => {
    const at = TOKEN.lastIndex
    const match = TOKEN.exec(text)
    if (match === null) throw fail(`unexpected text ${show(text.slice(at, at + 20))} at character ${at}`)
    return match[1] ?? match[2] ?? match[3] ?? match[4]!
  }
  const expect = (token: string, found: string): void => {
    if (found !== token) throw fail(`${show(token)} expected, found ${show(found)}`)
  }
  const value = (): HeaderValue => {
    const token = next()
    if (token === 'True' || token === 'False') return token === 'True'
    if (token.startsWith("'") || token.startsWith('"')) return token.slice(1, -1)
    if (token === '[') throw new FormatError(`${file} holds records with named fields; save one array per field.`)
    expect('(', token)
    const shape: number[] = []
    for (let item = next(); item !== ')'; ) {
      if (!/^\d+$/.test(item)) throw fail(`a dimension expected, found ${show(item)}`)
      shape.push(Number(item))
      if (shape.length > RANK_LIMIT) throw fail(`more than ${RANK_LIMIT} dimensions`)
      const separator = next()
      if (separator !== ')') expect(',', separator)
      item = separator === ')' ? ')' : next()
    }
    return shape
  }

  const entries = new Map<string, HeaderValue>()
  expect('{', next())
  for (let key = next(); key !== '}'; ) {
    const name = key.slice(1, -1)
    if (!/^['"]/.test(key) || entries.has(name)) throw fail(`a new key expected, found ${show(key)}`)
    expect(':', next())
    entries.set(name, value())
    const separator = next()
    if (separator !== '}') expect(',', separator)
    key = separator === '}' ? '}' : next()
  }
  if (text.slice(TOKEN.lastIndex).trim() !== '') throw fail('text after the dictionary')
  const [descr, fortranOrder, shape] = ['descr', 'fortran_order', 'shape'].map(key => entries.get(key))
  if (entries.size !== 3 || typeof descr !== 'string' || typeof fortranOrder !== 'boolean' || !Array.isArray(shape))
    throw fail("the keys 'descr', 'fortran_order' and 'shape' are required, each with its type")
  return { descr, fortranOrder, shape }
}

function swapBytes(bytes: Uint8Array, size: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (size === 2) buffer.swap16()
  else if (size === 4) buffer.swap32()
  else if (size === 8) buffer.swap64()
}

/** Fixed-width text, padded with zeros: UTF-32 (`U`) or bytes (`S`, read as Latin-1). */
function readTexts(bytes: Uint8Array, kind: string, width: number, count: number, file: string): readonly string[] {
  const texts: string[] = []
  const points = kind === 'U' ? new Uint32Array(bytes.buffer) : bytes
  const perText = kind === 'U' ? width / 4 : width
  for (let i = 0; i < count; i++) {
    let end = (i + 1) * perText
    while (end > i * perText && points[end - 1] === 0) end--
    const characters = points.subarray(i * perText, end)
    if (characters.some(point => point > 0x10ffff)) throw new FormatError(`${file} has text that is not Unicode.`)
    texts.push(String.fromCodePoint(...characters))
  }
  return texts
}
