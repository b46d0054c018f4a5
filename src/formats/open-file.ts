import { readdirSync } from 'node:fs'
import { extname, join } from 'node:path'
import { ConfigError, FormatError, show } from '../errors.ts'
import type { Checkpoint, TensorInfo } from './checkpoint.ts'
import { openOnnx } from './open-onnx.ts'
import { attempt, type OpenFile, requireInside, statOf, withFiles } from './opened-file.ts'
import { PlacedCheckpoint, type TensorPlace } from './placed-checkpoint.ts'
import { parseSafetensorsHeader, readHeaderLength } from './safetensors.ts'
import { INDEX_BYTES_LIMIT, parseSafetensorsIndex, requireShardMatches } from './safetensors-index.ts'

/** The rim between checkpoints on disk and the pure readers beside this file. */

const SINGLE = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'
const PICKLES: ReadonlySet<string> = new Set(['.bin', '.pt', '.pth', '.ckpt', '.pkl', '.pickle'])

const OPENERS: ReadonlyMap<string, (path: string) => Checkpoint> = new Map([
  ['.safetensors', openSafetensors],
  ['.onnx', openOnnx],
])

/**
 * Opens a `.safetensors` or `.onnx` file, or a folder in Hugging Face's layout. Of safetensors only headers are read; close it when
 * done.
 * @throws {ConfigError} when the path does not lead to weights of a known format
 * @throws {FormatError} when the file breaks the rules of its format
 */
export function openCheckpoint(path: string): Checkpoint {
  const stats = statOf(path)
  if (stats.isDirectory()) return openFolder(path)
  const extension = extname(path).toLowerCase()
  const open = OPENERS.get(extension)
  if (open !== undefined) return open(path)
  if (PICKLES.has(extension)) throw pickleError(path)
  throw new ConfigError(
    `${path} is of no known format; known are ${[...OPENERS.keys()].join(', ')} and folders with ${SINGLE}.`,
  )
}

type Placed = Map<string, { info: TensorInfo; place: TensorPlace }>

function openSafetensors(path: string): Checkpoint {
  return withFiles(open => {
    const file = open(path)
    const tensors: Placed = new Map()
    const metadata = placeTensors(file, tensors)
    return new PlacedCheckpoint(path, [file], tensors, metadata)
  })
}

function openFolder(folder: string): Checkpoint {
  const names = attempt(folder, () => readdirSync(folder))
  if (names.includes(SINGLE)) {
    requireInside(folder, SINGLE)
    return withFiles(open => {
      const file = open(join(folder, SINGLE))
      const tensors: Placed = new Map()
      const metadata = placeTensors(file, tensors)
      return new PlacedCheckpoint(folder, [file], tensors, metadata)
    })
  }
  if (names.includes(INDEX)) return openShards(folder)
  if (names.some(name => PICKLES.has(extname(name).toLowerCase()))) throw pickleError(folder)
  const weights = names.filter(name => OPENERS.has(extname(name).toLowerCase())).sort()
  throw new ConfigError(`${folder} has neither ${SINGLE} nor ${INDEX}.`, {
    hint:
      weights.length === 0
        ? 'Give the path of a .safetensors file, or of a folder that holds a model.'
        : `Give the path of a file in it: ${weights
            .slice(0, 5)
            .map(name => show(name))
            .join(', ')}${weights.length > 5 ? ', …' : ''}.`,
  })
}

function openShards(folder: string): Checkpoint {
  return withFiles(open => {
    requireInside(folder, INDEX)
    const indexFile = open(join(folder, INDEX))
    if (indexFile.bytes > INDEX_BYTES_LIMIT) {
      throw new FormatError(
        `${indexFile.path} has ${indexFile.bytes} bytes, and at most ${INDEX_BYTES_LIMIT} are read.`,
      )
    }
    const json = new Uint8Array(indexFile.bytes)
    indexFile.read(0, json)
    const index = parseSafetensorsIndex(json, indexFile.path)

    const files = [indexFile]
    const tensors: Placed = new Map()
    let metadata: ReadonlyMap<string, string> = new Map()
    for (const shard of [...new Set(index.values())].sort()) {
      requireInside(folder, shard)
      const file = open(join(folder, shard))
      const own: Placed = new Map()
      const found = placeTensors(file, own)
      if (metadata.size === 0) metadata = found
      requireShardMatches(index, shard, new Set(own.keys()), indexFile.path)
      for (const [name, placed] of own) tensors.set(name, placed)
      files.push(file)
    }
    return new PlacedCheckpoint(folder, files, tensors, metadata)
  })
}

/** Reads and checks a header; returns the file's metadata. */
function placeTensors(file: OpenFile, tensors: Placed): ReadonlyMap<string, string> {
  const start = new Uint8Array(Math.min(8, file.bytes))
  file.read(0, start)
  const json = new Uint8Array(readHeaderLength(start, file.bytes, file.path))
  file.read(8, json)
  const header = parseSafetensorsHeader(json, file.bytes, file.path)
  for (const { name, dtype, shape, begin, end } of header.tensors.values()) {
    tensors.set(name, { info: { name, dtype, shape, byteLength: end - begin }, place: { file, begin } })
  }
  return header.metadata
}

function pickleError(path: string): ConfigError {
  return new ConfigError(
    `${path} holds pickled weights. Reading a pickle runs whatever code it carries, so it is not read.`,
    {
      hint: 'Convert the model to safetensors first.',
    },
  )
}
