import { existsSync, readFileSync, type Stats, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { ConfigError, RunStoreError, show } from '../errors.ts'
import type { EvaluatorReference } from '../evaluation/job.ts'
import { EVALUATORS } from '../evaluation/registry.ts'
import { resolveRun, splitCandidate } from '../runs/run-reference.ts'
import { unknownName } from '../space/genome-problems.ts'
import { STRATEGY_DESCRIPTIONS } from '../strategies/descriptions.ts'
import { describeIssues, isRecord } from './issues.ts'
import { readMergekitEvolveKeys } from './mergekit-evolve.ts'
import type { ConfigOverrides } from './overrides.ts'
import { Report } from './report.ts'
import type { KnownRecipe, ObjectiveChoice, ResolvedConfig } from './resolved.ts'
import { parseBytes, type SearchFile, searchFileSchema } from './schema.ts'
import { ADAPTER_FILES, type Found, MODEL_FILES, resolveSources, stemOf } from './sources.ts'
import { decodeText, MAX_BYTES, type Path, parseYaml, type YamlSource } from './yaml.ts'

const { shape } = searchFileSchema
/** Stands for a part that has problems; they are reported together at the end. */
const BROKEN = Symbol('broken')

/**
 * A search-space file, Amalgam's or mergekit-evolve's, with what the caller says on top.
 * @param path relative paths in the file are relative to its folder; those in `overrides` to the working folder.
 * @throws {ConfigError} with all problems at once, one line each: `file:line:column: key: what is wrong`.
 */
export function loadSearchConfig(path: string, overrides: ConfigOverrides = {}): ResolvedConfig {
  const source = readYamlFile(path)
  const folder = dirname(resolve(path))
  const raw = withoutNulls(source.value)
  const report = new Report(source)

  const parsed = searchFileSchema.safeParse(raw)
  if (!parsed.success) report.addIssues(parsed.error.issues, raw, [], searchFileSchema)
  if (!isRecord(raw)) report.throwIfAny()
  const file = isRecord(raw) ? raw : {}
  const { sources, problems } = resolveSources(file.genome, folder, lookAt)
  report.add(problems)
  const evaluator = resolveEvaluator(file, folder, path, overrides, report)
  const strategy = resolveStrategy(file, overrides, report)
  const objectives = resolveObjectives(file, report)
  const warmStart = resolveWarmStart(file, folder, overrides, report)
  const guesses = resolveGuesses(file, folder, overrides, report)
  const evolve = readMergekitEvolveKeys(file, overrides.evaluator !== undefined || file.evaluator !== undefined)
  report.add(evolve.problems)
  const memory = shape.evaluation.safeParse(file.evaluation).data?.memory
  const memoryBytes = memory === undefined ? undefined : parseBytes(memory)
  if (memory !== undefined && memoryBytes === undefined) {
    report.add([
      { path: ['evaluation', 'memory'], message: `expected bytes or a size such as "4 GiB", got ${show(memory)}` },
    ])
  }
  const scalars = resolveScalars(parsed.data, overrides, report)
  report.throwIfAny()
  if (!parsed.success || !sources || evaluator === BROKEN || strategy === BROKEN || scalars === BROKEN) {
    throw new TypeError('A part of the config is broken, but no problem was reported.')
  }

  return {
    format: 1,
    configPath: resolve(path),
    genome: sources.genome,
    sources: sources.sources,
    models: sources.models,
    ...(sources.base === undefined ? {} : { base: sources.base }),
    evaluator,
    ...(objectives === undefined ? {} : { objectives }),
    strategy,
    ...(warmStart === undefined ? {} : { warmStart }),
    ...(guesses.length === 0 ? {} : { guesses }),
    ...scalars,
    evaluation: {
      timeoutMs: parsed.data.evaluation.timeout * 1000,
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
    },
    ...racingOf(parsed.data),
    baselines: { randomSearch: parsed.data.baselines.random_search },
    notes: [...sources.notes, ...evolve.notes],
  }
}

/**
 * An evaluator file: `kind`, `id` (default: the file's name) and the options of that kind.
 * @throws {ConfigError} with all problems at once.
 */
export function loadEvaluatorFile(path: string): EvaluatorReference {
  const source = readYamlFile(path)
  const report = new Report(source)
  const reference = evaluatorFrom(source.value, [], dirname(resolve(path)), stemOf(path), report)
  report.throwIfAny()
  if (reference === BROKEN) throw new TypeError('The evaluator is broken, but no problem was reported.')
  return reference
}

/** Any YAML or JSON file against a schema. @throws {ConfigError} with all problems at once. */
export function loadYamlFile<T>(path: string, schema: z.ZodType<T>): T {
  const source = readYamlFile(path)
  const result = schema.safeParse(source.value)
  if (result.success) return result.data
  const report = new Report(source)
  report.addIssues(result.error.issues, source.value, [], schema)
  report.throwIfAny()
  throw new TypeError('The file is broken, but no problem was reported.')
}

/** A YAML file as plain data, before anybody has said what it must hold. @throws {ConfigError} */
export function parseYamlFile(path: string): unknown {
  return readYamlFile(path).value
}

function readYamlFile(path: string): YamlSource {
  const stats = statsOf(path)
  if (!stats) throw new ConfigError(`${path}: no such file.`, { hint: `Looked for ${resolve(path)}.` })
  if (!stats.isFile())
    throw new ConfigError(`${path}: expected a YAML file, got ${stats.isDirectory() ? 'a folder' : 'something else'}.`)
  if (stats.size > MAX_BYTES)
    throw new ConfigError(`${path}: expected a config of at most ${MAX_BYTES} bytes, got ${stats.size}.`)
  return parseYaml(decodeText(readFileSync(path), path), path)
}

/** `undefined` also for what cannot be looked at: no permission, a name that no file can have. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

function lookAt(path: string): Found {
  const stats = statsOf(path)
  if (!stats) return { kind: 'nothing' }
  if (!stats.isDirectory()) return { kind: 'file' }
  return { kind: 'folder', files: [...MODEL_FILES, ...ADAPTER_FILES].filter(name => existsSync(join(path, name))) }
}

/** A known key without a value is as if it were not there, as in other readers of such files. */
function withoutNulls(value: unknown): unknown {
  const drop = (map: Readonly<Record<string, unknown>>, known: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(Object.entries(map).filter(([key, v]) => v !== null || !Object.hasOwn(known, key)))
  if (!isRecord(value)) return value
  const top = drop(value, shape)
  return isRecord(top.genome) ? { ...top, genome: drop(top.genome, shape.genome.shape) } : top
}

function resolveEvaluator(
  file: Readonly<Record<string, unknown>>,
  folder: string,
  configPath: string,
  overrides: ConfigOverrides,
  report: Report,
): EvaluatorReference | typeof BROKEN {
  if (overrides.evaluator !== undefined) return loadEvaluatorFile(overrides.evaluator)
  const parsed = shape.evaluator.safeParse(file.evaluator)
  if (!parsed.success) return BROKEN // reported with the whole file
  const { data } = parsed
  if (data === undefined) {
    // With tasks, the mergekit-evolve reader says what is missing.
    if (file.tasks === undefined) {
      report.add([
        {
          path: ['evaluator'],
          message: 'missing: say what scores a merge, with "evaluator: FILE" here or "--evaluator FILE"',
        },
      ])
    }
    return BROKEN
  }
  if (typeof data !== 'string') return evaluatorFrom(data, ['evaluator'], folder, stemOf(configPath), report)
  const path = resolve(folder, data)
  if (!statsOf(path)) {
    report.add([
      {
        path: ['evaluator'],
        message: `found no evaluator file ${show(data)}: there is no ${show(path, 400)}; paths are relative to the folder of this file`,
      },
    ])
    return BROKEN
  }
  try {
    return loadEvaluatorFile(path)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    report.addLine(error.message)
    return BROKEN
  }
}

const evaluatorId = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'an evaluator id has letters, digits, "_", "." and "-" only, at most 64')

/** @param prefix where the evaluator stands in the file of the report */
function evaluatorFrom(
  value: unknown,
  prefix: Path,
  folder: string,
  defaultId: string,
  report: Report,
): EvaluatorReference | typeof BROKEN {
  const refuse = (path: Path, message: string): typeof BROKEN => {
    report.add([{ path: [...prefix, ...path], message }])
    return BROKEN
  }
  if (!isRecord(value)) return refuse([], `expected a map of keys with "kind", got ${show(value)}`)
  const { kind: kindName, id: writtenId, ...options } = value
  if (typeof kindName !== 'string')
    return refuse(['kind'], kindName === undefined ? 'missing' : `expected text, got ${show(kindName)}`)
  const kind = EVALUATORS.get(kindName)
  if (!kind) return refuse(['kind'], unknownName('evaluator kind', kindName, [...EVALUATORS.keys()]))
  const id = evaluatorId.safeParse(writtenId ?? defaultId.replace(/[^A-Za-z0-9_.-]+/g, '-').slice(0, 64))
  if (!id.success) refuse(['id'], id.error.issues[0]!.message)
  const checked = kind.options.safeParse(options)
  if (!checked.success) report.addIssues(checked.error.issues, options, prefix, kind.options)
  if (!checked.success || !id.success) return BROKEN
  return { kind: kindName, id: id.data, options: kind.resolve(options, folder, `evaluator ${show(id.data)}`) }
}

function resolveStrategy(
  file: Readonly<Record<string, unknown>>,
  overrides: ConfigOverrides,
  report: Report,
): ResolvedConfig['strategy'] | typeof BROKEN {
  const parsed = shape.strategy.safeParse(file.strategy)
  if (!parsed.success) return BROKEN // reported with the whole file
  const written = typeof parsed.data === 'string' ? { kind: parsed.data } : parsed.data
  const fromFile = overrides.strategy === undefined || overrides.strategy === written.kind
  const { kind, ...options } = fromFile ? written : { kind: overrides.strategy }
  const definition = Object.hasOwn(STRATEGY_DESCRIPTIONS, kind) ? STRATEGY_DESCRIPTIONS[kind] : undefined
  if (!definition) {
    const message = unknownName('strategy', kind, Object.keys(STRATEGY_DESCRIPTIONS))
    if (fromFile && overrides.strategy === undefined) {
      report.add([{ path: typeof parsed.data === 'string' ? ['strategy'] : ['strategy', 'kind'], message }])
    } else report.addLine(`strategy: ${message}`)
    return BROKEN
  }
  const checked = definition.options.safeParse(options)
  if (checked.success) return { kind, options: JSON.parse(JSON.stringify(checked.data)) }
  report.addIssues(checked.error.issues, options, ['strategy'], definition.options)
  return BROKEN
}

function resolveObjectives(
  file: Readonly<Record<string, unknown>>,
  report: Report,
): readonly ObjectiveChoice[] | undefined {
  const parsed = shape.objectives.safeParse(file.objectives)
  const choices = parsed.data?.map(choice => (typeof choice === 'string' ? { name: choice } : choice))
  choices?.forEach(({ name }, i) => {
    if (choices.findIndex(other => other.name === name) < i) {
      report.add([{ path: ['objectives', i], message: `${show(name)} is listed twice` }])
    }
  })
  return choices
}

function resolveWarmStart(
  file: Readonly<Record<string, unknown>>,
  folder: string,
  overrides: ConfigOverrides,
  report: Report,
): string | undefined {
  const said = overrides.warmStart
  if (said !== undefined) return runFolder(said, '.', message => report.addLine(`--warm-start: ${message}`))
  const written = shape.warm_start.safeParse(file.warm_start).data
  if (written === undefined) return undefined
  return runFolder(written, folder, message => report.add([{ path: ['warm_start'], message }]))
}

function resolveGuesses(
  file: Readonly<Record<string, unknown>>,
  folder: string,
  overrides: ConfigOverrides,
  report: Report,
): readonly KnownRecipe[] {
  const written = shape.guesses.safeParse(file.guesses).data ?? []
  return [
    ...written.map((text, i) => knownRecipe(text, folder, message => report.add([{ path: ['guesses', i], message }]))),
    ...(overrides.guesses ?? []).map(text => knownRecipe(text, '.', message => report.addLine(`--guess: ${message}`))),
  ].filter(known => known !== undefined)
}

function knownRecipe(text: string, folder: string, refuse: (message: string) => void): KnownRecipe | undefined {
  const path = resolve(folder, text)
  if (statsOf(path)?.isFile()) return { path }
  const split = splitCandidate(text)
  if (split === undefined) {
    refuse(
      `found no recipe file ${show(text)}: there is no ${show(path, 400)}, and it is not of the form RUN:CANDIDATE`,
    )
    return undefined
  }
  const run = runFolder(split.run, folder, refuse)
  return run === undefined ? undefined : { path: run, candidate: split.candidate }
}

function runFolder(text: string, folder: string, refuse: (message: string) => void): string | undefined {
  try {
    return resolveRun(text, folder)
  } catch (error) {
    if (!(error instanceof RunStoreError)) throw error
    refuse([error.message, error.hint].filter(part => part !== undefined).join(' '))
    return undefined
  }
}

function racingOf({ racing }: SearchFile): Pick<ResolvedConfig, 'racing'> {
  if (racing === false) return {}
  return { racing: racing === true ? { eta: 2, alpha: 0.05, share: 1 / 4 } : racing }
}

/** The plain settings, the caller's before the file's. */
function resolveScalars(
  file: SearchFile | undefined,
  overrides: ConfigOverrides,
  report: Report,
): Pick<ResolvedConfig, 'budget' | 'seed' | 'slots' | 'workers' | 'mode'> | typeof BROKEN {
  const schema = z.strictObject({
    budget: shape.budget,
    seed: shape.seed,
    slots: shape.slots,
    workers: shape.workers,
    mode: shape.mode,
  })
  const { budget, seed, slots, workers, mode } = overrides
  const said = Object.entries({ budget, seed, slots, workers, mode }).filter(([, value]) => value !== undefined)
  const top = schema.partial().safeParse(Object.fromEntries(said))
  if (!top.success) {
    for (const { path, message } of describeIssues(top.error.issues, Object.fromEntries(said), {})) {
      report.addLine(`${path.join('.')}: ${message}`)
    }
    return BROKEN
  }
  if (file === undefined) return BROKEN
  return {
    budget: budget ?? file.budget,
    seed: seed ?? file.seed,
    slots: slots ?? file.slots,
    workers: workers ?? file.workers,
    mode: mode ?? file.mode,
  }
}
