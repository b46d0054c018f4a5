import { createRequire, register } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import type { JsonValue } from '../candidate.ts'
import { EvaluatorError, show } from '../errors.ts'
import type { EvaluatorDefinition } from './definition.ts'
import type { Evaluator } from './evaluator.ts'

/**
 * The plug-in route: a JavaScript or TypeScript module of the user's own that exports
 *
 *     export async function createEvaluator(id, options) { return { id, objectives, digest, inputs, open } }
 *
 * with an {@link Evaluator}. It is loaded by every worker and by the coordinator, so it must not start work, or load a runtime,
 * before `open()`. Naming the module in a config is the permission to run it.
 */
const moduleOptionsSchema = z.strictObject({
  path: z.string().min(1).describe('A .js, .mjs or .ts file that exports createEvaluator(id, options).'),
  options: z.json().default(null).describe('Handed to createEvaluator as it is.'),
})
export type ModuleOptions = z.infer<typeof moduleOptionsSchema>

export const moduleEvaluator: EvaluatorDefinition<ModuleOptions> = {
  kind: 'module',
  summary: 'An evaluator of your own: a JavaScript or TypeScript module that exports createEvaluator(id, options).',
  options: moduleOptionsSchema,
  resolvePaths: (options, folder) => ({ ...options, path: resolve(folder, options.path) }),
  create: async (id, { path, options }) => {
    const create = await loadFactory(path)
    const evaluator = await create(id, options)
    const problem = findProblem(evaluator, id)
    if (problem !== undefined)
      throw new EvaluatorError(`createEvaluator of ${show(path)} must return an evaluator, but ${problem}.`, {
        hint: 'It needs id, objectives (at least one), digest, inputs and open().',
      })
    return evaluator as Evaluator // checked member by member above
  },
}

async function loadFactory(path: string): Promise<(id: string, options: JsonValue) => unknown> {
  let loaded: Readonly<Record<string, unknown>>
  if (/\.m?ts$/.test(path)) prepareTypeScript(path)
  try {
    loaded = await import(pathToFileURL(path).href)
  } catch (error) {
    throw new EvaluatorError(
      `The evaluator module ${show(path)} cannot be loaded: ${error instanceof Error ? error.message : show(error)}`,
      { cause: error },
    )
  }
  const factory = loaded.createEvaluator
  if (typeof factory !== 'function')
    throw new EvaluatorError(
      `The evaluator module ${show(path)} must export a function createEvaluator; it exports ${show(Object.keys(loaded).join(', ')) || 'nothing'}.`,
    )
  return (evaluatorId, options) => factory(evaluatorId, options)
}

let isHooked = false

/**
 * Node reads TypeScript by itself from 22.18 on; before, the compiler of the project that the file belongs to does it.
 * @throws {EvaluatorError} when there is none
 */
function prepareTypeScript(path: string): void {
  const { typescript } = process.features as { readonly typescript?: string | false }
  if (isHooked || (typescript !== undefined && typescript !== false)) return
  try {
    createRequire(path).resolve('typescript')
  } catch (cause) {
    throw new EvaluatorError(
      `The evaluator module ${show(path)} is TypeScript, which Node ${process.versions.node} cannot read by itself.`,
      { hint: 'Use Node 22.18 or newer, or run "npm install typescript" in its folder.', cause },
    )
  }
  // Loaded by Node itself, so from the compiled sources, also where these are read from TypeScript.
  const here = import.meta.url.replace(/\/src\/(?!.*\/src\/)/, '/dist/')
  register(new URL('typescript-hook.js', import.meta.url.endsWith('.ts') ? here : import.meta.url))
  isHooked = true
}

function findProblem(value: unknown, id: string): string | undefined {
  if (typeof value !== 'object' || value === null) return `it returned ${show(value)}`
  const found: Partial<Record<keyof Evaluator, unknown>> = value
  if (found.id !== id) return `its id is ${show(found.id)} instead of ${show(id)}`
  if (!Array.isArray(found.objectives) || found.objectives.length === 0) return 'it has no objectives'
  if (typeof found.digest !== 'string' || found.digest === '') return 'it has no digest'
  if (typeof found.inputs !== 'object' || found.inputs === null) return 'it has no inputs'
  if (typeof found.open !== 'function') return 'it has no open()'
  return undefined
}
