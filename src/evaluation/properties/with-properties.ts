import { z } from 'zod'
import type { JsonValue } from '../../candidate.ts'
import { show } from '../../errors.ts'
import { absoluteModelPath } from '../../merge/absolute-model-path.ts'
import { type EvaluatorKind, parseOptions } from '../definition.ts'
import { baseOf, type PropertyOptions, propertyShape } from './options.ts'

const head = z.looseObject(propertyShape)

/** The same kind of evaluator with `properties` among its options: properties of the merged model become objectives after its own. */
export function withProperties(kind: EvaluatorKind): EvaluatorKind {
  if (!(kind.options instanceof z.ZodObject))
    throw new TypeError(`Expected the options of ${kind.kind} to be an object schema.`)
  const options = kind.options.safeExtend(propertyShape)
  return {
    ...kind,
    options,
    resolve: (given, folder, where) => {
      parseOptions(options, given, where) // all problems at once
      const { properties, ...own } = parseOptions(head, given, where)
      const resolved = kind.resolve(own, folder, where)
      if (properties === undefined) return resolved
      return { ...(resolved as Readonly<Record<string, JsonValue>>), properties: absolute(properties, folder) }
    },
    create: async (id, given) => {
      const { properties, ...own } = parseOptions(head, given, `evaluator ${show(id)}`)
      const evaluator = await kind.create(id, own as JsonValue)
      return properties === undefined ? evaluator : (await import('./extend.ts')).extend(evaluator, properties)
    },
  }
}

function absolute(properties: readonly PropertyOptions[], folder: string): JsonValue {
  return properties.map(options => {
    const { name, ...rest } = options
    const named = name === undefined ? rest : { ...rest, name }
    const base = baseOf(options)
    return (base === undefined ? named : { ...named, base: absoluteModelPath(folder, base) }) as JsonValue
  })
}
