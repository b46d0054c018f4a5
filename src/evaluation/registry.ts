import { z } from 'zod'
import { ConfigError, nearest, show } from '../errors.ts'
import { commandEvaluator } from './command/evaluator.ts'
import { type EvaluatorKind, evaluatorKind, parseOptions } from './definition.ts'
import type { Evaluator } from './evaluator.ts'
import { httpEvaluator } from './http/evaluator.ts'
import type { EvaluatorReference } from './job.ts'
import { moduleEvaluator } from './module.ts'
import { onnxEvaluator } from './onnx/evaluator.ts'
import { withProperties } from './properties/with-properties.ts'

/** All kinds of evaluators, by the word after `kind:`. A new kind is a definition and a line here. */
export const EVALUATORS: ReadonlyMap<string, EvaluatorKind> = new Map(
  [
    evaluatorKind(onnxEvaluator),
    evaluatorKind(commandEvaluator),
    evaluatorKind(httpEvaluator),
    evaluatorKind(moduleEvaluator),
  ].map(kind => [kind.kind, withProperties(kind)]),
)

const headSchema = z.looseObject({
  kind: z.string(),
  id: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'An id has letters, digits, "_", "." and "-" only.'),
})

/**
 * The parsed content of an evaluator file → a reference that means the same in any process.
 * @param folder that of the file: paths in it are relative to it
 * @param where starts messages: the file's name
 * @throws {ConfigError}
 */
export function evaluatorReference(document: unknown, folder: string, where: string): EvaluatorReference {
  const { kind, id, ...options } = parseOptions(headSchema, document, where)
  return { kind, id, options: kindNamed(kind, where).resolve(options, folder, where) }
}

/**
 * Reads and checks what the reference names. Loads no runtime: that is `Evaluator.open()`.
 * @throws {ConfigError | EvaluatorError | FormatError}
 */
export async function createEvaluator(reference: EvaluatorReference): Promise<Evaluator> {
  return kindNamed(reference.kind, `evaluator ${show(reference.id)}`).create(reference.id, reference.options)
}

function kindNamed(name: string, where: string): EvaluatorKind {
  const kind = EVALUATORS.get(name)
  if (kind !== undefined) return kind
  const near = nearest(name, EVALUATORS.keys())
  throw new ConfigError(
    `${where}: unknown evaluator kind ${show(name)}; known are ${[...EVALUATORS.keys()].join(', ')}.`,
    near === undefined ? {} : { hint: `Did you mean ${show(near)}?` },
  )
}
