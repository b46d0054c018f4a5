import { createHash } from 'node:crypto'
import type { JsonValue } from '../../candidate.ts'
import { ConfigError, show } from '../../errors.ts'
import { digestFiles } from '../../merge/sources.ts'
import { canonicalJson } from '../../space/recipe.ts'
import type { Evaluator } from '../evaluator.ts'
import { filesOfModel } from './base-weights.ts'
import { baseOf, type PropertyOptions, propertyObjective } from './options.ts'

/** Changes whenever the same files and options would give other values. Part of the digest. */
const VERSION = 'properties 1'

/** The evaluator with objectives that are properties of the merged model, after its own. */
export async function extend(evaluator: Evaluator, properties: readonly PropertyOptions[]): Promise<Evaluator> {
  const objectives = [...evaluator.objectives, ...properties.map(propertyObjective)]
  const names = objectives.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined)
    throw new ConfigError(`Evaluator ${show(evaluator.id)} has two objectives named ${show(twice)}.`, {
      hint: 'Give the property a "name" of its own.',
    })
  for (const options of properties) {
    if (options.property !== 'latency' || options.per === undefined) continue
    if (!evaluator.objectives.some(({ name }) => name === options.per))
      throw new ConfigError(
        `Evaluator ${show(evaluator.id)}: latency is per ${show(options.per)}, and there is no such objective; there are ${evaluator.objectives.map(({ name }) => name).join(', ')}.`,
      )
  }
  const digests = new Map<string, string>()
  const content: JsonValue[] = []
  for (const options of properties) {
    // What an objective is called, and what is worst, decides no value; all else does.
    const { name: _, reference: __, ...decisive } = options
    const base = baseOf(options)
    const files = base === undefined ? undefined : await digestFiles(filesOfModel(base))
    for (const { path, sha256 } of files ?? []) digests.set(path, sha256)
    content.push({ ...decisive, ...(files && { base: files.map(({ sha256 }) => sha256) }) } as JsonValue)
  }
  const text = canonicalJson({ version: VERSION, evaluator: evaluator.digest, properties: content })
  return {
    ...evaluator,
    objectives,
    digest: createHash('sha256').update(text).digest('hex'),
    inputs: { ...evaluator.inputs, ...Object.fromEntries(digests) },
    open: async context => {
      const { PropertySession } = await import('./session.ts')
      const session = await evaluator.open(context)
      try {
        return new PropertySession(session, properties, evaluator.objectives, context)
      } catch (error) {
        await session.close()
        throw error
      }
    },
  }
}
