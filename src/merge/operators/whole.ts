import type { PassTerm } from './operator.ts'

/** A task vector that a pass keeps whole. */
export function whole(weight: number): PassTerm {
  return { weight, factor: 1, thin: { kind: 'all' }, rescale: false }
}
