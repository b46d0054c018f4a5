import type { NumberParameter } from './operator.ts'

/** Parameters that several operators have, word for word. */

export const alpha: NumberParameter = {
  kind: 'number',
  name: 'alpha',
  description: 'Scale of what is added to the base.',
  default: 1,
  searchRange: [0.2, 2],
}

export const weight: NumberParameter = {
  kind: 'number',
  name: 'weight',
  description: 'Scale of the task vector of the model.',
  default: 1,
  searchRange: [0, 1.5],
}
