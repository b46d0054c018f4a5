import { resolve } from 'node:path'
import type { EvaluatorDefinition } from '../definition.ts'
import { type CommandOptions, commandOptionsSchema } from './options.ts'

export const commandEvaluator: EvaluatorDefinition<CommandOptions> = {
  kind: 'command',
  summary: 'Runs a program of your own: once for every candidate, or one that stays up and is asked line by line.',
  options: commandOptionsSchema,
  resolvePaths: (options, folder) => {
    const at = (path: string): string => resolve(folder, path)
    const { storage } = options
    return {
      ...options,
      cwd: at(options.cwd),
      inputs: options.inputs.map(at),
      ...(typeof options.examples === 'string' && { examples: at(options.examples) }),
      ...(options.companions !== undefined && { companions: at(options.companions) }),
      ...(!['auto', 'memory', 'disk'].includes(storage) && { storage: at(storage) }),
    }
  },
  create: async (id, options) => (await import('./create.ts')).createCommandEvaluator(id, options),
}
