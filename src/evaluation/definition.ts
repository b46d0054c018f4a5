import type { z } from 'zod'
import type { JsonValue } from '../candidate.ts'
import { ConfigError, show } from '../errors.ts'
import type { Evaluator } from './evaluator.ts'

/** One kind of evaluator: what `registry.ts` lists. Adding a kind is adding one of these. */
export interface EvaluatorDefinition<Options> {
  /** The word after `kind:` in an evaluator file. */
  readonly kind: string
  /** One sentence for lists and help. */
  readonly summary: string
  readonly options: z.ZodType<Options>
  /** The same options with every path absolute; `folder` is that of the file that names them. */
  resolvePaths(options: Options, folder: string): Options
  /**
   * Reads and checks everything, and leaves the runtime alone: this also happens in the coordinator, which must not load it.
   * @throws {ConfigError | EvaluatorError | FormatError}
   */
  create(id: string, options: Options): Promise<Evaluator>
}

/** A definition whose type of options is its own affair: options go in and out as plain data. */
export interface EvaluatorKind {
  readonly kind: string
  readonly summary: string
  readonly options: z.ZodType
  /** Foreign data → validated options with absolute paths. `where` starts messages: the file's name. */
  resolve(options: unknown, folder: string, where: string): JsonValue
  create(id: string, options: JsonValue): Promise<Evaluator>
}

export function evaluatorKind<Options>(definition: EvaluatorDefinition<Options>): EvaluatorKind {
  const { kind, summary, options: schema } = definition
  return {
    kind,
    summary,
    options: schema,
    // Validated options are plain data: what a schema of YAML can produce.
    resolve: (options, folder, where) =>
      definition.resolvePaths(parseOptions(schema, options, where), folder) as JsonValue,
    create: (id, options) => definition.create(id, parseOptions(schema, options, `evaluator ${show(id)}`)),
  }
}

/**
 * For callers of the API. Config files are checked by `config/load.ts` with the same schemas, which also knows lines and columns.
 * @throws {ConfigError} with one line per issue: where, which member, what is wrong
 */
export function parseOptions<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const lines = result.error.issues.map(({ path, message }) => {
    const at = path.length === 0 ? '' : `${path.map(String).join('.')}: `
    return `${where}: ${at}${message}`
  })
  throw new ConfigError(lines.join('\n'))
}
