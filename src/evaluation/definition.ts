import { z } from 'zod'
import type { JsonValue } from '../candidate.ts'
import { ConfigError, nearest, show } from '../errors.ts'
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

/** @throws {ConfigError} with one line per issue: where, which member, what is wrong. */
export function parseOptions<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const known = memberNames(schema)
  const lines = result.error.issues.map(issue => {
    const at = issue.path.length === 0 ? '' : `${issue.path.map(String).join('.')}: `
    if (issue.code !== 'unrecognized_keys') return `${where}: ${at}${issue.message}`
    const near = issue.keys.map(key => nearest(key, known)).find(name => name !== undefined)
    const guess = near === undefined ? '' : ` Did you mean ${show(near)}?`
    return `${where}: ${at}unknown member ${issue.keys.map(key => show(key)).join(', ')}.${guess}`
  })
  throw new ConfigError(lines.join('\n'))
}

/** Every member name that occurs anywhere in a schema. */
function memberNames(schema: z.ZodType): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    for (const [key, value] of Object.entries(node)) {
      if (key === 'properties' && typeof value === 'object' && value !== null)
        for (const name of Object.keys(value)) names.add(name)
      visit(value)
    }
  }
  visit(z.toJSONSchema(schema, { unrepresentable: 'any' }))
  return names
}
