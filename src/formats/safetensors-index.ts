import { FormatError, show } from '../errors.ts'
import { parseStrictJson, type StrictJson } from './strict-json.ts'

/** Hugging Face's `model.safetensors.index.json`: which shard file holds which tensor. */

/** A million tensors with names of 90 bytes fit. */
export const INDEX_BYTES_LIMIT = 100_000_000
const MEMBERS_LIMIT = 1_000_000
/** The map is two deep; `metadata` may hold what it likes. */
const DEPTH_LIMIT = 8

/**
 * Tensor name → shard file name. Shards lie in the folder of the index: a name with a separator, a drive or a NUL is refused.
 * @throws {FormatError}
 */
export function parseSafetensorsIndex(json: Uint8Array, file: string): ReadonlyMap<string, string> {
  const document = parseStrictJson(json, { where: file, depth: DEPTH_LIMIT, members: MEMBERS_LIMIT })
  const map = document instanceof Map ? (document as ReadonlyMap<string, StrictJson>).get('weight_map') : undefined
  if (!(map instanceof Map)) throw new FormatError(`${file} needs a weight_map, an object of tensor name to file name.`)
  const shards = new Map<string, string>()
  for (const [name, shard] of map as ReadonlyMap<string, StrictJson>) {
    // Control characters, separators and ":" (drives, streams) have no place in the name of a neighbour.
    if (typeof shard !== 'string' || !/^[^/\\:\p{Cc}]+\.safetensors$/u.test(shard)) {
      throw new FormatError(
        `${file}: tensor ${show(name)} must name a .safetensors file in the same folder, not ${typeof shard === 'string' ? show(shard) : 'something else'}.`,
      )
    }
    shards.set(name, shard)
  }
  if (shards.size === 0) throw new FormatError(`${file} lists no tensors.`)
  return shards
}

/** The tensors of one opened shard must be exactly those that the index places there. */
export function requireShardMatches(
  index: ReadonlyMap<string, string>,
  shard: string,
  names: ReadonlySet<string>,
  file: string,
): void {
  for (const [name, place] of index) {
    if (place === shard && !names.has(name)) {
      throw new FormatError(`${file} places tensor ${show(name)} in ${show(shard)}, which does not have it.`)
    }
  }
  for (const name of names) {
    const place = index.get(name)
    if (place === shard) continue
    const said = place === undefined ? 'the index does not list it' : `the index places it in ${show(place)}`
    throw new FormatError(`${file}: ${show(shard)} holds tensor ${show(name)}, but ${said}.`)
  }
}
