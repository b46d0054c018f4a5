import type { Acquisition } from '../acquisition.ts'

/** What a candidate maximises, by models of the objectives. */
export interface Criterion {
  readonly acquisition: Acquisition
  /** Observations to search around, the most valuable first. */
  readonly anchors: readonly number[]
}
