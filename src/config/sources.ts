import { basename, dirname, extname, resolve } from 'node:path'
import { show } from '../errors.ts'
import type { SourceReference } from '../merge/model.ts'
import { splitModelPath } from '../merge/model-path.ts'
import { type GenomeConfig, genomeSchema, methodNames } from '../space/genome-config.ts'
import { genomeProblems, unknownName } from '../space/genome-problems.ts'
import { methodsWithStatistics, neededBy, searchableMethod } from '../space/methods.ts'
import { isRecord, type Problem } from './issues.ts'
import { type ModelEntry, searchFileSchema } from './schema.ts'
import type { Path } from './yaml.ts'

/** What is found at a path. `files`: which of the usual names a folder holds. */
export type Found =
  | { readonly kind: 'nothing' | 'file' }
  | { readonly kind: 'folder'; readonly files: readonly string[] }

/** Names that make a folder a model; the last is pickled, so it is refused with the reason. */
export const MODEL_FILES = ['model.safetensors', 'model.safetensors.index.json', 'pytorch_model.bin'] as const

/** Names that make a folder a low-rank adapter. */
export const ADAPTER_FILES = ['adapter_config.json', 'adapter_model.safetensors'] as const

export interface ResolvedSources {
  readonly genome: GenomeConfig
  readonly sources: readonly SourceReference[]
  readonly models: readonly string[]
  readonly base: string | undefined
  readonly notes: readonly string[]
}

/**
 * The models of a `genome:` section: ids, absolute paths, which are merged and which is the base.
 * @param section what stands under `genome:`; parts that do not fit the schema are skipped, their issues are reported with the file's.
 * @param folder paths are relative to it.
 * @param look what is at an absolute path.
 */
export function resolveSources(
  section: unknown,
  folder: string,
  look: (path: string) => Found,
): { readonly sources: ResolvedSources | undefined; readonly problems: readonly Problem[] } {
  const { models: writtenModels, base_model: writtenBase, ...rest } = isRecord(section) ? section : {}
  const { shape } = searchFileSchema.shape.genome
  const parsedModels = shape.models.safeParse(writtenModels)
  const parsedBase = shape.base_model.safeParse(writtenBase)
  const entries = parsedModels.data ?? []
  const baseEntry = parsedBase.data
  const genome = genomeSchema.safeParse(rest).data
  const problems: Problem[] = []
  const sources: SourceReference[] = []
  const taken = new Set(entries.flatMap(entry => explicitId(entry) ?? []))
  const locate = (entry: ModelEntry, path: Path): string => {
    const written = pathOf(entry)
    const found = locateModel(written, entry === baseEntry ? undefined : writtenBasePath(), folder, look)
    if (found.problem !== undefined)
      problems.push({ path: typeof entry === 'string' ? path : [...path, 'path'], message: found.problem })
    return found.path
  }
  const writtenBasePath = (): string | undefined => {
    const named = typeof baseEntry === 'string' ? entries.find(entry => explicitId(entry) === baseEntry) : undefined
    return baseEntry === undefined ? undefined : pathOf(named ?? baseEntry)
  }
  const locateStatistics = (entry: ModelEntry, path: Path): string | undefined => {
    const written = typeof entry === 'string' ? undefined : entry.statistics
    if (written === undefined) return undefined
    const absolute = resolve(folder, written)
    const problem = checkStatistics(written, absolute, look)
    if (problem !== undefined) problems.push({ path: [...path, 'statistics'], message: problem })
    return absolute
  }
  const identify = (entry: ModelEntry, path: string): string => {
    const id = explicitId(entry) ?? freeId(path, taken)
    taken.add(id)
    return id
  }
  entries.forEach((entry, i) => {
    const path = locate(entry, ['genome', 'models', i])
    const id = identify(entry, path)
    const same = sources.findIndex(source => source.path === path)
    if (same >= 0) problems.push({ path: ['genome', 'models', i], message: `the same model as models[${same}]` })
    if (sources.some(source => source.id === id)) {
      problems.push({ path: ['genome', 'models', i, 'id'], message: `the id ${show(id)} is taken by an earlier model` })
    }
    const statistics = locateStatistics(entry, ['genome', 'models', i])
    sources.push({ id, path, ...(statistics !== undefined && { statistics }) })
  })

  let base: string | undefined
  if (baseEntry !== undefined) {
    const named = typeof baseEntry === 'string' ? entries.findIndex(entry => explicitId(entry) === baseEntry) : -1
    const path = named >= 0 ? sources[named]!.path : locate(baseEntry, ['genome', 'base_model'])
    const model = sources.find(source => source.path === path)
    base = model?.id ?? identify(baseEntry, path)
    if (!model) {
      if (sources.some(source => source.id === base)) {
        problems.push({ path: ['genome', 'base_model', 'id'], message: `the id ${show(base)} is taken by a model` })
      }
      sources.push({ id: base, path })
    }
  }

  if (typeof baseEntry === 'object' && baseEntry.statistics !== undefined) {
    const message = 'statistics are of the models that are merged; give them there'
    problems.push({ path: ['genome', 'base_model', 'statistics'], message })
  }
  const notes: string[] = []
  const ids = sources.slice(0, entries.length).map(source => source.id)
  const usesBase = genome && methodNames(genome).some(name => (searchableMethod(name)?.base ?? 'none') !== 'none')
  const models = usesBase ? ids.filter(id => id !== base) : ids
  if (models.length < ids.length)
    notes.push(`genome.models: ${show(base)} is the base, so it gets no weight of its own.`)
  if (genome && parsedModels.success && parsedBase.success) {
    problems.push(...genomeProblems(genome, models, base).map(p => ({ ...p, path: ['genome', ...p.path] })))
    problems.push(...statisticsProblems(methodNames(genome), models, sources))
  }
  const tokenizer = checkTokenizer(rest.tokenizer_source, base, ids, entries)
  if (tokenizer !== undefined) problems.push({ path: ['genome', 'tokenizer_source'], message: tokenizer })
  const complete = genome && parsedModels.success && parsedBase.success && problems.length === 0
  return { sources: complete ? { genome, sources, models, base, notes } : undefined, problems }
}

/** A method needs statistics of every model that is merged; where none does, they would be of no effect. */
function statisticsProblems(
  methods: readonly string[],
  models: readonly string[],
  sources: readonly SourceReference[],
): Problem[] {
  const [needy] = methodsWithStatistics(methods)
  if (needy === undefined) {
    const verb = methods.length === 1 ? 'merges' : 'merge'
    return sources.flatMap(({ statistics }, i) =>
      statistics === undefined
        ? []
        : [
            {
              path: ['genome', 'models', i, 'statistics'],
              message: `${methods.join(' and ')} ${verb} without statistics; drop the key`,
            },
          ],
    )
  }
  const without = models.filter(id => sources.find(source => source.id === id)?.statistics === undefined)
  if (without.length === 0) return []
  const few = without.slice(0, 8).map(id => show(id))
  const names = `${few.join(', ')}${few.length < without.length ? ', ...' : ''}`
  const message = `${needy.name} needs ${neededBy(needy.name)}, and ${names} ${without.length === 1 ? 'has' : 'have'} none: say {path: ..., statistics: FILE.safetensors}; docs/statistics.md says what must be in it`
  return [{ path: ['genome', 'merge_method'], message }]
}

function pathOf(entry: ModelEntry): string {
  return typeof entry === 'string' ? entry : entry.path
}

function explicitId(entry: ModelEntry): string | undefined {
  return typeof entry === 'string' ? undefined : entry.id
}

/** An id from the name of a file, or of its folder where the file has the usual name; numbered where it is taken. */
function freeId(path: string, taken: ReadonlySet<string>): string {
  const stem = stemOf(path)
  const name = ['model', 'pytorch_model'].includes(stem) && extname(path) !== '' ? basename(dirname(path)) : stem
  const word =
    name
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9_]+/, '')
      .slice(0, 120) || 'model'
  for (let n = 1; ; n++) {
    const id = n === 1 ? word : `${word}-${n}`
    if (!taken.has(id)) return id
  }
}

/** The name of a file without the extension of a model or config. */
export function stemOf(path: string): string {
  return basename(path).replace(/\.(?:safetensors|onnx|ya?ml|json)$/i, '')
}

/**
 * Where a model is: a path, or `model+adapter` with both parts absolute. An adapter on its own is one of the base.
 * @param base as written in the file
 */
function locateModel(
  written: string,
  base: string | undefined,
  folder: string,
  look: (path: string) => Found,
): { readonly path: string; readonly problem: string | undefined } {
  const split = splitModelPath(written, part => look(resolve(folder, part)).kind !== 'nothing') ?? [written]
  const alone = split.length === 1 && isAdapter(look(resolve(folder, written)))
  if (alone && base === undefined) {
    const problem = `${show(written)} is an adapter, which means nothing without its model; write it as "MODEL+ADAPTER", or give "base_model"`
    return { path: resolve(folder, written), problem }
  }
  const [model, ...adapters] = alone
    ? [...(splitModelPath(base!, part => look(resolve(folder, part)).kind !== 'nothing') ?? [base!]), written]
    : split
  const problem =
    checkModel(model!, resolve(folder, model!), look) ??
    adapters.map(adapter => checkAdapter(adapter, look(resolve(folder, adapter)))).find(found => found !== undefined)
  return { path: [model!, ...adapters].map(part => resolve(folder, part)).join('+'), problem }
}

function isAdapter(found: Found): boolean {
  return found.kind === 'folder' && found.files.includes(ADAPTER_FILES[0]) && !found.files.includes(MODEL_FILES[0])
}

function checkAdapter(written: string, found: Found): string | undefined {
  const missing = ADAPTER_FILES.find(name => found.kind !== 'folder' || !found.files.includes(name))
  if (missing === undefined) return undefined
  return `what follows a "+" is the folder of a low-rank adapter, with ${ADAPTER_FILES.join(' and ')}; ${show(written)} has no ${missing}`
}

/** What keeps a path from being a model, if anything. Its content is read later. */
function checkModel(written: string, path: string, look: (path: string) => Found): string | undefined {
  const found = look(path)
  const pickled = 'pickled weights can run code when they are read; save them as .safetensors'
  if (found.kind === 'nothing') {
    const advice = written.includes('+')
      ? 'of "model+adapter" both are paths, relative to the folder of this file'
      : /^[\w-][\w.-]*\/[\w.-]+(?:@[\w.-]+)?$/.test(written)
        ? 'if it is the name of a model on a hub, download it first and give its folder'
        : 'paths are relative to the folder of this file'
    return `found no model ${show(written)}: there is no ${show(path, 400)}; ${advice}`
  }
  if (found.kind === 'folder') {
    const [plain, sharded, pickle] = MODEL_FILES
    if (found.files.includes(plain) || found.files.includes(sharded)) return undefined
    const advice = found.files.includes(pickle) ? `; it has ${pickle}, but ${pickled}` : ''
    return `expected a folder with ${plain} or ${sharded}, but ${show(path, 400)} has neither${advice}`
  }
  const extension = extname(path).toLowerCase()
  if (['.safetensors', '.onnx'].includes(extension)) return undefined
  const advice = ['.bin', '.pt', '.pth', '.ckpt', '.pkl'].includes(extension) ? `; ${pickled}` : ''
  return `expected a .safetensors or .onnx file or a folder, got ${show(written)}${advice}`
}

/** What keeps a path from being a file of statistics, if anything. Its content is read later. */
function checkStatistics(written: string, path: string, look: (path: string) => Found): string | undefined {
  const found = look(path)
  if (found.kind === 'nothing')
    return `found no statistics ${show(written)}: there is no ${show(path, 400)}; paths are relative to the folder of this file`
  const [plain, sharded] = MODEL_FILES
  const fits =
    found.kind === 'folder'
      ? found.files.includes(plain) || found.files.includes(sharded)
      : extname(path).toLowerCase() === '.safetensors'
  return fits ? undefined : `expected a .safetensors file or a folder with ${plain} or ${sharded}, got ${show(written)}`
}

function checkTokenizer(
  tokenizer: unknown,
  base: string | undefined,
  ids: readonly string[],
  entries: readonly ModelEntry[],
): string | undefined {
  if (typeof tokenizer !== 'string') return undefined
  if (tokenizer === 'base') return base === undefined ? '"base" needs "base_model"' : undefined
  if (tokenizer === 'union') {
    return 'a union of vocabularies does not exist in this version; models need equal vocabularies: use "base", or drop the key'
  }
  const paths = entries.map(entry => (typeof entry === 'string' ? entry : entry.path))
  if (ids.includes(tokenizer) || paths.includes(tokenizer)) return undefined
  return unknownName('tokenizer source', tokenizer, ['base', ...ids])
}
