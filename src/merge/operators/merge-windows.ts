import { applyOperator, requireFiniteResult } from './apply.ts'
import type { MergeOperator, Window, WindowedTensor } from './operator.ts'
import { isZeroDelta } from './vectors.ts'
import { windowsOf } from './windows.ts'

/** Elements of one input in memory at a time: 2 MiB as float64. */
export const WINDOW = 1 << 18

/** Elements [begin, begin + count) of the inputs. */
export type WindowReader = (begin: number, count: number) => Omit<Window, 'begin'>

export interface WindowOptions {
  /** Elements; smaller tensors are one window. */
  readonly window?: number
  /** NaN and infinities are no error, where an element decides itself only. */
  readonly allowNonFinite?: boolean
}

/**
 * One tensor by an operator's definition, in windows where the operator has them: memory does not grow with the tensor then.
 * @param write is given the result in order
 * @throws {MergeError} naming the tensor
 */
export function mergeInWindows(
  operator: MergeOperator,
  tensor: WindowedTensor,
  read: WindowReader,
  write: (values: Float64Array) => void,
  { window = WINDOW, allowNonFinite = false }: WindowOptions = {},
): void {
  const { elements } = tensor
  const plan = windowsOf(operator, tensor)
  const lenient = allowNonFinite && operator.span === 'element'
  if (plan === undefined || ((elements <= window || plan.unit >= elements) && !lenient)) {
    write(applyOperator(operator, { ...tensor, ...read(0, elements) }))
    return
  }
  const step = Math.max(1, Math.floor(window / plan.unit)) * plan.unit
  const each = (visit: (window: Window) => void): void => {
    for (let begin = 0; begin < elements; begin += step)
      visit({ begin, ...read(begin, Math.min(step, elements - begin)) })
  }
  if (operator.base === 'required' && isUnchanged(elements, step, read)) {
    each(({ base }) => write(base!))
    return
  }
  for (const pass of plan.passes) each(pass)
  each(stretch => {
    const out = plan.merge(stretch)
    if (!lenient) requireFiniteResult(operator, tensor.name, out)
    write(out)
  })
}

function isUnchanged(elements: number, step: number, read: WindowReader): boolean {
  for (let begin = 0; begin < elements; begin += step) {
    const { base, models } = read(begin, Math.min(step, elements - begin))
    if (!models.every(x => isZeroDelta(x, base!))) return false
  }
  return true
}
