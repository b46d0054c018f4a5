import { z } from 'zod'
import type { JsonValue } from '../candidate.ts'
import { ConfigError, show } from '../errors.ts'
import type { EvaluatorReference } from '../evaluation/job.ts'
import { EVALUATORS } from '../evaluation/registry.ts'
import type { SourceReference } from '../merge/model.ts'
import type { RacingOptions } from '../racing/decide.ts'
import { type GenomeConfig, genomeSchema } from '../space/genome-config.ts'
import { genomeProblems } from '../space/genome-problems.ts'
import { STRATEGY_DESCRIPTIONS } from '../strategies/descriptions.ts'
import { describeIssues } from './issues.ts'
import { SOURCE_ID } from './schema.ts'

/** Everything a run needs to know, defaults filled in, paths absolute: goes into the run's manifest and suffices to resume. Plain data. */
export interface ResolvedConfig {
  readonly format: 1
  /** The file it was read from. For people; nothing is read from it again. */
  readonly configPath: string
  readonly genome: GenomeConfig
  /** Every checkpoint: the models in order, then the base where it is not one of them. Ids are unique. */
  readonly sources: readonly SourceReference[]
  /** Ids of the merged models, in order: all models, without the base where a method works on task vectors. */
  readonly models: readonly string[]
  /** Id of the common ancestor. */
  readonly base?: string | undefined
  readonly evaluator: EvaluatorReference
  /** Absent: all objectives of the evaluator, as it defines them. See `selectObjectives`. */
  readonly objectives?: readonly ObjectiveChoice[] | undefined
  readonly strategy: { readonly kind: string; readonly options: JsonValue }
  /** Folder of the run whose trials the search begins with. They are recorded in the new run; this is for people. */
  readonly warmStart?: string | undefined
  /** Recipes to try early. As with `warmStart`. */
  readonly guesses?: readonly KnownRecipe[] | undefined
  readonly budget: number
  readonly seed: number
  readonly slots: number
  readonly workers: number | 'auto'
  readonly mode: 'ordered' | 'async'
  readonly evaluation: { readonly timeoutMs: number; readonly memoryBytes?: number | undefined }
  /** Absent: every candidate is scored on all examples. */
  readonly racing?: RacingOptions | undefined
  readonly baselines: { readonly randomSearch: boolean }
  /** Sentences about keys that were read and have no effect. */
  readonly notes: readonly string[]
}

export interface ObjectiveChoice {
  readonly name: string
  readonly reference?: number | undefined
}

/** A recipe file, or a candidate of a run: its number or `winner`. */
export interface KnownRecipe {
  /** Of the file, or of the run's folder. */
  readonly path: string
  readonly candidate?: string | undefined
}

const sourceId = z.string().regex(SOURCE_ID)
const count = z.int().min(1)

const resolvedSchema = z.strictObject({
  format: z.literal(1),
  configPath: z.string(),
  genome: genomeSchema,
  sources: z
    .array(
      z.strictObject({
        id: sourceId,
        path: z.string().min(1),
        without: z.array(z.string().min(1)).min(1).optional(),
        statistics: z.string().min(1).optional(),
      }),
    )
    .min(1),
  models: z.array(sourceId).min(1),
  base: sourceId.optional(),
  evaluator: z.strictObject({ kind: z.string(), id: z.string(), options: z.json() }),
  objectives: z.array(z.strictObject({ name: z.string(), reference: z.number().optional() })).optional(),
  strategy: z.strictObject({ kind: z.string(), options: z.json() }),
  warmStart: z.string().optional(),
  guesses: z.array(z.strictObject({ path: z.string(), candidate: z.string().optional() })).optional(),
  budget: count,
  seed: z.int(),
  slots: count,
  workers: z.union([count, z.literal('auto')]),
  mode: z.enum(['ordered', 'async']),
  evaluation: z.strictObject({ timeoutMs: z.number().positive(), memoryBytes: count.optional() }),
  racing: z
    .strictObject({ eta: z.number().gt(1), alpha: z.number().gt(0).max(0.5), share: z.number().gt(0).max(1) })
    .optional(),
  baselines: z.strictObject({ randomSearch: z.boolean() }),
  notes: z.array(z.string()),
})

/** For the manifest: without `undefined`, which JSON does not have. */
export function resolvedConfigJson(config: ResolvedConfig): JsonValue {
  return JSON.parse(JSON.stringify(config)) as JsonValue
}

/** Options are trees of any depth, and checking them is recursive: `undefined` where the stack did not suffice. */
function parseBounded(json: unknown): ReturnType<typeof resolvedSchema.safeParse> | undefined {
  try {
    return resolvedSchema.safeParse(json)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/**
 * A resolved config from a manifest, which may be foreign: every part is checked as strictly as a config file.
 * @throws {ConfigError}
 */
export function parseResolvedConfig(json: unknown): ResolvedConfig {
  const refuse = (lines: readonly string[]): never => {
    throw new ConfigError(`The run's recorded config is not valid:\n${lines.map(line => `  ${line}`).join('\n')}`, {
      hint: 'The run was written by another version, or its manifest was changed.',
    })
  }
  const result = parseBounded(json)
  if (!result) return refuse(['it is nested too deeply'])
  if (!result.success) {
    const problems = describeIssues(result.error.issues, json, z.toJSONSchema(resolvedSchema, { io: 'input' }))
    return refuse(problems.map(({ path, message }) => `${path.join('.')}: ${message}`))
  }
  const config = result.data
  const lines: string[] = []
  const ids = config.sources.map(source => source.id)
  const known = new Set(ids)
  if (known.size < ids.length) lines.push(`sources: ids must be unique, got ${show(ids)}`)
  for (const id of [...config.models, ...(config.base === undefined ? [] : [config.base])]) {
    if (!known.has(id)) lines.push(`models: ${show(id)} is not among the sources ${show(ids)}`)
  }
  lines.push(
    ...genomeProblems(config.genome, config.models, config.base).map(
      p => `${['genome', ...p.path].join('.')}: ${p.message}`,
    ),
  )
  const { kind, options } = config.strategy
  const strategy = Object.hasOwn(STRATEGY_DESCRIPTIONS, kind) ? STRATEGY_DESCRIPTIONS[kind] : undefined
  if (!strategy) lines.push(`strategy.kind: unknown strategy ${show(kind)}`)
  else if (!strategy.options.safeParse(options).success) lines.push('strategy.options: not valid for this strategy')
  const evaluator = EVALUATORS.get(config.evaluator.kind)
  if (!evaluator) lines.push(`evaluator.kind: unknown evaluator kind ${show(config.evaluator.kind)}`)
  else if (!evaluator.options.safeParse(config.evaluator.options).success)
    lines.push('evaluator.options: not valid for this kind')
  if (lines.length > 0) refuse(lines)
  return config
}
