import { FormatError, show } from '../errors.ts'
import { type Dtype, dtypeBytes, parseDtype } from './dtype.ts'
import { JsonNumber, parseStrictJson, type StrictJson } from './strict-json.ts'

/**
 * The safetensors format, https://github.com/huggingface/safetensors:
 * 8 bytes header length N (little-endian u64), N bytes of JSON padded with spaces, then the tensors' bytes without a gap.
 * Everything here is pure; reading and writing files is in `open-file.ts` and `write-file.ts`.
 */

/** The limit of the reference reader. Headers of real models are below 1 MB. */
export const HEADER_BYTES_LIMIT = 100_000_000
/** A hundred times the largest published checkpoints; bounds the time and memory of a hostile header. */
export const TENSOR_COUNT_LIMIT = 1_000_000
/** Names are shown, indexed and hashed; real ones are below 200 bytes. */
export const NAME_BYTES_LIMIT = 1_024
/** More than any runtime takes. */
export const RANK_LIMIT = 16
/** Object of objects with arrays is three deep. */
const DEPTH_LIMIT = 4

const LENGTH_BYTES = 8
const METADATA = '__metadata__'

/** A tensor before it has a place in a file. */
export interface TensorSpec {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
}

export interface SafetensorsEntry extends TensorSpec {
  /** Place in the file: `[begin, end)`, in bytes from the start of the file. */
  readonly begin: number
  readonly end: number
}

export interface SafetensorsHeader {
  /** In file order. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>
  readonly metadata: ReadonlyMap<string, string>
}

/**
 * Length in bytes of the JSON that follows the first 8 bytes.
 * @param start the first 8 bytes of the file, or fewer if it has fewer
 * @throws {FormatError} before anything of that length would be allocated
 */
export function readHeaderLength(start: Uint8Array, fileBytes: number, file: string): number {
  if (fileBytes < LENGTH_BYTES || start.byteLength < LENGTH_BYTES) {
    throw new FormatError(
      `${file} is no safetensors file: it has ${fileBytes} bytes, and the header length alone takes 8.`,
    )
  }
  const length = new DataView(start.buffer, start.byteOffset, LENGTH_BYTES).getBigUint64(0, true)
  if (length > BigInt(HEADER_BYTES_LIMIT)) {
    throw new FormatError(
      `${file} is no safetensors file: it announces a header of ${length} bytes, and at most ${HEADER_BYTES_LIMIT} are read.`,
    )
  }
  if (LENGTH_BYTES + Number(length) > fileBytes) {
    throw new FormatError(
      `${file} is cut short: it announces a header of ${length} bytes and has ${fileBytes - LENGTH_BYTES} after the length.`,
      { hint: 'Fetch the file again.' },
    )
  }
  return Number(length)
}

/**
 * @param json the header's bytes without the length
 * @throws {FormatError} naming the file, the tensor and the rule that is broken
 */
export function parseSafetensorsHeader(json: Uint8Array, fileBytes: number, file: string): SafetensorsHeader {
  const where = `${file}: the header`
  if (json[0] !== 0x7b) throw new FormatError(`${where} must start with "{".`)
  const dataStart = LENGTH_BYTES + json.byteLength
  const entries: SafetensorsEntry[] = []
  let metadata: ReadonlyMap<string, string> = new Map()
  parseStrictJson(json, {
    where,
    depth: DEPTH_LIMIT,
    members: TENSOR_COUNT_LIMIT + 1,
    each: (name, value) => {
      if (name === METADATA) metadata = parseMetadata(value, where)
      else entries.push(parseEntry(name, value, dataStart, file))
    },
  })
  if (entries.length > TENSOR_COUNT_LIMIT) {
    throw new FormatError(`${where} lists ${entries.length} tensors, and at most ${TENSOR_COUNT_LIMIT} are read.`)
  }

  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
  requireSeamless(entries, dataStart, fileBytes, file)
  return { tensors: new Map(entries.map(entry => [entry.name, entry])), metadata }
}

function parseMetadata(value: StrictJson, where: string): ReadonlyMap<string, string> {
  if (!(value instanceof Map)) throw new FormatError(`${where}: ${METADATA} must be an object of strings.`)
  const metadata = new Map<string, string>()
  for (const [key, text] of value as ReadonlyMap<string, StrictJson>) {
    if (typeof text !== 'string') throw new FormatError(`${where}: ${METADATA}.${show(key)} must be a string.`)
    metadata.set(key, text)
  }
  return metadata
}

function parseEntry(name: string, value: StrictJson, dataStart: number, file: string): SafetensorsEntry {
  const where = `${file}: tensor ${show(name)}`
  const nameBytes = Buffer.byteLength(name)
  if (nameBytes > NAME_BYTES_LIMIT) {
    throw new FormatError(`${where} has a name of ${nameBytes} bytes, and at most ${NAME_BYTES_LIMIT} are read.`)
  }
  if (!(value instanceof Map)) throw new FormatError(`${where} must be an object with dtype, shape and data_offsets.`)
  const fields = value as ReadonlyMap<string, StrictJson>
  for (const key of fields.keys()) {
    if (key !== 'dtype' && key !== 'shape' && key !== 'data_offsets') {
      throw new FormatError(`${where} has the unknown key ${show(key)}; known are dtype, shape and data_offsets.`)
    }
  }

  const dtypeName = fields.get('dtype')
  if (typeof dtypeName !== 'string') throw new FormatError(`${where} needs a dtype, a string.`)
  const dtype = parseDtype(dtypeName, where)

  const shape = parseCounts(fields.get('shape'))
  if (shape === undefined) throw new FormatError(`${where} needs a shape, an array of non-negative integers.`)
  if (shape.length > RANK_LIMIT) {
    throw new FormatError(`${where} has ${shape.length} dimensions, and at most ${RANK_LIMIT} are read.`)
  }
  const offsets = parseCounts(fields.get('data_offsets'))
  if (offsets?.length !== 2) throw new FormatError(`${where} needs data_offsets, two non-negative integers.`)
  const [begin, end] = offsets as [number, number]
  if (end < begin) throw new FormatError(`${where} ends at ${end}, before its begin ${begin}.`)

  // BigInt: [2^32, 2^32] must not come out as a small number.
  const needed = shape.reduce((product, size) => product * BigInt(size), BigInt(dtypeBytes(dtype)))
  if (needed !== BigInt(end - begin)) {
    throw new FormatError(
      `${where} of dtype ${dtype} and shape [${shape.join(', ')}] takes ${needed} bytes, but its data_offsets [${begin}, ${end}] hold ${end - begin}.`,
    )
  }
  return { name, dtype, shape, begin: dataStart + begin, end: dataStart + end }
}

function parseCounts(value: StrictJson | undefined): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined
  const counts: number[] = []
  for (const item of value) {
    const count = item instanceof JsonNumber ? item.count : undefined
    if (count === undefined) return undefined
    counts.push(count)
  }
  return counts
}

/** No hole (bytes nobody looks at), no overlap (one file, two readings), nothing missing, nothing after the end. */
function requireSeamless(
  entries: readonly SafetensorsEntry[],
  dataStart: number,
  fileBytes: number,
  file: string,
): void {
  let at = dataStart
  for (const { name, begin, end } of entries) {
    if (begin !== at) {
      const what = begin < at ? 'overlaps the tensor before it' : 'leaves a gap before it'
      throw new FormatError(
        `${file}: tensor ${show(name)} ${what}: it begins at byte ${begin - dataStart} of the data, not at ${at - dataStart}.`,
      )
    }
    at = end
  }
  if (at > fileBytes) {
    throw new FormatError(`${file} is cut short: its tensors end at byte ${at}, and it has ${fileBytes}.`, {
      hint: 'Fetch the file again.',
    })
  }
  if (at < fileBytes) {
    throw new FormatError(`${file} has ${fileBytes - at} bytes after its last tensor, which ends at byte ${at}.`)
  }
}

export interface SafetensorsLayout {
  /** Header length and header: what the file starts with. A multiple of 8 bytes, so the data is aligned. */
  readonly header: Uint8Array
  /** In file order: by descending element size, then by name, so that every tensor is aligned to its element. */
  readonly entries: readonly SafetensorsEntry[]
  readonly fileBytes: number
}

/** @throws {FormatError} on names that could not be read back, and on two tensors of one name. */
export function encodeSafetensorsHeader(
  specs: readonly TensorSpec[],
  metadata: ReadonlyMap<string, string> = new Map(),
): SafetensorsLayout {
  const ordered = [...specs].sort((a, b) => dtypeBytes(b.dtype) - dtypeBytes(a.dtype) || (a.name < b.name ? -1 : 1))
  const parts: string[] = []
  if (metadata.size > 0) {
    const members = [...metadata].map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`)
    parts.push(`"${METADATA}":{${members.join(',')}}`)
  }
  const sized: { spec: TensorSpec; begin: number; end: number }[] = []
  const names = new Set<string>()
  let at = 0
  for (const spec of ordered) {
    requireWritableName(spec.name, names)
    const begin = at
    at += tensorBytes(spec)
    parts.push(
      `${JSON.stringify(spec.name)}:{"dtype":"${spec.dtype}","shape":[${spec.shape.join(',')}],"data_offsets":[${begin},${at}]}`,
    )
    sized.push({ spec, begin, end: at })
  }
  const json = Buffer.from(`{${parts.join(',')}}`)
  const length = Math.ceil(json.byteLength / 8) * 8
  const header = new Uint8Array(LENGTH_BYTES + length).fill(0x20)
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true)
  header.set(json, LENGTH_BYTES)
  const entries = sized.map(({ spec, begin, end }) => ({
    name: spec.name,
    dtype: spec.dtype,
    shape: spec.shape,
    begin: header.byteLength + begin,
    end: header.byteLength + end,
  }))
  return { header, entries, fileBytes: header.byteLength + at }
}

/** Bytes of a tensor's data. */
export function tensorBytes(spec: Pick<TensorSpec, 'dtype' | 'shape'>): number {
  return spec.shape.reduce((product, size) => product * size, dtypeBytes(spec.dtype))
}

function requireWritableName(name: string, seen: Set<string>): void {
  if (seen.has(name)) throw new FormatError(`Two tensors are named ${show(name)}; a file holds one of a name.`)
  if (name === METADATA) throw new FormatError(`A tensor cannot be named ${METADATA}: the format keeps that name.`)
  if (/\p{Surrogate}/u.test(name)) throw new FormatError(`The tensor name ${show(name)} is not valid Unicode.`)
  if (Buffer.byteLength(name) > NAME_BYTES_LIMIT) {
    throw new FormatError(`The tensor name ${show(name)} is longer than ${NAME_BYTES_LIMIT} bytes.`)
  }
  seen.add(name)
}
