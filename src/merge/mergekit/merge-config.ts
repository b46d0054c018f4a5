import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { ConfigError, FormatError, show } from '../../errors.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import { requireInside } from '../../formats/opened-file.ts'
import { SHARD_BYTES, ShardedWriter } from '../../formats/shards.ts'
import { writeText } from '../../formats/write-file.ts'
import { indexLayers } from '../../space/layer-groups.ts'
import { storedTensors } from '../lora-checkpoint.ts'
import { copyCompanions, type WrittenModel, writeModelFolder } from '../model-folder.ts'
import { splitModelPath } from '../model-path.ts'
import type { NonFinite } from '../non-finite.ts'
import { modelFolder, openModel } from '../open-model.ts'
import type { MemoryNeed } from '../operators/memory-need.ts'
import { findOperator } from '../operators/registry.ts'
import type { MergeProgram } from '../program/program.ts'
import { programSpecs, writeProgram } from '../program/write-program.ts'
import { digestFiles, digestsByName } from '../sources.ts'
import { Statistics } from '../statistics.ts'
import { readStatisticsTable, type StatisticsTable } from '../statistics-table.ts'
import type { StreamOptions } from '../stream/write-tensors.ts'
import { chooseChatTemplate } from './chat-template.ts'
import { compileMergekit, type KnownModel } from './compile.ts'
import { readMaskOrigin } from './export-text.ts'
import { modelCard } from './model-card.ts'
import { type MergekitConfig, mergekitSchema } from './schema.ts'
import { parseVocabulary, requireSameVocabulary, type Vocabulary } from './tokenizer.ts'

/** The rim of mergekit configurations: models on disk in, a model folder out. */

export interface MergekitOptions {
  /** Folder that model paths are relative to. */
  readonly folder: string
  /** The configuration's own text: it goes into the folder, as mergekit writes it. */
  readonly text: string
  /** Of random masks. Default: what the text says where it was exported here, else 0. */
  readonly seed?: number
  /** Most bytes of one weight file. Default 5 GB. */
  readonly shardBytes?: number
  /** Whether the model card tells the SHA-256 of the models' files. Default true; takes half a second a gigabyte. */
  readonly digests?: boolean
  readonly stream?: StreamOptions
  /** NaN and infinities in the weights are merged and listed, instead of being refused. */
  readonly allowNonFinite?: boolean
  /** As `WriteOptions.onMemoryNeed`. */
  readonly onMemoryNeed?: (need: MemoryNeed) => void
}

export interface MergedFolder extends WrittenModel {
  readonly remarks: readonly string[]
  /** NaN and infinities that were written, by tensor; empty unless they are allowed. */
  readonly nonFinite: readonly NonFinite[]
}

/** Where a config says how many layers there are. */
const LAYER_KEYS = ['num_hidden_layers', 'n_layer', 'num_layers', 'n_layers'] as const

/**
 * Merges as a mergekit configuration says. Nothing appears under `out` before it is whole.
 * @param parsed the configuration, as parsed from YAML or JSON
 * @param out a folder that is new or empty
 * @throws {ConfigError | FormatError | MergeError}
 */
export async function mergeMergekit(parsed: unknown, out: string, options: MergekitOptions): Promise<MergedFolder> {
  const config = parseMergekit(parsed)
  refuseTokenizerUnions(config)
  const origin = readMaskOrigin(options.text)
  const toldSeed = origin?.seed ?? 0
  const seed = options.seed ?? toldSeed
  const target = resolve(out)
  const opened = openModels(config, options.folder)
  try {
    const program = compileMergekit(
      config,
      new Map([...opened].map(([name, { known }]) => [name, known])),
      seed,
      origin?.ids,
    )
    const donor = opened.get(tokenizerDonor(config, program.models))!
    if ((config.tokenizer_source ?? config.tokenizer?.source) !== undefined) requireOneTokenizer(donor, opened)
    const chatTemplate =
      config.chat_template === undefined
        ? undefined
        : chooseChatTemplate(
            config.chat_template,
            [...opened.values()].map(({ path }) => chatTemplateOf(path)),
          )
    const template = opened.get(config.base_model ?? program.models[0]!)!
    const models = program.models.map(name => {
      const { checkpoint, statistics } = opened.get(name)!
      return { name, checkpoint, statistics }
    })
    let nonFinite: readonly NonFinite[] = []
    const written = await writeModelFolder(target, async folder => {
      const weights = await writeWeights(program, models, folder, options)
      const names = [...weights.files]
      nonFinite = weights.nonFinite
      names.push(...writeConfig(template.path, folder, config, program), ...copyCompanions(donor.path, folder))
      if (chatTemplate !== undefined) names.push(...writeChatTemplate(chatTemplate, folder, names))
      writeText(join(folder, 'mergekit_config.yml'), options.text)
      const digests = options.digests === false ? undefined : await digestModels(models)
      writeText(
        join(folder, 'README.md'),
        modelCard({
          config,
          text: options.text,
          seed: seed === toldSeed ? undefined : seed,
          models: program.models,
          digests,
          name: basename(target),
          nonFinite,
        }),
      )
      return [...names, 'mergekit_config.yml', 'README.md']
    })
    return { ...written, remarks: program.remarks, nonFinite }
  } finally {
    for (const { checkpoint } of opened.values()) checkpoint.close()
  }
}

interface NamedModel {
  readonly name: string
  readonly checkpoint: Checkpoint
  readonly statistics: StatisticsTable | undefined
}

async function writeWeights(
  program: MergeProgram,
  models: readonly NamedModel[],
  folder: string,
  { shardBytes = SHARD_BYTES, stream, allowNonFinite = false, onMemoryNeed }: MergekitOptions,
): Promise<{ readonly files: readonly string[]; readonly nonFinite: readonly NonFinite[] }> {
  const statistics = new Statistics(
    models.map(({ name }) => name),
    models.map(model => model.statistics),
  )
  const writer = new ShardedWriter(folder, programSpecs(program), new Map([['format', 'pt']]), shardBytes)
  try {
    const checkpoints = models.map(({ checkpoint }) => checkpoint)
    const options = { stream, allowNonFinite, onMemoryNeed }
    const nonFinite = await writeProgram(program, checkpoints, statistics, writer, options)
    writer.commit()
    return { files: writer.files, nonFinite }
  } finally {
    writer.abort()
    statistics.close()
  }
}

/** Model → name of each of its files → SHA-256. */
async function digestModels(models: readonly NamedModel[]): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const digests = new Map<string, ReadonlyMap<string, string>>()
  for (const { name, checkpoint, statistics } of models) {
    const files = new Set([...checkpoint.files, ...(statistics?.files ?? [])])
    digests.set(name, new Map(Object.entries(digestsByName(await digestFiles([...files])))))
  }
  return digests
}

/** Whether a parsed file is meant as a mergekit configuration. */
export function looksLikeMergekit(parsed: unknown): boolean {
  return (
    typeof parsed === 'object' &&
    parsed !== null &&
    'merge_method' in parsed &&
    ('models' in parsed || 'slices' in parsed || 'modules' in parsed)
  )
}

/** @throws {ConfigError} naming the key. */
export function parseMergekit(parsed: unknown): MergekitConfig {
  const result = mergekitSchema.safeParse(parsed)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const place = issue!.path.length === 0 ? 'The configuration' : issue!.path.join('.')
  throw new ConfigError(`${place}: ${issue!.message}.`, { hint: 'Expected a mergekit configuration.' })
}

function refuseTokenizerUnions({ tokenizer, tokenizer_source: source }: MergekitConfig): void {
  const wanted = source ?? tokenizer?.source
  if (wanted === 'union') {
    throw new ConfigError('tokenizer_source: union would make a new vocabulary, which is not supported.', {
      hint: 'Use base, or the name of one of the models.',
    })
  }
  if (tokenizer?.tokens !== undefined)
    throw new ConfigError('tokenizer.tokens is not supported; use tokenizer_source: base or a model.')
}

function tokenizerDonor(
  { tokenizer, tokenizer_source: source, base_model: base }: MergekitConfig,
  models: readonly string[],
): string {
  const wanted = source ?? tokenizer?.source ?? 'base'
  if (wanted === 'base') return base ?? models[0]!
  const name = wanted.startsWith('model:') ? wanted.slice('model:'.length) : wanted
  if (models.includes(name)) return name
  throw new ConfigError(
    `tokenizer_source names ${show(name)}, which is none of the models ${models.map(model => show(model)).join(', ')}.`,
  )
}

/** Where the models' own vocabularies are known. @throws {ConfigError} where a token has different rows */
function requireOneTokenizer(donor: OpenedModel, opened: ReadonlyMap<string, OpenedModel>): void {
  const vocabulary = vocabularyOf(donor.path)
  if (vocabulary === undefined) return
  for (const [name, { path }] of opened) {
    const own = path === donor.path ? undefined : vocabularyOf(path)
    if (own !== undefined) requireSameVocabulary({ name: donor.known.name, vocabulary }, { name, vocabulary: own })
  }
}

function vocabularyOf(path: string): Vocabulary | undefined {
  const file = join(path, 'tokenizer.json')
  return isFile(file) ? parseVocabulary(readFileSync(file, 'utf8'), file) : undefined
}

const CHAT_TEMPLATE = 'chat_template.jinja'
const TOKENIZER_CONFIG = 'tokenizer_config.json'

function chatTemplateOf(path: string): string | undefined {
  const file = join(path, CHAT_TEMPLATE)
  if (isFile(file)) return readFileSync(file, 'utf8')
  const own = readJson(join(path, TOKENIZER_CONFIG))?.chat_template
  return typeof own === 'string' ? own : undefined
}

/** In the file that loaders prefer, and in the config where it has one already. @returns names of files that are new */
function writeChatTemplate(template: string, folder: string, names: readonly string[]): string[] {
  writeText(join(folder, CHAT_TEMPLATE), template)
  const config = readJson(join(folder, TOKENIZER_CONFIG))
  if (config?.chat_template !== undefined) {
    const text = JSON.stringify({ ...config, chat_template: template }, undefined, 2)
    rmSync(join(folder, TOKENIZER_CONFIG)) // the copy: files are written once
    writeText(join(folder, TOKENIZER_CONFIG), `${text}\n`)
  }
  return names.includes(CHAT_TEMPLATE) ? [] : [CHAT_TEMPLATE]
}

interface OpenedModel {
  readonly path: string
  readonly checkpoint: Checkpoint
  readonly known: KnownModel
  readonly statistics: StatisticsTable | undefined
}

function openModels(config: MergekitConfig, folder: string): Map<string, OpenedModel> {
  const names = new Set([
    ...(config.models ?? []).map(({ model }) => model),
    ...(config.slices ?? []).flatMap(({ sources, base_model: base }) => [
      ...sources.map(({ model }) => model),
      ...(base === undefined ? [] : [base]),
    ]),
    ...(config.base_model === undefined ? [] : [config.base_model]),
  ])
  const measured = statisticsOf(config)
  const opened = new Map<string, OpenedModel>()
  try {
    for (const name of names) {
      const path = locate(name, folder)
      const checkpoint = openModel(path)
      const own = modelFolder(path)
      opened.set(name, {
        path: own,
        checkpoint,
        known: { name, tensors: storedTensors(checkpoint), ...factsOf(own) },
        statistics: undefined,
      })
      const file = measured.get(name)
      if (file !== undefined)
        opened.set(name, { ...opened.get(name)!, statistics: tableOf(name, file, folder, checkpoint) })
    }
  } catch (error) {
    for (const { checkpoint } of opened.values()) checkpoint.close()
    throw error
  }
  return opened
}

/**
 * Model → its file of statistics, as written.
 * @throws {ConfigError} where the method needs none, or a model has two
 */
function statisticsOf({ merge_method: method, models = [], slices = [] }: MergekitConfig): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const { model, statistics } of [...models, ...slices.flatMap(({ sources }) => sources)]) {
    if (statistics === undefined) continue
    if (findOperator(method).needs === undefined) {
      throw new ConfigError(`${method} merges without statistics, and ${show(model)} names ${show(statistics)}.`, {
        hint: 'Drop "statistics", or merge by fisher or regmean.',
      })
    }
    const other = files.get(model)
    if (other !== undefined && other !== statistics)
      throw new ConfigError(`${show(model)} names two files of statistics, ${show(other)} and ${show(statistics)}.`)
    files.set(model, statistics)
  }
  return files
}

function tableOf(id: string, file: string, folder: string, { tensors }: Checkpoint): StatisticsTable {
  const path = [resolve(folder, file), resolve(file)].find(candidate => existsSync(candidate))
  if (path === undefined) {
    throw new ConfigError(`There are no statistics ${show(file)} of ${show(id)} in ${folder}.`, {
      hint: 'Paths are relative to the configuration, or to the working folder.',
    })
  }
  const merged = [...tensors.keys()].map(name => [name, { name, transposed: false }] as const)
  return readStatisticsTable(path, { id, tensors, merged })
}

/** A path, relative to the folder of the configuration or to where we are; or `model+adapter`, whose parts are such paths. */
function locate(name: string, folder: string): string {
  const find = (part: string) => [resolve(folder, part), resolve(part)].find(candidate => existsSync(candidate))
  const parts = splitModelPath(name, part => find(part) !== undefined)
  if (parts !== undefined) return parts.map(find).join('+')
  throw new ConfigError(`There is no model ${show(name)} in ${folder}.`, {
    hint: name.includes('+')
      ? 'Of "model+adapter" both are folders on disk: download them first.'
      : 'Models are read from disk: download it first, and give its folder.',
  })
}

function factsOf(path: string): Pick<KnownModel, 'tied' | 'modelType'> {
  const config = readJson(join(path, 'config.json'))
  const { tie_word_embeddings: tied, model_type: modelType } = config ?? {}
  return { tied: tied === true, modelType: typeof modelType === 'string' ? modelType : undefined }
}

/** Also false for what would lie inside a file: a model may be a single one. */
function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile()
}

function readJson(path: string): Record<string, unknown> | undefined {
  if (!isFile(path)) return undefined
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new FormatError(`${path} is not valid JSON.`, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FormatError(`${path} must be a JSON object.`)
  return value as Record<string, unknown> // a JSON object was checked
}

/** The template's config with the result's type and number of layers. */
function writeConfig(
  from: string,
  to: string,
  { dtype, out_dtype: out }: MergekitConfig,
  { tensors }: MergeProgram,
): string[] {
  const name = 'config.json'
  if (!isFile(join(from, name))) return []
  const config = readJson(requireInside(from, name)) ?? {}
  const layers = indexLayers(tensors.map(tensor => tensor.name)).layers.length
  const written = out ?? dtype
  if (written !== undefined) config['dtype' in config && !('torch_dtype' in config) ? 'dtype' : 'torch_dtype'] = written
  const key = LAYER_KEYS.find(word => typeof config[word] === 'number')
  if (key !== undefined && layers > 0) config[key] = layers
  const hasHead = tensors.some(tensor => tensor.name === 'lm_head.weight')
  if (hasHead && config.tie_word_embeddings === true) config.tie_word_embeddings = false
  writeText(join(to, name), `${JSON.stringify(config, undefined, 2)}\n`)
  return [name]
}
