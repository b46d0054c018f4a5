import type { CandidateId, Genome, JsonValue } from '../../candidate.ts'
import type { Rng } from '../../rng.ts'
import type { ToldTrial } from '../strategy.ts'

/** Id of a trial of an earlier run, which is nobody's parent. */
export const FOREIGN = -1

/** Someone who may have children. */
export interface Parent {
  readonly id: CandidateId
  readonly genome: Genome
}

/** Who lives, and who has children with whom: what the strategies of this folder differ in. */
export interface Population {
  /** Takes a scored or failed trial in, or not. Keeps nothing of `trial` itself. */
  insert(trial: ToldTrial): void
  /**
   * Two parents, who may be the same one; `undefined` while there are too few.
   * @param turn how many children there were before
   */
  parents(turn: number, rng: Rng): readonly [Parent, Parent] | undefined
  /** JSON-safe; `restore` of a new population takes it. */
  snapshot(): JsonValue
  /** @throws {RangeError} for a state that is not one of this population. */
  restore(state: JsonValue): void
  diagnostics(): Readonly<Record<string, JsonValue>>
}
