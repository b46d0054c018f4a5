import type { Trial } from '../candidate.ts'
import type { RunReader } from '../runs/run-store.ts'
import { type BaselineComparison, compareWithBaselines } from './baselines.ts'
import type { CandidateOptions } from './candidate-facts.ts'
import { type ContenderFacts, collectContenders } from './contenders.ts'
import { type FrontFacts, frontOf, recordOf } from './front-facts.ts'
import { type HistoryPoint, historyOf } from './history.ts'
import type { AssessmentsBySplit } from './split-scores.ts'

/** Everything that any rendering of a run shows: also what takes simulations and hypervolumes to say. */
export interface RunFacts extends FrontFacts {
  /** One point per told trial. */
  readonly history: readonly HistoryPoint[]
  /** Random search with the same budget, where it was run. */
  readonly randomHistory: readonly HistoryPoint[] | undefined
  /** What else on the front the winner was chosen from, and how surely. `undefined`: nothing. */
  readonly contenders: ContenderFacts | undefined
  readonly comparisons: readonly BaselineComparison[]
}

export function collectFacts(run: RunReader, options: CandidateOptions = {}): RunFacts {
  const record = recordOf(run)
  const facts = frontOf(record, options)
  const { subjects, told } = record
  const { objectives, front, winner, baselines } = facts
  const scalarization = options.scalarization ?? 'worst'
  const winnerScores = winner === undefined ? {} : (subjects.get(`candidate:${winner.candidate.id}`) ?? {})
  const random = randomTrials(subjects)
  return {
    ...facts,
    history: historyOf(told, objectives, scalarization),
    randomHistory: random.length === 0 ? undefined : historyOf(random, objectives, scalarization),
    contenders:
      winner &&
      collectContenders(
        run,
        subjects,
        front.map(({ id }) => id),
        winner.candidate.id,
        scalarization,
      ),
    comparisons: compareWithBaselines(run, subjects, winnerScores, baselines),
  }
}

function randomTrials(subjects: ReadonlyMap<string, AssessmentsBySplit>): Trial[] {
  const trials: Trial[] = []
  for (const [subject, { search }] of subjects) {
    const number = /^random:(\d+)$/.exec(subject)?.[1]
    if (number === undefined || search === undefined) continue
    trials.push({
      id: Number(number),
      genome: new Float64Array(),
      parents: [],
      memo: null,
      evaluation: search.evaluation,
    })
  }
  return trials.sort((a, b) => a.id - b.id)
}
