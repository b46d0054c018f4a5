import { existsSync, realpathSync, statSync } from 'node:fs'
import { basename, extname, join, resolve } from 'node:path'
import { ConfigError, show } from '../errors.ts'
import type { WeightDtype } from '../formats/dtype.ts'
import { openOnnxTemplate } from '../formats/open-onnx.ts'
import type { TensorSpec } from '../formats/safetensors.ts'
import { SHARD_BYTES, ShardedWriter } from '../formats/shards.ts'
import { SafetensorsWriter, writeProblem, writeText } from '../formats/write-file.ts'
import { OnnxWriter } from '../formats/write-onnx.ts'
import { usesStatistics } from '../space/methods.ts'
import type { Recipe } from '../space/recipe.ts'
import { createChunkMerge, type KernelSection } from './chunk-merge.ts'
import type { NamedCheckpoint } from './inspect.ts'
import type { WeightTensor } from './layout.ts'
import type { OperatorPlan } from './method.ts'
import type { SourceReference } from './model.ts'
import { copyCompanions, copyConfig, type WrittenModel, writeModelFolder } from './model-folder.ts'
import { findNonFinite, type NonFinite, NonFiniteCount, nonFiniteError } from './non-finite.ts'
import { modelFolder } from './open-model.ts'
import { OperatorTensors, type TensorReader } from './operator-tensors.ts'
import { largerNeed, type MemoryNeed, memoryNeed } from './operators/memory-need.ts'
import { planTensors, type Section } from './plan.ts'
import { encodeStretch, readStretch } from './program/read-tensor.ts'
import { recipeCard, type SourceDigests } from './recipe-card.ts'
import { differentOther, digestFiles, digestsByName, type OpenSources, openSources } from './sources.ts'
import { type Measurement, Statistics } from './statistics.ts'
import { operatorStream } from './stream/operator-stream.ts'
import { streamInput } from './stream/stream-input.ts'
import type { CombineMethod, StreamTensor } from './stream/stream-tensor.ts'
import { type OutputTensor, type StreamOptions, type TensorSink, writeTensors } from './stream/write-tensors.ts'

/** Merged models as files, in memory that does not grow with the model. */

export interface WriteOptions {
  /** Of all merged tensors; the sources' own by default. Not for ONNX, whose graph decides. */
  readonly dtype?: WeightDtype
  readonly stream?: StreamOptions
  /** Most bytes of one weight file of a folder. Default 5 GB. */
  readonly shardBytes?: number
  /** Most bytes of a single ONNX file; a larger model gets a second file with its weights. Default 2 GB. */
  readonly singleFileBytes?: number
  /** NaN and infinities in the weights are merged and listed, instead of being refused. */
  readonly allowNonFinite?: boolean
  /** Told, before the work begins, the tensor that takes the most memory of those that cannot be merged piece by piece, where there is one. */
  readonly onMemoryNeed?: (need: MemoryNeed) => void
  /** SHA-256 of the sources' files where they are known, for the model card of a folder. Computed where absent. */
  readonly digests?: SourceDigests
}

export interface MergedFiles extends WrittenModel {
  /** NaN and infinities that were written, by tensor; empty unless they are allowed. */
  readonly nonFinite: readonly NonFinite[]
}

/** Takes a whole model, piece by piece, and shows it when it is complete. */
interface ModelSink extends TensorSink {
  commit(): void
  abort(): void
}

/**
 * Merges file to file. Written as float32, the weights are the very bits of the candidate on the exact path (`MergeOptions.exact`), and
 * of `linear` and `task_arithmetic` those that a search scored. Nothing appears under `out` before it is whole.
 *
 * @param references at least the models that the recipe names
 * @param out a `.safetensors` or `.onnx` file, which is replaced if it exists; or a folder, which must be new or empty
 * @throws {ConfigError | FormatError | MergeError | StorageError}
 */
export async function mergeToFiles(
  recipe: Recipe,
  references: readonly SourceReference[],
  out: string,
  options: WriteOptions = {},
): Promise<MergedFiles> {
  const opened = openSources(namedBy(recipe, references))
  try {
    const target = resolve(out)
    switch (extname(target).toLowerCase()) {
      case '.safetensors':
        return await writeSingle(recipe, opened, target, options)
      case '.onnx':
        return await writeOnnx(recipe, opened, target, options)
      default:
        return await writeFolder(recipe, opened, target, options)
    }
  } finally {
    opened.close()
  }
}

async function writeSingle(
  recipe: Recipe,
  opened: OpenSources,
  target: string,
  options: WriteOptions,
): Promise<MergedFiles> {
  requireNoSource(target, opened)
  const sink = inOne(new SafetensorsWriter(target, specsOf(opened, options.dtype), FORMAT))
  const nonFinite = await writeWeights(recipe, opened, sink, target, options)
  return { files: [target], bytes: statSync(target).size, nonFinite }
}

/** The graph is that of the first source that has one: the base, if it is ONNX. */
async function writeOnnx(
  recipe: Recipe,
  opened: OpenSources,
  target: string,
  options: WriteOptions,
): Promise<MergedFiles> {
  if (options.dtype !== undefined)
    throw new ConfigError(
      `${target}: an ONNX graph decides the types of its weights; they cannot be written as ${options.dtype}.`,
    )
  const path = opened.sources
    .map(({ checkpoint }) => checkpoint.path)
    .find(file => extname(file).toLowerCase() === '.onnx')
  if (path === undefined)
    throw new ConfigError(`${target} needs a graph, and none of the sources is an .onnx file.`, {
      hint: 'Write a .safetensors file or a folder.',
    })
  requireNoSource(target, opened)
  const template = openOnnxTemplate(path)
  try {
    const { singleFileBytes } = options
    const writer = new OnnxWriter(target, template, singleFileBytes === undefined ? {} : { singleFileBytes })
    const nonFinite = await writeWeights(recipe, opened, inOne(writer), target, options)
    return { files: writer.files, bytes: writer.files.reduce((sum, file) => sum + statSync(file).size, 0), nonFinite }
  } finally {
    template.close()
  }
}

async function writeFolder(
  recipe: Recipe,
  opened: OpenSources,
  target: string,
  options: WriteOptions,
): Promise<MergedFiles> {
  let nonFinite: readonly NonFinite[] = []
  const written = await writeModelFolder(target, async folder => {
    const sink = new ShardedWriter(folder, specsOf(opened, options.dtype), FORMAT, options.shardBytes ?? SHARD_BYTES)
    nonFinite = await writeWeights(recipe, opened, sink, target, options)
    const names = [...sink.files]
    // The first named model is the base where the recipe has one.
    const path = modelFolder(opened.sources[0]!.checkpoint.path)
    if (statSync(path).isDirectory())
      names.push(...copyConfig(path, folder, options.dtype), ...copyCompanions(path, folder))
    const digests = await digestSources(opened, options.digests ?? new Map())
    const sources = opened.sources.map((source, s) => ({ ...source, statistics: opened.statistics[s]?.path }))
    writeText(join(folder, 'README.md'), recipeCard(recipe, sources, digests, basename(target), nonFinite))
    return [...names, 'README.md']
  })
  return { ...written, nonFinite }
}

/** A writer whose files are all open until it commits. */
function inOne(writer: Omit<ModelSink, 'openFiles' | 'settle'>): ModelSink {
  return {
    entries: writer.entries,
    reserve: bytes => writer.reserve(bytes),
    openFiles: 1,
    settle: () => {},
    commit: () => writer.commit(),
    abort: () => writer.abort(),
  }
}

/** Readers of the Hugging Face libraries refuse a file without this entry. */
const FORMAT: ReadonlyMap<string, string> = new Map([['format', 'pt']])

function specsOf({ weights, others }: OpenSources, dtype: WeightDtype | undefined): readonly TensorSpec[] {
  return [...weights.map(({ name, shape, dtype: own }) => ({ name, shape, dtype: dtype ?? own })), ...others]
}

async function digestSources({ sources, statistics }: OpenSources, known: SourceDigests): Promise<SourceDigests> {
  const digests = new Map<string, Readonly<Record<string, string>>>(known)
  for (const [s, { id, checkpoint }] of sources.entries()) {
    if (known.has(id)) continue
    const files = new Set([...checkpoint.files, ...(statistics[s]?.files ?? [])])
    digests.set(id, digestsByName(await digestFiles([...files])))
  }
  return digests
}

/** @returns the NaN and infinities that were written */
async function writeWeights(
  recipe: Recipe,
  opened: OpenSources,
  sink: ModelSink,
  target: string,
  { allowNonFinite = false, dtype, stream, onMemoryNeed }: WriteOptions,
): Promise<readonly NonFinite[]> {
  const { sources, weights, others } = opened
  const nonFinite = new Map<string, NonFinite>()
  const ids = sources.map(({ id }) => id)
  const statistics = new Statistics(ids, opened.statistics)
  try {
    const sections = planTensors(recipe, ids, weights)
    requireEqualOthers(sources, others)
    // Where values are merged one by one, a NaN stays where it is. A method that looks at whole tensors would spread it, or never end.
    let spreads: string | undefined
    const read: TensorReader = (source, t, begin, count) => {
      const { checkpoint, id } = sources[source]!
      const { name, shape } = weights[t]!
      const values = readStretch(checkpoint, name, shape, begin, count, undefined)
      if ((!allowNonFinite || spreads !== undefined) && !values.every(Number.isFinite))
        throw nonFiniteError(`Source ${show(id)} (${checkpoint.path})`, findNonFinite(checkpoint, name)!, spreads)
      return values
    }
    const operators = new OperatorTensors(weights, read, statistics)
    const measured = weights.map((_, t) => {
      const plan = operatorOf(sections[t]!)
      return plan && operators.measurementOf(plan, t)
    })
    const combineAgain = createChunkMerge(sources, allowNonFinite)
    const merged = weights.map((tensor, t): [string, OutputTensor] => {
      const { name } = tensor
      const written = dtype ?? tensor.dtype
      const operator = operatorOf(sections[t]!)
      const inputs = operator === undefined ? sources : inputsOf(operator, sources)
      const define: OutputTensor['define'] = append => {
        let found: NonFinite | undefined
        if (operator === undefined) found = combineAgain(name, kernelSections(sections[t]!), written, append)
        else {
          spreads = allowNonFinite && operator.operator.span !== 'element' ? operator.operator.name : undefined
          const count = new NonFiniteCount()
          const write = (values: Float64Array): void => {
            if (allowNonFinite) count.add(values)
            append(encodeStretch(values, written, name, allowNonFinite))
          }
          operators.merge(operator, t, write, { allowNonFinite })
          found = count.of(name)
        }
        if (found !== undefined) nonFinite.set(name, found)
      }
      const read: OutputTensor['read'] = (input, offset, target) =>
        inputs[input]!.checkpoint.readRange(name, offset, target)
      return [name, { stream: streamOf(tensor, sections[t]!, inputs, written), read, define }]
    })
    const need = merged
      .map(([, output], t) =>
        output.stream === undefined ? needOf(weights[t]!, sections[t]!, measured[t]) : undefined,
      )
      .reduce(largerNeed, undefined)
    if (need !== undefined) onMemoryNeed?.(need)
    const copied = others.map(({ name }): [string, OutputTensor] => [
      name,
      { stream: undefined, read: () => {}, define: append => append(sources[0]!.checkpoint.read(name)) },
    ])
    await writeTensors(new Map([...merged, ...copied]), sink, stream)
    for (const { checkpoint } of sources) checkpoint.verifyUnchanged()
    statistics.verifyUnchanged()
    sink.commit()
  } catch (error) {
    throw writeProblem(target, error)
  } finally {
    sink.abort()
    statistics.close()
  }
  return weights.flatMap(({ name }) => nonFinite.get(name) ?? [])
}

function needOf(
  { name, shape, elements }: WeightTensor,
  sections: readonly Section[],
  measurement: Measurement | undefined,
): MemoryNeed | undefined {
  const plan = operatorOf(sections)
  if (plan === undefined) return undefined
  const { operator, settings, ids, depth, base } = plan
  const measured = { measured: measurement !== undefined, inputsAlong: measurement?.inputsAlong }
  const tensor = { ...settings, name, shape, elements, ids, depth, survey: {}, based: base !== undefined }
  return memoryNeed(operator, { ...tensor, ...measured })
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
  tensor: WeightTensor,
  sections: readonly Section[],
  sources: readonly NamedCheckpoint[],
  written: WeightDtype,
): StreamTensor | undefined {
  const { name, shape, elements } = tensor
  const operator = operatorOf(sections)
  const inputs = sources.map(({ checkpoint }) => streamInput(checkpoint, name, shape)!)
  if (operator !== undefined) return operatorStream(tensor, operator, inputs, written)
  return { name, elements, inputs, work: undefined, written, method: combination(sections) }
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

function kernelSections(sections: readonly Section[]): readonly KernelSection[] {
  return sections.filter((section): section is KernelSection => section.plan.kernel !== 'operator')
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

/** The references that the recipe needs, with the statistics that it needs, the base first. What is missing is reported when it is planned. */
function namedBy(recipe: Recipe, references: readonly SourceReference[]): readonly SourceReference[] {
  const ids = recipe.base === undefined ? recipe.sources : [recipe.base, ...recipe.sources]
  const measured = usesStatistics(recipe)
  return ids.map(id => {
    const reference = references.find(candidate => candidate.id === id)
    if (reference !== undefined && (measured || reference.statistics === undefined)) return reference
    if (reference !== undefined) return { ...reference, statistics: undefined }
    const known = references.map(({ id: other }) => show(other)).join(', ')
    throw new ConfigError(`The recipe names the source ${show(id)}, which is not among ${known}.`)
  })
}

function requireNoSource(target: string, { sources, statistics }: OpenSources): void {
  if (!existsSync(target)) return
  const real = realpathSync(target)
  for (const [s, { id, checkpoint }] of sources.entries()) {
    if ([...checkpoint.files, ...(statistics[s]?.files ?? [])].some(file => realpathSync(file) === real)) {
      throw new ConfigError(`${target} is a file of the source ${show(id)}, and would be overwritten.`, {
        hint: 'Choose another place.',
      })
    }
  }
}
