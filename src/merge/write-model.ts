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
import { ConfigError, FormatError, show } from '../errors.ts'
import type { WeightDtype } from '../formats/dtype.ts'
import type { TensorSpec } from '../formats/safetensors.ts'
import { SafetensorsWriter, syncFolder, temporaryName } from '../formats/write-file.ts'
import type { Recipe } from '../space/recipe.ts'
import { COMPANIONS } from './companions.ts'
import type { NamedCheckpoint } from './inspect.ts'
import type { WeightTensor } from './layout.ts'
import { notFinite } from './merge.ts'
import type { OperatorPlan } from './method.ts'
import type { SourceReference } from './model.ts'
import { modelFolder } from './open-model.ts'
import { OperatorTensors } from './operator-tensors.ts'
import { planTensors, type Section } from './plan.ts'
import { encodeStretch, readStretch } from './program/read-tensor.ts'
import { differentOther, type OpenSources, openSources } from './sources.ts'
import { streamMethod } from './stream/plan-operator.ts'
import { streamInput } from './stream/stream-input.ts'
import type { CombineMethod, StreamTensor } from './stream/stream-tensor.ts'
import { type OutputTensor, type StreamOptions, type TensorSink, writeTensors } from './stream/write-tensors.ts'

/** Merged models as files, in memory that does not grow with the model. */

export interface WriteOptions {
  /** Of all merged tensors; the sources' own by default. */
  readonly dtype?: WeightDtype
  readonly stream?: StreamOptions
}

export interface WrittenModel {
  /** Absolute paths, the weights first. */
  readonly files: readonly string[]
  /** Of all files. */
  readonly bytes: number
}

/**
 * Merges file to file. `linear` and `task_arithmetic` have the kernels and the order of operations of the candidates in memory: written as
 * float32, the weights are the very bits that were scored. Nothing appears under `out` before it is whole.
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

async function writeWeights(
  recipe: Recipe,
  opened: OpenSources,
  path: string,
  { dtype, stream }: WriteOptions,
): Promise<void> {
  const { sources, weights, others } = opened
  const ids = sources.map(({ id }) => id)
  const sections = planTensors(recipe, ids, weights)
  requireEqualOthers(sources, others)
  const specs: TensorSpec[] = [
    ...weights.map(tensor => ({ name: tensor.name, shape: tensor.shape, dtype: dtype ?? tensor.dtype })),
    ...others,
  ]
  // Readers of the Hugging Face libraries refuse a file without this entry.
  const writer = new SafetensorsWriter(path, specs, new Map([['format', 'pt']]))
  try {
    const operators = new OperatorTensors(weights, (source, t) => {
      const { name, shape, elements } = weights[t]!
      return readStretch(sources[source]!.checkpoint, name, shape, 0, elements, undefined)
    })
    const merged = weights.map((tensor, t): [string, OutputTensor] => {
      const written = dtype ?? tensor.dtype
      const operator = operatorOf(sections[t]!)
      const inputs = operator === undefined ? sources : inputsOf(operator, sources)
      return [
        tensor.name,
        {
          stream: streamOf(tensor, sections[t]!, inputs, written),
          read: (input, offset, target) => inputs[input]!.checkpoint.readRange(tensor.name, offset, target),
          define: append => {
            if (operator === undefined) throw notFinite(tensor.name)
            append(encodeStretch(operators.merge(operator, t), written, tensor.name))
          },
        },
      ]
    })
    const copied = others.map(({ name }): [string, OutputTensor] => [
      name,
      { stream: undefined, read: () => {}, define: append => append(sources[0]!.checkpoint.read(name)) },
    ])
    await writeTensors(new Map([...merged, ...copied]), sinkOf(writer), stream)
    for (const { checkpoint } of sources) checkpoint.verifyUnchanged()
    writer.commit()
  } finally {
    writer.abort()
  }
}

/** One file, which its writer settles when it commits. */
function sinkOf(writer: SafetensorsWriter): TensorSink {
  return {
    entries: writer.layout.entries,
    reserve: bytes => writer.reserve(bytes),
    openFiles: 1,
    settle: () => {},
  }
}

/** The plan of a tensor that an operator computes as a whole. */
function operatorOf([section]: readonly Section[]): OperatorPlan | undefined {
  return section?.plan.kernel === 'operator' ? section.plan : undefined
}

/** The base first, where there is one. */
function inputsOf({ base, sources: positions }: OperatorPlan, sources: readonly NamedCheckpoint[]): NamedCheckpoint[] {
  return [...(base === undefined ? [] : [base]), ...positions].map(position => sources[position]!)
}

/** @param sources its inputs; those that are not used are not read */
function streamOf(
  { name, shape, elements }: WeightTensor,
  sections: readonly Section[],
  sources: readonly NamedCheckpoint[],
  written: WeightDtype,
): StreamTensor | undefined {
  const operator = operatorOf(sections)
  const method =
    operator === undefined
      ? combination(sections)
      : streamMethod({ ...operator, name, shape, based: operator.base !== undefined })
  const inputs = sources.map(({ checkpoint }) => streamInput(checkpoint, name, shape)!)
  const float64 = written === 'F64' || inputs.some(({ dtype }) => dtype === 'F64')
  // What is float64 is merged in float64, but by the kernels of candidates, which know float32 only.
  if (method === undefined || (operator !== undefined && float64)) return undefined
  return { name, elements, inputs, work: undefined, written, method }
}

/** With the coefficients and the order of operations of candidates in memory. */
function combination(sections: readonly Section[]): CombineMethod {
  return {
    kind: 'combine',
    sections: sections.flatMap(({ begin, end, plan }) =>
      plan.kernel === 'operator'
        ? []
        : [
            {
              begin,
              end,
              base: plan.base,
              terms: plan.terms.map(({ source, coefficient }) => ({ input: source, coefficient })),
            },
          ],
    ),
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
