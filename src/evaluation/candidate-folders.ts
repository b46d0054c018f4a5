import {
  closeSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { ConfigError, show } from '../errors.ts'
import { encodeFloat32, type WeightDtype } from '../formats/dtype.ts'
import { encodeSafetensorsHeader, type TensorSpec } from '../formats/safetensors.ts'
import { COMPANIONS } from '../merge/companions.ts'
import type { MergedModel } from '../merge/model.ts'
import { CandidateFailure } from './candidate-failure.ts'
import type { OpenContext } from './evaluator.ts'
import { isIdentityAlive, killMarked, processIdentity } from './processes.ts'

/**
 * Candidates as model folders that other programs read: safetensors, config and tokenizer. They live for one evaluation, in
 * memory-backed storage where there is some, and are not forced to disk.
 */

export const folderOptions = {
  storage: z
    .string()
    .min(1)
    .default('auto')
    .describe(
      'Where candidates are written: memory (/dev/shm), disk (the folder for temporary files), a folder, or auto: memory ' +
        'while the model fits there twice, else disk.',
    ),
  dtype: z
    .enum(['source', 'float32', 'bfloat16', 'float16'])
    .default('source')
    .describe('Type of the weights of a written candidate. source: what each tensor has in the sources.'),
  companions: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Folder whose config and tokenizer files a written candidate gets. Default: the first source that has a config.json.',
    ),
  companion_files: z
    .enum(['copy', 'link'])
    .default('copy')
    .describe('copy: each candidate folder holds copies of them. link: symbolic links.'),
}

export interface FolderOptions {
  readonly storage: string
  readonly dtype: 'source' | 'float32' | 'bfloat16' | 'float16'
  readonly companions?: string | undefined
  readonly companion_files: 'copy' | 'link'
}

const MEMORY = '/dev/shm'
const PREFIX = 'amalgam-candidates-'
const DTYPES = { float32: 'F32', bfloat16: 'BF16', float16: 'F16' } as const
const TORCH_NAMES = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  F8_E4M3: 'float8_e4m3fn',
  F8_E5M2: 'float8_e5m2',
} as const
/** From here on a float32 is an infinity as float16: half way past its largest finite number. */
const HALF_INFINITE_FROM = 65520

/** The candidate folders of one session. */
export class CandidateFolders {
  readonly #options: FolderOptions
  readonly #context: OpenContext | undefined
  readonly #companions: string | undefined
  #root: { readonly path: string; readonly isMemory: boolean } | undefined
  #count = 0
  #layout:
    | { readonly of: MergedModel['tensors']; readonly layout: ReturnType<typeof encodeSafetensorsHeader> }
    | undefined

  /** Removes what killed processes left behind. @throws {ConfigError} when there is no place to write to */
  constructor(options: FolderOptions, context: OpenContext | undefined) {
    this.#options = options
    this.#context = context
    checkFolderOptions(options)
    for (const place of placesOf(options.storage)) sweepPlace(place)
    this.#companions = companionFolder(options, context)
  }

  /**
   * Writes a candidate. This writer never uses its name again.
   * @returns the folder, absolute
   * @throws {CandidateFailure} when it does not fit: into its type, or where it is to be written
   */
  write({ tensors }: MergedModel): string {
    const layout = this.#layoutOf(tensors)
    const folder = join(this.#rootFor(layout.fileBytes), `candidate-${this.#count++}`)
    mkdirSync(folder, { mode: 0o700 })
    try {
      this.#writeWeights(join(folder, 'model.safetensors'), layout, tensors)
      const dtypes = new Set(layout.entries.filter(({ name }) => tensors.has(name)).map(({ dtype }) => dtype))
      this.#writeCompanions(folder, dtypes.size === 1 ? ([...dtypes][0] as WeightDtype) : undefined)
    } catch (error) {
      this.remove(folder)
      if (error instanceof CandidateFailure) throw error
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      throw new CandidateFailure('threw', `The candidate could not be written to ${folder} (${code}).`, {
        cause: error,
      })
    }
    return folder
  }

  remove(folder: string): void {
    rmSync(folder, { recursive: true, force: true })
  }

  /** A folder for an evaluation that needs files but no model. */
  scratch(): string {
    const folder = join(this.#rootFor(0), `scratch-${this.#count++}`)
    mkdirSync(folder, { mode: 0o700 })
    return folder
  }

  close(): void {
    if (this.#root !== undefined) this.remove(this.#root.path)
    this.#root = undefined
  }

  #layoutOf(tensors: MergedModel['tensors']): ReturnType<typeof encodeSafetensorsHeader> {
    if (this.#layout?.of !== tensors) {
      const { dtype } = this.#options
      const specs: TensorSpec[] = Array.from(tensors, ([name, { shape }]) => ({
        name,
        shape,
        dtype: dtype === 'source' ? (this.#context?.dtypes.get(name) ?? 'F32') : DTYPES[dtype],
      }))
      specs.push(...(this.#context?.others ?? []).map(({ name, shape, dtype: own }) => ({ name, shape, dtype: own })))
      // Readers of the Hugging Face libraries refuse a file without this entry.
      this.#layout = { of: tensors, layout: encodeSafetensorsHeader(specs, new Map([['format', 'pt']])) }
    }
    return this.#layout.layout
  }

  #writeWeights(
    path: string,
    layout: ReturnType<typeof encodeSafetensorsHeader>,
    tensors: MergedModel['tensors'],
  ): void {
    const others = new Map(this.#context?.others.map(({ name, data }) => [name, data]))
    const largest = Math.max(0, ...layout.entries.map(({ begin, end }) => end - begin))
    const stored = new Uint8Array(largest)
    const descriptor = openSync(path, 'wx', 0o600)
    try {
      writeAll(descriptor, layout.header)
      for (const { name, dtype, begin, end } of layout.entries) {
        const other = others.get(name)
        if (other !== undefined) {
          writeAll(descriptor, new Uint8Array(other)) // a copy: files are not written from shared memory
          continue
        }
        const { data } = tensors.get(name)!
        if (dtype === 'F32') {
          writeAll(descriptor, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
          continue
        }
        if (dtype === 'F16') requireFinite(name, data)
        const bytes = stored.subarray(0, end - begin)
        encodeFloat32(data, dtype as WeightDtype, bytes)
        writeAll(descriptor, bytes)
      }
    } finally {
      closeSync(descriptor)
    }
  }

  #writeCompanions(folder: string, dtype: WeightDtype | undefined): void {
    const from = this.#companions
    if (from === undefined) return
    const config = configWith(join(from, 'config.json'), dtype)
    if (config !== undefined) writeFileSync(join(folder, 'config.json'), config)
    for (const name of COMPANIONS) {
      const path = join(from, name)
      if (!isFile(path)) continue
      if (this.#options.companion_files === 'link') symlinkSync(path, join(folder, name))
      else copyFileSync(path, join(folder, name))
    }
  }

  #rootFor(bytes: number): string {
    if (this.#root !== undefined) {
      const roomy = !(this.#root.isMemory && this.#options.storage === 'auto') || hasRoom(MEMORY, bytes)
      if (roomy) return this.#root.path
      this.close()
    }
    const place = placeFor(this.#options.storage, bytes)
    try {
      mkdirSync(place, { recursive: true })
      this.#root = {
        path: mkdtempSync(join(place, `${PREFIX}${processIdentity()}-`)),
        isMemory: place === MEMORY,
      }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      throw new ConfigError(`Candidates cannot be written under ${show(place, 200)} (${code}).`, {
        hint: 'The option "storage" names another place.',
        cause: error,
      })
    }
    return this.#root.path
  }
}

/** Removes the candidate folders of processes that are gone from the usual places, and ends what those processes had started. */
export function sweepLeftovers(): void {
  for (const place of [MEMORY, tmpdir()]) sweepPlace(place)
}

function sweepPlace(place: string): void {
  let names: string[]
  try {
    names = readdirSync(place)
  } catch {
    return
  }
  for (const name of names) {
    const identity = name.startsWith(PREFIX) ? /^\d+-\d+-\d+/.exec(name.slice(PREFIX.length))?.[0] : undefined
    if (identity === undefined || isIdentityAlive(identity) !== false) continue
    const path = join(place, name)
    try {
      // A shared folder: what is not this user's own is left alone.
      const owner = lstatSync(path)
      if (!owner.isDirectory() || (process.getuid !== undefined && owner.uid !== process.getuid())) continue
      killMarked(identity)
      rmSync(path, { recursive: true, force: true })
    } catch {
      // somebody else was faster
    }
  }
}

function placesOf(storage: string): readonly string[] {
  if (storage === 'auto') return [MEMORY, tmpdir()]
  return [placeFor(storage, 0)]
}

function placeFor(storage: string, bytes: number): string {
  if (storage === 'memory') return MEMORY
  if (storage === 'disk') return tmpdir()
  if (storage !== 'auto') return storage
  return existsSync(MEMORY) && hasRoom(MEMORY, bytes) ? MEMORY : tmpdir()
}

/** For the next candidate while the last one is still read. */
function hasRoom(place: string, bytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(place)
    return bavail * bsize >= 2 * bytes
  } catch {
    return false
  }
}

/** @throws {ConfigError} when an option names a folder that does not exist */
export function checkFolderOptions({ companions }: FolderOptions): void {
  if (companions === undefined || statSync(companions, { throwIfNoEntry: false })?.isDirectory()) return
  throw new ConfigError(`The folder ${show(companions, 200)} does not exist, and "companions" names it.`)
}

function companionFolder({ companions }: FolderOptions, context: OpenContext | undefined): string | undefined {
  if (companions !== undefined) return companions
  return context?.sources
    .map(({ path }) => (isFile(path) ? dirname(resolve(path)) : resolve(path)))
    .find(folder => isFile(join(folder, 'config.json')))
}

/** A config says which type its weights have; a stale word would make loaders convert them back. */
function configWith(path: string, dtype: WeightDtype | undefined): string | undefined {
  if (!isFile(path)) return undefined
  const text = readFileSync(path, 'utf8')
  if (dtype === undefined) return text
  const config: unknown = JSON.parse(text)
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return text
  const key = 'dtype' in config && !('torch_dtype' in config) ? 'dtype' : 'torch_dtype'
  return `${JSON.stringify({ ...config, [key]: TORCH_NAMES[dtype] }, undefined, 2)}\n`
}

function requireFinite(name: string, data: Float32Array): void {
  const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  if (largest >= HALF_INFINITE_FROM)
    throw new CandidateFailure(
      'non-finite',
      `Tensor ${show(name)} has a merged value of magnitude ${largest}, which is an infinity as float16.`,
    )
}

/** One write call takes at most 2^31 - 1 bytes. */
const WRITE_BYTES = 1 << 30

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.byteLength; )
    done += writeSync(descriptor, bytes, done, Math.min(WRITE_BYTES, bytes.byteLength - done))
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}
