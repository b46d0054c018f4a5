import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConfigError, FormatError, StorageError, show } from '../errors.ts'
import type { WeightDtype } from '../formats/dtype.ts'
import { requireInside } from '../formats/opened-file.ts'
import { syncFolder, temporaryName, writeCopy, writeProblem, writeText } from '../formats/write-file.ts'
import { COMPANIONS } from './companions.ts'

/** Folders in Hugging Face's layout: assembled beside their place, then renamed. */

export interface WrittenModel {
  /** Absolute paths, the weights first. */
  readonly files: readonly string[]
  /** Of all files. */
  readonly bytes: number
}

/**
 * Nothing appears under `target` before it is whole and on the disk.
 * @param target absolute; a folder that is new or empty
 * @param fill writes the files into the folder that it is given, forced to disk, and returns their names, the weights first
 * @throws {ConfigError} when there is something @throws {StorageError} when the disk does not take it
 */
export async function writeModelFolder(
  target: string,
  fill: (folder: string) => Promise<readonly string[]>,
): Promise<WrittenModel> {
  requireEmpty(target)
  mkdirSync(dirname(target), { recursive: true })
  const temporary = temporaryName(target)
  mkdirSync(temporary)
  try {
    const names = await fill(temporary)
    syncFolder(temporary)
    if (existsSync(target)) rmdirSync(target) // empty, or this fails
    renameSync(temporary, target)
    syncFolder(dirname(target))
    const files = names.map(name => join(target, name))
    return { files, bytes: files.reduce((sum, file) => sum + statSync(file).size, 0) }
  } catch (error) {
    const problem = writeProblem(target, error)
    if (!(problem instanceof StorageError)) throw problem
    // The folder that the message names is gone in a moment; people know the other.
    throw new StorageError(problem.message.replaceAll(temporary, target), { hint: problem.hint ?? '', cause: problem })
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

function requireEmpty(target: string): void {
  if (!existsSync(target)) return
  if (statSync(target).isDirectory() && readdirSync(target).length === 0) return
  throw new ConfigError(`${target} exists and is not an empty folder.`, { hint: 'Choose another place, or remove it.' })
}

/**
 * Copies what makes a folder with weights a model: generation config, tokenizer, processors.
 * @returns their names
 * @throws {FormatError} where one is a link out of the folder: it would be published with the model
 */
export function copyCompanions(from: string, to: string): readonly string[] {
  const copied = COMPANIONS.filter(name => isFile(join(from, name)))
  for (const name of copied) writeCopy(requireInside(from, name), join(to, name))
  return copied
}

const TORCH_NAMES: Readonly<Record<WeightDtype, string>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  F8_E4M3: 'float8_e4m3fn',
  F8_E5M2: 'float8_e5m2',
}

/**
 * The source's `config.json`, if it has one. With a dtype, the type that it says its weights have is that: a stale word would make loaders
 * convert them back.
 * @returns its name
 */
export function copyConfig(from: string, to: string, dtype: WeightDtype | undefined): readonly string[] {
  const name = 'config.json'
  if (!isFile(join(from, name))) return []
  const path = requireInside(from, name)
  if (dtype === undefined) writeCopy(path, join(to, name))
  else writeText(join(to, name), withDtype(readFileSync(path, 'utf8'), dtype, join(from, name)))
  return [name]
}

function withDtype(text: string, dtype: WeightDtype, path: string): string {
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch (cause) {
    throw new FormatError(`${path} is not valid JSON.`, { cause })
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new FormatError(`${path} must be a JSON object, not ${show(config)}.`)
  }
  const key = 'dtype' in config && !('torch_dtype' in config) ? 'dtype' : 'torch_dtype'
  return `${JSON.stringify({ ...config, [key]: TORCH_NAMES[dtype] }, undefined, 2)}\n`
}

/** Also false for what would lie inside a file: a model may be a single one. */
function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile()
}
