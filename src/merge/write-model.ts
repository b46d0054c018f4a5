import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, extname, join, resolve } from 'node:path'
import { setImmediate as breathe } from 'node:timers/promises'
import { ConfigError, FormatError, MergeError, show } from '../errors.ts'
import { dtypeBytes, isWeightDtype, type WeightDtype } from '../formats/dtype.ts'
import type { TensorSpec } from '../formats/safetensors.ts'
import { SafetensorsWriter, syncFolder, temporaryName } from '../formats/write-file.ts'
import type { Recipe } from '../space/recipe.ts'
import { COMPANIONS } from './companions.ts'
import { narrow, widen } from './convert.ts'
import type { NamedCheckpoint } from './inspect.ts'
import { allocateSharedMemory, instantiateKernel, isFiniteResult } from './kernel/load.ts'
import { blockStart, padded } from './layout.ts'
import { notFinite } from './merge.ts'
import type { KernelPlan, OperatorPlan } from './method.ts'
import type { SourceReference } from './model.ts'
import { modelFolder } from './open-model.ts'
import { OperatorTensors } from './operator-tensors.ts'
import { planTensors, type Section } from './plan.ts'
import { encodeStretch, INFINITE_FROM, readStretch } from './program/read-tensor.ts'
import { differentOther, type OpenSources, openSources } from './sources.ts'

/** Merged models as files, in memory that does not grow with the model. */

export interface WriteOptions {
  /** Of all merged tensors; the sources' own by default. */
  readonly dtype?: WeightDtype
}

export interface WrittenModel {
  /** Absolute paths, the weights first. */
  readonly files: readonly string[]
  /** Of all files. */
  readonly bytes: number
}

/** Elements of one source in memory at a time: 1 MiB as float32. Long enough for the disk, short enough for the cache. */
const CHUNK = 1 << 18

/**
 * Merges file to file, with the kernels and the order of operations of the candidates in memory: written as float32, the weights
 * are the very bits that were scored. Nothing appears under `out` before it is whole.
 *
 * @param references at least the models that the recipe names
 * @param out a `.safetensors` file, which is replaced if it exists; or a folder, which must be new or empty
 * @throws {ConfigError | FormatError | MergeError}
 */
export async function mergeToFiles(
  recipe: Recipe,
  references: readonly SourceReference[],
  out: string,
  options: WriteOptions = {},
): Promise<WrittenModel> {
  const opened = openSources(namedBy(recipe, references))
  try {
    const target = resolve(out)
    const extension = extname(target).toLowerCase()
    if (extension === '.safetensors') {
      requireNoSource(target, opened.sources)
      await writeWeights(recipe, opened, target, options)
      return { files: [target], bytes: statSync(target).size }
    }
    if (extension === '.onnx') {
      throw new ConfigError(`${show(out)}: merged models are not written as ONNX.`, {
        hint: 'Write a .safetensors file: its tensors have the names of the initializers.',
      })
    }
    return await writeFolder(recipe, opened, target, options)
  } finally {
    opened.close()
  }
}

async function writeFolder(
  recipe: Recipe,
  opened: OpenSources,
  target: string,
  options: WriteOptions,
): Promise<WrittenModel> {
  if (existsSync(target) && (!statSync(target).isDirectory() || readdirSync(target).length > 0)) {
    throw new ConfigError(`${target} exists and is not an empty folder.`, {
      hint: 'Choose another place, or remove it.',
    })
  }
  mkdirSync(dirname(target), { recursive: true })
  const temporary = temporaryName(target)
  mkdirSync(temporary)
  try {
    const names = ['model.safetensors']
    await writeWeights(recipe, opened, join(temporary, 'model.safetensors'), options)
    // The first named model is the base where the recipe has one.
    const path = modelFolder(opened.sources[0]!.checkpoint.path)
    if (statSync(path).isDirectory()) names.push(...copyCompanions(path, temporary, options.dtype))
    syncFolder(temporary)
    renameSync(temporary, target)
    syncFolder(dirname(target))
    const files = names.map(name => join(target, name))
    return { files, bytes: files.reduce((sum, file) => sum + statSync(file).size, 0) }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

async function writeWeights(recipe: Recipe, opened: OpenSources, path: string, { dtype }: WriteOptions): Promise<void> {
  const { sources, weights, others } = opened
  const ids = sources.map(({ id }) => id)
  const sections = planTensors(recipe, ids, weights)
  const plans = new Map(weights.map(({ name }, t) => [name, sections[t]!]))
  requireEqualOthers(sources, others)
  const specs: TensorSpec[] = [
    ...weights.map(tensor => ({ name: tensor.name, shape: tensor.shape, dtype: dtype ?? tensor.dtype })),
    ...others,
  ]
  // Readers of the Hugging Face libraries refuse a file without this entry.
  const writer = new SafetensorsWriter(path, specs, new Map([['format', 'pt']]))
  try {
    const merge = createChunkMerge(sources)
    const position = new Map(weights.map(({ name }, t) => [name, t]))
    const operators = new OperatorTensors(weights, (source, t) => {
      const { name, shape, elements } = weights[t]!
      return readStretch(sources[source]!.checkpoint, name, shape, 0, elements, undefined)
    })
    const read = sources[0]!.checkpoint
    for (const { name, dtype: written } of writer.layout.entries) {
      const plan = plans.get(name)
      if (plan === undefined) writer.append(read.read(name))
      else if (isWeightDtype(written)) {
        const operator = operatorOf(plan)
        if (operator === undefined) merge(name, kernelSections(plan), written, bytes => writer.append(bytes))
        else writer.append(encodeStretch(operators.merge(operator, position.get(name)!), written, name))
      }
      await breathe() // timers, signals and progress get their turn between tensors
    }
    for (const { checkpoint } of sources) checkpoint.verifyUnchanged()
    writer.commit()
  } finally {
    writer.abort()
  }
}

/** The plan of a tensor that an operator computes as a whole. */
function operatorOf([section]: readonly Section[]): OperatorPlan | undefined {
  return section?.plan.kernel === 'operator' ? section.plan : undefined
}

type KernelSection = Section & { readonly plan: KernelPlan }

function kernelSections(sections: readonly Section[]): readonly KernelSection[] {
  return sections.filter((section): section is KernelSection => section.plan.kernel !== 'operator')
}

type ChunkMerge = (
  name: string,
  sections: readonly KernelSection[],
  written: WeightDtype,
  append: (bytes: Uint8Array) => void,
) => void

/**
 * Merges tensors chunk by chunk in one small memory: [addresses][coefficients][result][part of it][stored bytes][chunk of x_1][of x_2]...
 * Kernels work on whole blocks, so a section that does not fill the chunk is computed beside the result and its elements are copied.
 */
function createChunkMerge(sources: readonly NamedCheckpoint[]): ChunkMerge {
  const count = sources.length
  const coefficientsAt = padded(count) * 4
  const resultAt = 2 * coefficientsAt
  const partAt = resultAt + CHUNK * 4
  const storedAt = partAt + CHUNK * 4
  const chunkAt = (position: number) => storedAt + CHUNK * 8 + position * CHUNK * 4
  const memory = allocateSharedMemory(chunkAt(count))
  const kernel = instantiateKernel(memory)
  const addresses = new Uint32Array(memory.buffer, 0, count)
  const coefficients = new Float32Array(memory.buffer, coefficientsAt, count)
  const result = new Float32Array(memory.buffer, resultAt, CHUNK)
  const part = new Float32Array(memory.buffer, partAt, CHUNK)

  /** Elements [from, to) of the chunk. @returns the bits of the largest magnitude */
  const compute = ({ kernel: pass, base, terms }: KernelPlan, from: number, to: number, length: number): number => {
    for (const [j, { source, coefficient }] of terms.entries()) {
      addresses[j] = chunkAt(source)
      coefficients[j] = coefficient
    }
    const whole = from === 0 && to === length
    const start = blockStart(from)
    const [out, offset, bytes] = [whole ? resultAt : partAt, start * 4, (padded(to) - start) * 4]
    const largest =
      pass === 'linear'
        ? kernel.linear(out, 0, coefficientsAt, terms.length, offset, bytes)
        : kernel.taskArithmetic(out, chunkAt(base!), 0, coefficientsAt, terms.length, offset, bytes)
    if (whole) return largest
    const own = part.subarray(from - start, to - start)
    result.set(own, from)
    return new Uint32Array(Float32Array.of(own.reduce((most, x) => Math.max(most, Math.abs(x)), 0)).buffer)[0]!
  }

  return (name, sections, written, append) => {
    const elements = sources[0]!.checkpoint.tensors.get(name)!.shape.reduce((product, size) => product * size, 1)
    for (let at = 0; at < elements; at += CHUNK) {
      const length = Math.min(CHUNK, elements - at)
      const here = sections.filter(({ begin, end }) => begin < at + length && end > at)
      const needed = new Set(here.flatMap(({ plan: { base, terms } }) => [...terms.map(({ source }) => source), base]))
      for (const source of needed) {
        if (source === undefined) continue
        // An adapter's tensors are float32, whatever its model is stored as.
        const { dtype } = sources[source]!.checkpoint.tensors.get(name)!
        if (!isWeightDtype(dtype)) continue
        const stored = new Uint8Array(memory.buffer, storedAt, length * dtypeBytes(dtype))
        sources[source]!.checkpoint.readRange(name, at * dtypeBytes(dtype), stored)
        widen(kernel, memory, dtype, storedAt, chunkAt(source), length)
      }
      for (const { begin, end, plan } of here) {
        const largest = compute(plan, Math.max(begin - at, 0), Math.min(end - at, length), length)
        if (!isFiniteResult(largest)) throw notFinite(name)
        requireFits(name, largest, written)
      }
      narrow(kernel, memory, written, resultAt, storedAt, length)
      append(new Uint8Array(memory.buffer, storedAt, length * dtypeBytes(written)))
    }
  }
}

function requireFits(name: string, largestBits: number, dtype: WeightDtype): void {
  const limit = INFINITE_FROM[dtype]
  const largest = new Float32Array(Uint32Array.of(largestBits).buffer)[0]!
  if (limit !== undefined && largest >= limit) {
    throw new MergeError(
      `Tensor ${show(name)} has a merged value of magnitude ${largest}, which is an infinity as ${dtype}.`,
      {
        hint: 'Write it as F32, or merge with smaller coefficients.',
      },
    )
  }
}

function requireEqualOthers(sources: readonly NamedCheckpoint[], others: OpenSources['others']): void {
  const [first, ...rest] = sources
  for (const { name, dtype } of others) {
    const bytes = first!.checkpoint.read(name)
    for (const { id, checkpoint } of rest) {
      if (Buffer.compare(bytes, checkpoint.read(name)) !== 0) throw differentOther(name, dtype, first!.id, id)
    }
  }
}

/** The references that the recipe needs, the base first. What is missing is reported when the recipe is planned. */
function namedBy(recipe: Recipe, references: readonly SourceReference[]): readonly SourceReference[] {
  const ids = recipe.base === undefined ? recipe.sources : [recipe.base, ...recipe.sources]
  return ids.map(id => {
    const reference = references.find(candidate => candidate.id === id)
    if (reference !== undefined) return reference
    const known = references.map(({ id: other }) => show(other)).join(', ')
    throw new ConfigError(`The recipe names the source ${show(id)}, which is not among ${known}.`)
  })
}

function requireNoSource(target: string, sources: readonly NamedCheckpoint[]): void {
  if (!existsSync(target)) return
  const real = realpathSync(target)
  for (const { id, checkpoint } of sources) {
    if (checkpoint.files.some(file => realpathSync(file) === real)) {
      throw new ConfigError(`${target} is a file of the source ${show(id)}, and would be overwritten.`, {
        hint: 'Choose another place.',
      })
    }
  }
}

function copyCompanions(from: string, to: string, dtype: WeightDtype | undefined): string[] {
  const copied = ['config.json', ...COMPANIONS].filter(name =>
    statSync(join(from, name), { throwIfNoEntry: false })?.isFile(),
  )
  for (const name of copied) {
    if (name === 'config.json' && dtype !== undefined) writeConfig(join(from, name), join(to, name), dtype)
    else copyFileSync(join(from, name), join(to, name))
  }
  return copied
}

const TORCH_NAMES: Readonly<Record<WeightDtype, string>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
}

/** A config says which type its weights have; a stale word would make loaders convert them back. */
function writeConfig(from: string, to: string, dtype: WeightDtype): void {
  let config: unknown
  try {
    config = JSON.parse(readFileSync(from, 'utf8'))
  } catch (cause) {
    throw new FormatError(`${from} is not valid JSON.`, { cause })
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new FormatError(`${from} must be a JSON object.`)
  }
  const key = 'dtype' in config && !('torch_dtype' in config) ? 'dtype' : 'torch_dtype'
  writeFileSync(to, `${JSON.stringify({ ...config, [key]: TORCH_NAMES[dtype] }, undefined, 2)}\n`)
}
