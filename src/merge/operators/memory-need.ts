import { WINDOW } from './merge-windows.ts'
import type { MergeOperator, WindowedTensor } from './operator.ts'
import { windowsOf } from './windows.ts'

/** The tensor that takes the most memory of those that an operator needs as a whole. */
export interface MemoryNeed {
  readonly operator: string
  readonly tensor: string
  /** At least: inputs, statistics, task vectors and result, in float64. What an operator works with besides comes on top. */
  readonly bytes: number
}

/** @returns undefined where windows of the tensor do, which stay below a few megabytes a model */
export function memoryNeed(operator: MergeOperator, tensor: WindowedTensor): MemoryNeed | undefined {
  const { elements, ids, based, name, shape } = tensor
  const unit = windowsOf(operator, tensor)?.unit ?? elements
  if (unit <= WINDOW) return undefined
  const vectors = based ? 2 * ids.length + 2 : ids.length + 1
  const inputs = tensor.measured === true && operator.needs === 'input-gram' ? shape[inputAxis(tensor)]! : 0
  // A Gram matrix of each model, their sum and its factor.
  const numbers = Math.min(unit, elements) * vectors + inputs ** 2 * (ids.length + 2)
  return { operator: operator.name, tensor: name, bytes: numbers * 8 }
}

function inputAxis({ inputsAlong }: WindowedTensor): 0 | 1 {
  return inputsAlong === 'rows' ? 0 : 1
}

/** The larger one, whichever there is. */
export function largerNeed(a: MemoryNeed | undefined, b: MemoryNeed | undefined): MemoryNeed | undefined {
  return a === undefined || (b !== undefined && b.bytes > a.bytes) ? b : a
}
