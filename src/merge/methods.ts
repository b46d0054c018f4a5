import { ConfigError, nearest, show } from '../errors.ts'
import { linear } from './linear.ts'
import type { MergeMethod } from './method.ts'
import { taskArithmetic } from './task-arithmetic.ts'

/** Every merge method, by the name that recipes use. Adding one is adding a file and a line here. */
export const METHODS: ReadonlyMap<string, MergeMethod> = new Map([linear, taskArithmetic].map(m => [m.name, m]))

/** @throws {ConfigError} with the known names */
export function findMethod(name: string): MergeMethod {
  const method = METHODS.get(name)
  if (method !== undefined) return method
  const near = nearest(name, METHODS.keys())
  throw new ConfigError(`There is no merge method ${show(name)}; known are ${[...METHODS.keys()].join(', ')}.`, {
    ...(near === undefined ? {} : { hint: `Did you mean ${near}?` }),
  })
}
