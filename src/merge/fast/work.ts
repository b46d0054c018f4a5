import type { OperatorPlan } from '../method.ts'
import type { OperatorTensors } from '../operator-tensors.ts'
import type { SharedTensor } from '../sources.ts'
import type { Statistics } from '../statistics.ts'
import type { Prepared } from './prepared.ts'
import type { Bench, Target } from './tiles.ts'

/** What the engines of one thread share. */
export interface Workshop {
  readonly tensors: readonly SharedTensor[]
  readonly benches: readonly Bench[]
  readonly prepared: Prepared
  readonly operators: OperatorTensors
  /** As they are in their files. */
  readonly statistics: Statistics
}

/** One tensor of one candidate. */
export interface Job {
  readonly plan: OperatorPlan
  /** Position of the tensor. */
  readonly t: number
  readonly tensor: SharedTensor
  readonly target: Target
}

/** Says of a prepared entry whose it is; the rest of a key is what decides its content besides. */
export function keyOf({ plan: { operator, base, sources }, t }: Job, rest: string): string {
  return `${operator.name} ${t} ${base} ${sources.join(' ')} ${rest}`
}
