import { resolve } from 'node:path'
import type { EvaluatorDefinition } from '../definition.ts'
import { type HttpOptions, httpOptionsSchema } from './options.ts'

export const httpEvaluator: EvaluatorDefinition<HttpOptions> = {
  kind: 'http',
  summary: 'Asks an OpenAI-compatible server that serves the candidate, and scores its answers by rules or by a judge.',
  options: httpOptionsSchema,
  resolvePaths: (options, folder) => ({
    ...options,
    examples: resolve(folder, options.examples),
    cwd: resolve(folder, options.cwd),
    ...(options.companions !== undefined && { companions: resolve(folder, options.companions) }),
    ...(!['auto', 'memory', 'disk'].includes(options.storage) && { storage: resolve(folder, options.storage) }),
  }),
  create: async (id, options) => (await import('./create.ts')).createHttpEvaluator(id, options),
}
