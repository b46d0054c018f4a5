import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ConfigError, MergeError, show } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { type Dtype, dtypeBytes, isWeightDtype, type WeightDtype } from '../formats/dtype.ts'
import { widen } from './convert.ts'
import { createPreparedMemory, type PreparedMemory } from './fast/prepared.ts'
import { type CommonTensors, type NamedCheckpoint, requireCommonTensors } from './inspect.ts'
import {
  allocateSharedMemory,
  instantiateKernel,
  isFiniteResult,
  type Kernel,
  type SharedMemory,
} from './kernel/load.ts'
import {
  COEFFICIENTS_AT,
  layOutBanks,
  POINTERS_AT,
  padded,
  type Stretch,
  TILE_AT,
  TILE_BYTES,
  type WeightTensor,
} from './layout.ts'
import { matchSources } from './match-sources.ts'
import type { SourceReference } from './model.ts'
import { findNonFinite, nonFiniteError } from './non-finite.ts'
import { openModel } from './open-model.ts'
import type { MergeOperator } from './operators/operator.ts'
import { PartialCheckpoint } from './partial-checkpoint.ts'
import { RenamedCheckpoint } from './renamed-checkpoint.ts'
import { Statistics } from './statistics.ts'
import { readStatisticsTable, type StatisticsTable } from './statistics-table.ts'

/** The rim between source models on disk and merging. */

export interface InspectedSource {
  readonly id: string
  readonly path: string
  /** Everything that holds its weights and statistics, absolute. Digest these to know the model again. */
  readonly files: readonly string[]
  /** Of all its tensors. */
  readonly bytes: number
}

export interface SourceInspection extends CommonTensors {
  readonly sources: readonly InspectedSource[]
  /** Elements of all float tensors of one source. */
  readonly parameters: number
  /** By position of the source; undefined where it names none. */
  readonly statistics: readonly (StatisticsTable | undefined)[]
}

/**
 * Reads headers only.
 * @throws {ConfigError | FormatError} when a source cannot be read
 * @throws {MergeError} when the sources do not have the same tensors
 */
export function inspectSources(references: readonly SourceReference[]): SourceInspection {
  const opened = openSources(references)
  try {
    const { statistics } = opened
    const sources = opened.sources.map(({ id, checkpoint }, s) => ({
      id,
      path: checkpoint.path,
      files: [...new Set([...checkpoint.files, ...(statistics[s]?.files ?? [])])],
      bytes: [...checkpoint.tensors.values()].reduce((sum, tensor) => sum + tensor.byteLength, 0),
    }))
    const parameters = opened.weights.reduce((sum, tensor) => sum + tensor.elements, 0)
    return { sources, weights: opened.weights, others: opened.others, parameters, statistics }
  } finally {
    opened.close()
  }
}

/**
 * That every tensor can be merged by these methods, whichever of them a recipe chooses for it.
 * @param models ids of the sources that are merged
 * @throws {ConfigError | MergeError} where statistics are missing
 */
export function requireStatistics(
  { sources, weights, statistics: tables }: SourceInspection,
  methods: readonly MergeOperator[],
  models: readonly string[],
): void {
  const ids = sources.map(({ id }) => id)
  const statistics = new Statistics(ids, tables)
  for (const operator of methods) {
    for (const { name } of weights)
      statistics.find({ operator, inputs: models.map(id => ({ model: ids.indexOf(id), tensor: name })) })
  }
}

/** The same models without these tensors; `undefined`: as they are. */
export function sourcesWithout(
  references: readonly SourceReference[],
  without: readonly string[] | undefined,
): readonly SourceReference[] {
  return without === undefined ? references : references.map(reference => ({ ...reference, without }))
}

export interface OpenSources extends CommonTensors {
  readonly sources: readonly NamedCheckpoint[]
  /** By position of the source; undefined where it names none. */
  readonly statistics: readonly (StatisticsTable | undefined)[]
  readonly close: () => void
}

/** Opens the sources and checks that they fit together. */
export function openSources(references: readonly SourceReference[]): OpenSources {
  const sources: NamedCheckpoint[] = []
  const models: Checkpoint[] = []
  const close = () => {
    for (const { checkpoint } of sources) checkpoint.close()
  }
  try {
    for (const { id, path, without = [] } of references) {
      const model = openModel(path)
      models.push(model)
      sources.push({ id, checkpoint: without.length === 0 ? model : new PartialCheckpoint(model, without) })
    }
    const matched = matchSources(sources)
    const common = requireCommonTensors(matched)
    const statistics = references.map(({ id, statistics: path }, s) => {
      if (path === undefined) return undefined
      const { tensors } = models[s]!
      const merged = common.weights.map(({ name }) => [name, originOf(matched[s]!.checkpoint, name)] as const)
      return readStatisticsTable(path, { id, tensors, merged })
    })
    return { sources: matched, ...common, statistics, close }
  } catch (error) {
    close()
    throw error
  }
}

function originOf(checkpoint: Checkpoint, name: string) {
  return checkpoint instanceof RenamedCheckpoint ? checkpoint.originOf(name) : { name, transposed: false }
}

/** The weights of all sources as float32, once per machine. Can be posted to worker threads: the memory is shared, the rest is copied. */
export interface SharedSources {
  /** Ids in the order of positions. */
  readonly ids: readonly string[]
  readonly threads: number
  readonly banks: readonly SharedMemory[]
  /** What operators prepared of the sources, in the arenas of the banks. */
  readonly prepared: PreparedMemory
  readonly tensors: readonly SharedTensor[]
  /** Integer and boolean tensors: the same in all sources, not merged. */
  readonly others: readonly SharedOther[]
  /** Where the statistics are that methods may need, by position: they stay in their files. */
  readonly statistics: readonly (StatisticsTable | undefined)[]
}

export interface SharedTensor extends WeightTensor {
  readonly stretches: readonly Stretch[]
  /** By position of the source: position of the first source that has the very same bits in this tensor. */
  readonly twinOf: readonly number[]
}

export interface SharedOther {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** Little-endian, in shared memory. */
  readonly data: Uint8Array
}

/** More threads than any machine it runs on has cores; a scratch region that nobody touches takes no physical memory. */
const THREADS = 256

export interface LoadOptions {
  /** How many mergers may work at once, each with a thread index below this. Default 256. */
  readonly threads?: number
  /** Most bytes of one bank; for tests. */
  readonly bankBytes?: number
}

/**
 * Reads all sources into shared memory: 4 bytes per parameter and source.
 * @throws {ConfigError | FormatError} when a source cannot be read
 * @throws {MergeError} on tensors that differ, on NaN and infinities in a source, on values that statistics do not have, and when the
 *   memory cannot be had
 */
export function loadSharedSources(
  references: readonly SourceReference[],
  { threads = THREADS, bankBytes }: LoadOptions = {},
): SharedSources {
  const { sources, weights, others, statistics, close } = openSources(references)
  try {
    requireValues(sources, statistics)
    const layout = layOutBanks(weights, sources.length, threads, bankBytes)
    const banks = layout.banks.map(allocateSharedMemory)
    const kernels = banks.map(instantiateKernel)
    const tensors = weights.map((tensor, t): SharedTensor => {
      const stretches = layout.stretches[t]!
      for (const [position, source] of sources.entries()) {
        loadTensor(source, position, tensor, stretches, banks, kernels)
        requireFinite(source, position, tensor, stretches, banks, kernels)
      }
      return { ...tensor, stretches, twinOf: findTwins(sources.length, stretches, banks) }
    })
    const kept = others.map(tensor => loadOther(sources, tensor))
    for (const { checkpoint } of sources) checkpoint.verifyUnchanged()
    const prepared = createPreparedMemory(layout.arenas, threads)
    return { ids: sources.map(({ id }) => id), threads, banks, prepared, tensors, others: kept, statistics }
  } finally {
    close()
  }
}

function requireValues(sources: readonly NamedCheckpoint[], tables: OpenSources['statistics']): void {
  const statistics = new Statistics(
    sources.map(({ id }) => id),
    tables,
  )
  try {
    statistics.requireValues()
  } finally {
    statistics.close()
  }
}

/** float32 is read to where it stays; other types pass through the result tile of the first thread, which has no work yet. */
function loadTensor(
  { checkpoint }: NamedCheckpoint,
  position: number,
  { name }: WeightTensor,
  stretches: readonly Stretch[],
  banks: readonly SharedMemory[],
  kernels: readonly Kernel[],
): void {
  const dtype = weightDtype(checkpoint, name)
  const size = dtypeBytes(dtype)
  const decoded = TILE_BYTES / size
  let read = 0
  for (const { bank, elements, addresses } of stretches) {
    const { buffer } = banks[bank]!
    const to = addresses[position]!
    if (dtype === 'F32') {
      checkpoint.readRange(name, read, new Uint8Array(buffer, to, elements * size))
    } else {
      for (let at = 0; at < elements; at += decoded) {
        const count = Math.min(decoded, elements - at)
        checkpoint.readRange(name, read + at * size, new Uint8Array(buffer, TILE_AT, count * size))
        widen(kernels[bank]!, banks[bank]!, dtype, TILE_AT, to + at * 4, count)
      }
    }
    read += elements * size
  }
}

/** One times the tensor, tile by tile: the kernel reports the largest magnitude as fast as the memory can be read. */
function requireFinite(
  { id, checkpoint }: NamedCheckpoint,
  position: number,
  { name }: WeightTensor,
  stretches: readonly Stretch[],
  banks: readonly SharedMemory[],
  kernels: readonly Kernel[],
): void {
  for (const { bank, elements, addresses } of stretches) {
    const { buffer } = banks[bank]!
    new Uint32Array(buffer, POINTERS_AT, 1)[0] = addresses[position]!
    new Float32Array(buffer, COEFFICIENTS_AT, 1)[0] = 1
    const end = padded(elements) * 4
    for (let offset = 0; offset < end; offset += TILE_BYTES) {
      const bytes = Math.min(TILE_BYTES, end - offset)
      const largest = kernels[bank]!.linear(TILE_AT, POINTERS_AT, COEFFICIENTS_AT, 1, offset, bytes)
      if (isFiniteResult(largest)) continue
      throw nonFiniteError(`Source ${show(id)} (${checkpoint.path})`, findNonFinite(checkpoint, name)!)
    }
  }
}

/** As it is read: what an adapter changes is float32, whatever its model is stored as. */
function weightDtype({ tensors, path }: Checkpoint, name: string): WeightDtype {
  const { dtype } = tensors.get(name)!
  if (isWeightDtype(dtype)) return dtype
  throw new MergeError(`Tensor ${show(name)} of ${path} is ${dtype}; only floats are merged.`)
}

function findTwins(sources: number, stretches: readonly Stretch[], banks: readonly SharedMemory[]): number[] {
  const twins: number[] = []
  for (let j = 0; j < sources; j++) {
    const twin = twins.findIndex((earlier, i) => earlier === i && sameBits(i, j, stretches, banks))
    twins.push(twin < 0 ? j : twin)
  }
  return twins
}

function sameBits(i: number, j: number, stretches: readonly Stretch[], banks: readonly SharedMemory[]): boolean {
  return stretches.every(({ bank, elements, addresses }) => {
    const { buffer } = banks[bank]!
    const bytes = elements * 4
    return (
      Buffer.compare(new Uint8Array(buffer, addresses[i]!, bytes), new Uint8Array(buffer, addresses[j]!, bytes)) === 0
    )
  })
}

function loadOther(
  sources: readonly NamedCheckpoint[],
  { name, dtype, shape }: CommonTensors['others'][number],
): SharedOther {
  const [first, ...rest] = sources
  const { byteLength } = first!.checkpoint.tensors.get(name)!
  const data = new Uint8Array(new SharedArrayBuffer(byteLength))
  first!.checkpoint.read(name, data)
  for (const { id, checkpoint } of rest) {
    if (Buffer.compare(data, checkpoint.read(name)) !== 0) throw differentOther(name, dtype, first!.id, id)
  }
  return { name, dtype, shape, data }
}

export function differentOther(name: string, dtype: Dtype, a: string, b: string): MergeError {
  return new MergeError(
    `Tensor ${show(name)} of dtype ${dtype} differs between ${show(a)} and ${show(b)}; only floats are merged, the rest must be equal.`,
  )
}

export interface FileDigest {
  readonly path: string
  readonly bytes: number
  /** Hexadecimal. */
  readonly sha256: string
}

/** Digests by the files' names; by more of their paths where names are equal, as those of weights and statistics may be. */
export function digestsByName(digests: readonly FileDigest[]): Record<string, string> {
  const named: Record<string, string> = {}
  for (const { path, sha256 } of digests) {
    const short = [basename(path), join(basename(dirname(path)), basename(path))]
    named[short.find(name => !Object.hasOwn(named, name)) ?? path] = sha256
  }
  return named
}

/** SHA-256 of each file, read as a stream. */
export async function digestFiles(paths: readonly string[]): Promise<readonly FileDigest[]> {
  const digests: FileDigest[] = []
  for (const path of paths) {
    const hash = createHash('sha256')
    let bytes = 0
    try {
      for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
        hash.update(chunk)
        bytes += chunk.length
      }
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
      throw new ConfigError(`${path} cannot be read (${code}).`, { cause })
    }
    digests.push({ path, bytes, sha256: hash.digest('hex') })
  }
  return digests
}
