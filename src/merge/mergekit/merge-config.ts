import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { ConfigError, FormatError, show } from '../../errors.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import { SHARD_BYTES, ShardedWriter } from '../../formats/shards.ts'
import { syncFolder, temporaryName } from '../../formats/write-file.ts'
import { indexLayers } from '../../space/layer-groups.ts'
import { COMPANIONS } from '../companions.ts'
import { storedTensors } from '../lora-checkpoint.ts'
import { splitModelPath } from '../model-path.ts'
import { modelFolder, openModel } from '../open-model.ts'
import { programSpecs, writeProgram } from '../program/write-program.ts'
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
  readonly stream?: StreamOptions
}

export interface MergedFolder {
  /** Absolute paths, the weights first. */
  readonly files: readonly string[]
  readonly bytes: number
  readonly remarks: readonly string[]
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
  const target = resolve(out)
  requireEmpty(target)
  const opened = openModels(config, options.folder)
  try {
    const program = compileMergekit(
      config,
      new Map([...opened].map(([name, { known }]) => [name, known])),
      options.seed ?? origin?.seed ?? 0,
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
    mkdirSync(dirname(target), { recursive: true })
    const temporary = temporaryName(target)
    mkdirSync(temporary)
    try {
      const writer = new ShardedWriter(
        temporary,
        programSpecs(program),
        new Map([['format', 'pt']]),
        options.shardBytes ?? SHARD_BYTES,
      )
      try {
        await writeProgram(
          program,
          program.models.map(name => opened.get(name)!.checkpoint),
          writer,
          options.stream,
        )
        writer.commit()
      } finally {
        writer.abort()
      }
      const names = [...writer.files]
      const layers = indexLayers(program.tensors.map(({ name }) => name)).layers.length
      names.push(
        ...writeConfig(
          template.path,
          temporary,
          config,
          layers,
          program.tensors.some(({ name }) => name === 'lm_head.weight'),
        ),
      )
      names.push(...copyCompanions(donor.path, temporary))
      if (chatTemplate !== undefined) names.push(...writeChatTemplate(chatTemplate, temporary, names))
      writeFileSync(join(temporary, 'mergekit_config.yml'), options.text)
      writeFileSync(
        join(temporary, 'README.md'),
        modelCard({ config, text: options.text, models: program.models, name: basename(target) }),
      )
      names.push('mergekit_config.yml', 'README.md')
      syncFolder(temporary)
      if (existsSync(target)) rmSync(target, { recursive: true })
      renameSync(temporary, target)
      syncFolder(dirname(target))
      const files = names.map(name => join(target, name))
      return { files, bytes: files.reduce((sum, file) => sum + statSync(file).size, 0), remarks: program.remarks }
    } finally {
      rmSync(temporary, { recursive: true, force: true })
    }
  } finally {
    for (const { checkpoint } of opened.values()) checkpoint.close()
  }
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
  writeFileSync(join(folder, CHAT_TEMPLATE), template)
  const config = readJson(join(folder, TOKENIZER_CONFIG))
  if (config?.chat_template !== undefined) {
    const text = JSON.stringify({ ...config, chat_template: template }, undefined, 2)
    writeFileSync(join(folder, TOKENIZER_CONFIG), `${text}\n`)
  }
  return names.includes(CHAT_TEMPLATE) ? [] : [CHAT_TEMPLATE]
}

interface OpenedModel {
  readonly path: string
  readonly checkpoint: Checkpoint
  readonly known: KnownModel
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
      })
    }
  } catch (error) {
    for (const { checkpoint } of opened.values()) checkpoint.close()
    throw error
  }
  return opened
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
  layers: number,
  hasHead: boolean,
): string[] {
  const config = readJson(join(from, 'config.json'))
  if (config === undefined) return []
  const written = out ?? dtype
  if (written !== undefined) config['dtype' in config && !('torch_dtype' in config) ? 'dtype' : 'torch_dtype'] = written
  const key = LAYER_KEYS.find(name => typeof config[name] === 'number')
  if (key !== undefined && layers > 0) config[key] = layers
  if (hasHead && config.tie_word_embeddings === true) config.tie_word_embeddings = false
  writeFileSync(join(to, 'config.json'), `${JSON.stringify(config, undefined, 2)}\n`)
  return ['config.json']
}

function copyCompanions(from: string, to: string): string[] {
  const copied = COMPANIONS.filter(name => isFile(join(from, name)))
  for (const name of copied) copyFileSync(join(from, name), join(to, name))
  return copied
}

function requireEmpty(target: string): void {
  if (!existsSync(target)) return
  if (statSync(target).isDirectory() && readdirSync(target).length === 0) return
  throw new ConfigError(`${target} exists and is not an empty folder.`, { hint: 'Choose another place, or remove it.' })
}
