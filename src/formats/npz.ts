import { inflateRawSync } from 'node:zlib'
import { FormatError, show } from '../errors.ts'
import { type NpyArray, parseNpy } from './npy.ts'

/**
 * The .npz format: a zip archive (PKWARE's application note) with one .npy file per array, stored or deflated, as `numpy.savez` and
 * `numpy.savez_compressed` write it. Read by its central directory; encrypted and split archives are refused.
 */

const ENTRY_LIMIT = 10_000
/** Of all arrays together: guards against a file that inflates without end. */
const INFLATED_BYTES_LIMIT = 2 ** 31 - 1
const END_BYTES = 22
const [END, CENTRAL, LOCAL] = [0x06054b50, 0x02014b50, 0x04034b50]
const [STORED, DEFLATED] = [0, 8]
/** Sizes that only a zip64 field tells. NumPy adds the field to every entry, but uses it for large ones alone. */
const IN_ZIP64 = 0xffffffff

/**
 * @param file names the file in messages
 * @returns arrays by name, without the ending `.npy`
 * @throws {FormatError} on anything but a whole archive of readable arrays
 */
export function parseNpz(bytes: Uint8Array, file: string): ReadonlyMap<string, NpyArray> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const arrays = new Map<string, NpyArray>()
  let inflated = 0
  for (const entry of centralDirectory(view, bytes, file)) {
    const where = `${file}: ${show(entry.name)}`
    if (!entry.name.endsWith('.npy')) throw new FormatError(`${where} is no .npy file.`)
    const name = entry.name.slice(0, -4)
    if (arrays.has(name)) throw new FormatError(`${file} has two arrays named ${show(name)}.`)
    inflated += entry.size
    if (inflated > INFLATED_BYTES_LIMIT)
      throw new FormatError(`${file} inflates to more than ${INFLATED_BYTES_LIMIT} bytes.`)
    arrays.set(name, parseNpy(entryBytes(view, bytes, entry, where), `${file}: ${entry.name}`))
  }
  return arrays
}

interface Entry {
  readonly name: string
  readonly method: number
  readonly packed: number
  readonly size: number
  readonly local: number
}

function centralDirectory(view: DataView, bytes: Uint8Array, file: string): readonly Entry[] {
  const damaged = (what: string): FormatError =>
    new FormatError(`${file} is no .npz file: ${what}.`, { hint: 'numpy.savez writes such files.' })
  let end = bytes.byteLength - END_BYTES
  const stop = Math.max(0, end - 0xffff) // a comment may follow
  while (end >= stop && view.getUint32(end, true) !== END) end--
  if (end < stop) throw damaged('it has no end of a zip directory')
  const count = view.getUint16(end + 10, true)
  let at = view.getUint32(end + 16, true)
  if (count > ENTRY_LIMIT) throw damaged(`it has ${count} entries; at most ${ENTRY_LIMIT} are read`)
  const entries: Entry[] = []
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== CENTRAL) throw damaged(`entry ${i} of its directory is damaged`)
    const flags = view.getUint16(at + 8, true)
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map(o => view.getUint16(at + o, true))
    const next = at + 46 + nameLength! + extraLength! + commentLength!
    if (next > end) throw damaged(`entry ${i} of its directory is damaged`)
    if ((flags & 1) !== 0) throw damaged(`entry ${i} is encrypted`)
    const [packed, size, local] = [20, 24, 42].map(o => view.getUint32(at + o, true))
    if ([packed, size, local].includes(IN_ZIP64)) throw damaged(`entry ${i} is larger than 4 GiB`)
    entries.push({
      name: Buffer.from(bytes.subarray(at + 46, at + 46 + nameLength!)).toString('utf8'),
      method: view.getUint16(at + 10, true),
      packed: packed!,
      size: size!,
      local: local!,
    })
    at = next
  }
  return entries
}

function entryBytes(view: DataView, bytes: Uint8Array, entry: Entry, where: string): Uint8Array {
  const { local, packed, size, method } = entry
  if (local + 30 > bytes.byteLength || view.getUint32(local, true) !== LOCAL)
    throw new FormatError(`${where} is damaged: its header is not where the directory says.`)
  const from = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true)
  if (from + packed > bytes.byteLength) throw new FormatError(`${where} ends behind the end of the file.`)
  const raw = bytes.slice(from, from + packed)
  if (method === STORED) return raw
  if (method !== DEFLATED)
    throw new FormatError(`${where} is compressed by method ${method}; stored and deflated arrays are read.`)
  try {
    const whole = inflateRawSync(raw, { maxOutputLength: size + 1 })
    if (whole.byteLength !== size) throw new Error(`${whole.byteLength} bytes instead of ${size}`)
    return new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength)
  } catch (cause) {
    throw new FormatError(`${where} cannot be inflated: ${cause instanceof Error ? cause.message : show(cause)}.`, {
      cause,
    })
  }
}
