import type { WeightDtype } from '../../formats/dtype.ts'
import type { WeightTensor } from '../layout.ts'
import type { OperatorPlan } from '../method.ts'
import { streamMethod } from './plan-operator.ts'
import type { StreamInput, StreamTensor } from './stream-tensor.ts'

/**
 * A tensor that an operator of a recipe computes, in tiles. Files and candidates on the exact path both come from here, so that they have
 * the same bits: what decides is the tensor and its plan, not where the weights lie.
 * @param inputs of the plan, the base first where there is one
 * @returns undefined where only the operator's definition can merge it
 */
export function operatorStream(
  { name, shape, elements, dtype }: Pick<WeightTensor, 'name' | 'shape' | 'elements' | 'dtype'>,
  { operator, settings, ids, base }: Pick<OperatorPlan, 'operator' | 'settings' | 'ids' | 'base'>,
  inputs: readonly StreamInput[],
  written: WeightDtype,
): StreamTensor | undefined {
  // What is float64 is merged in float64.
  if ([dtype, written, ...inputs.map(input => input.dtype)].includes('F64')) return undefined
  const method = streamMethod({ operator, settings, name, shape, ids, based: base !== undefined })
  return method === undefined ? undefined : { name, elements, inputs, work: undefined, written, method }
}
