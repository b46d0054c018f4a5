import { ConfigError, EvaluatorError, show } from '../../errors.ts'
import { unknownName } from './array-task.ts'
import type { OutputArray, TaskContext } from './tasks/task.ts'

/**
 * Numbers per example in a graph output of shape [batch, width]: what the graph fixes, or what the options say.
 * @param asked the options' number, and the key that gives it
 */
export function outputWidth(
  name: string,
  asked: { readonly value: number | undefined; readonly key: string },
  { where, outputs }: TaskContext,
): number {
  const output = outputs.find(value => value.name === name)
  if (output === undefined) throw unknownName(where, 'output', name, outputs)
  if (output.shape !== undefined && output.shape.length !== 2)
    throw new EvaluatorError(
      `${where}: graph output ${show(name)} must have shape [batch, ${asked.key}]; it has ${output.shape.length} dimensions.`,
    )
  const fixed = output.shape?.[1]
  if (typeof fixed === 'number' && asked.value !== undefined && fixed !== asked.value)
    throw new ConfigError(`${where}: ${asked.key} is ${asked.value}, but graph output ${show(name)} has ${fixed}.`)
  const width = typeof fixed === 'number' ? fixed : asked.value
  if (width === undefined)
    throw new ConfigError(`${where}: the graph does not fix how many ${asked.key} ${show(name)} has.`, {
      hint: `Set "${asked.key}".`,
    })
  return width
}

/** @throws {EvaluatorError} unless the output has `width` numbers for each of `count` rows */
export function requireWidth(
  { dims }: OutputArray,
  count: number,
  width: number,
  name: string,
  { graph }: TaskContext,
): void {
  if (dims.length === 2 && dims[0]! >= count && dims[1] === width) return
  throw new EvaluatorError(
    `Output ${show(name)} of ${graph} must have shape [${Math.max(count, dims[0] ?? 0)}, ${width}]; it has [${dims.join(', ')}].`,
  )
}
