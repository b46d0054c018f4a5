import { z } from 'zod'
import { EVALUATORS } from '../evaluation/registry.ts'
import { STRATEGY_DESCRIPTIONS } from '../strategies/descriptions.ts'
import { searchFileSchema } from './schema.ts'

/**
 * JSON Schemas (2020-12) of the files people write, for editors:
 *
 *     # yaml-language-server: $schema=schema.json
 *
 * They say what the zod schemas say, less the rules that no JSON Schema can express. `scripts/make-schemas.mjs` writes them.
 */
export type JsonSchema = Readonly<Record<string, unknown>>

export function searchFileJsonSchema(): JsonSchema {
  const strategies = Object.values(STRATEGY_DESCRIPTIONS).map(({ kind, summary, options }) =>
    withKind(kind, summary, options, {}),
  )
  const names = z.enum(Object.keys(STRATEGY_DESCRIPTIONS))
  const described = searchFileSchema.extend({
    strategy: z
      .union([names, ...strategies])
      .default('auto')
      .describe(descriptionOf('strategy')),
    evaluator: z
      .union([z.string().min(1), ...evaluators()])
      .optional()
      .describe(descriptionOf('evaluator')),
  })
  return toJsonSchema(described, 'Amalgam search space')
}

export function evaluatorFileJsonSchema(): JsonSchema {
  return toJsonSchema(z.union(evaluators()), 'Amalgam evaluator')
}

/** As committed: two spaces, a final newline. */
export function schemaText(schema: JsonSchema): string {
  return `${JSON.stringify(schema, null, 2)}\n`
}

function descriptionOf(key: 'strategy' | 'evaluator'): string {
  return searchFileSchema.shape[key].description ?? ''
}

function evaluators(): z.ZodObject[] {
  const id = z.string().optional().describe('Name in reports. Default: the name of the file.')
  return [...EVALUATORS.values()].map(({ kind, summary, options }) => withKind(kind, summary, options, { id }))
}

function withKind(kind: string, summary: string, options: z.ZodType, more: z.ZodRawShape): z.ZodObject {
  if (!(options instanceof z.ZodObject)) throw new TypeError(`Expected the options of ${kind} to be an object schema.`)
  return z.strictObject({ kind: z.literal(kind).describe(summary), ...more, ...options.shape }).describe(summary)
}

function toJsonSchema(schema: z.ZodType, title: string): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input' })
  return { $schema, title, ...rest }
}
