import type { CandidateId } from '../candidate.ts'
import { createRng } from '../rng.ts'
import type { RunReader } from '../runs/run-store.ts'
import type { Scalarization } from '../scalarization.ts'
import type { Interval } from './intervals.ts'
import { simultaneousIntervals } from './select-intervals.ts'
import type { AssessmentsBySplit } from './split-scores.ts'
import type { Incomparable, Scored } from './statistics.ts'

/** The members of the front beside the winner, by what they scored on `select`: of the evidence that it was named by, the part that put nobody on the front. */
export interface ContenderFacts {
  /** Scored again on `select`, the winner not counted; failed ones are. */
  readonly others: number
  readonly failed: readonly CandidateId[]
  /** Most like the winner first. `reason`: why there are no intervals, as half a sentence. */
  readonly behind: readonly Contender[] | Incomparable
}

export interface Contender {
  readonly id: CandidateId
  /** Its scalarised loss on `select` minus the winner's; negative where it is the better there, and `search` outweighed that. */
  readonly difference: number
  /** 95 %, simultaneous over all contenders and whichever of them had won. */
  readonly interval: Interval
  /** The interval does not say that the winner is better. */
  readonly isLevel: boolean
}

/** @param front ids of the members. `undefined`: there was nobody else to choose. */
export function collectContenders(
  run: RunReader,
  subjects: ReadonlyMap<string, AssessmentsBySplit>,
  front: readonly CandidateId[],
  winner: CandidateId,
  scalarization: Scalarization,
): ContenderFacts | undefined {
  const { objectives, seed } = run.manifest
  const onSelect = (id: CandidateId) => subjects.get(`candidate:${id}`)?.select?.evaluation
  const ids = front.filter(id => id !== winner && onSelect(id) !== undefined).sort((a, b) => a - b)
  const won = onSelect(winner)
  if (ids.length === 0 || won?.status !== 'scored') return undefined
  const failed = ids.filter(id => onSelect(id)!.status === 'failed')
  const others = ids.filter(id => !failed.includes(id))
  const facts = { others: ids.length, failed }
  if (others.length === 0) return { ...facts, behind: [] }
  const models = [won, ...others.map(id => onSelect(id) as Scored)]
  const behind = simultaneousIntervals(models, 0, objectives, scalarization, createRng(seed).split('front on select'))
  if ('reason' in behind) return { ...facts, behind }
  const members = others.map((id, k): Contender => {
    const { difference, interval } = behind[k + 1]!
    return { id, difference, interval, isLevel: interval.low <= 0 }
  })
  return { ...facts, behind: members.sort((a, b) => a.difference - b.difference || a.id - b.id) }
}
