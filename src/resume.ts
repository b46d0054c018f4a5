import type { Archive } from './archive/archive.ts'
import type { Candidate, CandidateId, Trial } from './candidate.ts'
import { RunStoreError, show } from './errors.ts'
import type { RunEvent, RunReader } from './runs/run-store.ts'
import type { Pending } from './search.ts'
import type { Snapshot, Strategy } from './strategies/strategy.ts'
import { toToldTrial } from './told-trial.ts'

/** Makes the run's strategy as it was made at first: same domain, options, budget and seed. */
export interface StrategyFactory {
  create(): Strategy
  restore(snapshot: Snapshot): Strategy
}

/** Where a run stands: what {@link import('./search.ts').search} needs to go on. */
export interface Replayed {
  readonly strategy: Strategy
  readonly pending: readonly Pending[]
  readonly asked: number
  readonly told: number
  /** What the replay began with. `start` also where a snapshot turned out to be of no use. */
  readonly from: 'snapshot' | 'start'
}

/**
 * Brings strategy and archive to where a run stands, by folding over its recorded events. Every ask is repeated and compared
 * with what was recorded, bit by bit.
 *
 * @param archive empty; receives every told trial, in the order of telling.
 * @throws {RunStoreError} if the strategy does not ask again what it asked then.
 */
export function replay(run: RunReader, factory: StrategyFactory, archive: Archive): Replayed {
  const record = readRecord(run)
  const { strategy, from } = rebuildStrategy(run, factory, record)
  for (const id of record.toldIds) archive.add(trialOf(run, record, id))

  const told = new Set(record.toldIds)
  const pending = record.candidates
    .filter(candidate => !told.has(candidate.id))
    .map(candidate => ({ candidate, evaluation: record.trials.get(candidate.id)?.evaluation }))
  return { strategy, pending, asked: record.candidates.length, told: told.size, from }
}

interface Record {
  readonly events: readonly RunEvent[]
  readonly candidates: readonly Candidate[] // candidates[id].id === id
  readonly trials: ReadonlyMap<CandidateId, Trial>
  readonly toldIds: readonly CandidateId[] // in the order of telling
}

function readRecord(run: RunReader): Record {
  const events = run.events()
  return {
    events,
    candidates: run.candidates(),
    trials: new Map(run.trials().map(trial => [trial.id, trial])),
    toldIds: events.flatMap(event => (event.type === 'told' ? event.ids : [])),
  }
}

/** A snapshot that cannot be restored, or from which the rest does not follow, is passed over: it is only a cache. */
function rebuildStrategy(
  run: RunReader,
  factory: StrategyFactory,
  record: Record,
): { readonly strategy: Strategy; readonly from: 'snapshot' | 'start' } {
  const cached = run.latestSnapshot()
  if (cached !== undefined) {
    try {
      const strategy = factory.restore(cached.snapshot)
      fold(run, strategy, record, cached.seq)
      return { strategy, from: 'snapshot' }
    } catch {
      // If the strategy itself has changed, the replay from the start says so.
    }
  }
  const strategy = factory.create()
  fold(run, strategy, record, 0)
  return { strategy, from: 'start' }
}

function fold(run: RunReader, strategy: Strategy, record: Record, afterSeq: number): void {
  for (const event of record.events) {
    if (event.seq <= afterSeq) continue
    if (event.type === 'asked') askAgain(run, strategy, record, event)
    else if (event.type === 'told')
      strategy.tell(event.ids.map(id => toToldTrial(trialOf(run, record, id), run.manifest.objectives)))
  }
}

function askAgain(
  run: RunReader,
  strategy: Strategy,
  record: Record,
  event: RunEvent & { readonly type: 'asked' },
): void {
  const proposals = strategy.ask(event.requested)
  if (proposals.length !== event.ids.length)
    throw unlike(
      run,
      `asked for ${event.requested}, strategy ${strategy.kind} now proposes ${proposals.length} candidates at event ${event.seq}, recorded are ${event.ids.length}`,
    )
  event.ids.forEach((id, i) => {
    const recorded = record.candidates[id]!.genome
    const repeated = proposals[i]!.genome
    const gene = recorded.findIndex((value, k) => !Object.is(value, repeated[k]))
    if (gene >= 0)
      throw unlike(
        run,
        `candidate ${id}, gene ${show(run.manifest.geneNames[gene])}: recorded is ${recorded[gene]}, strategy ${strategy.kind} now proposes ${repeated[gene]}`,
      )
  })
}

function trialOf(run: RunReader, record: Record, id: CandidateId): Trial {
  const trial = record.trials.get(id)
  if (trial === undefined)
    throw new RunStoreError(`Run ${show(run.folder)} is damaged: candidate ${id} was told without an evaluation.`, {
      hint: 'Restore the run from a copy.',
    })
  return trial
}

function unlike(run: RunReader, what: string): RunStoreError {
  const { node, amalgam } = run.manifest.environment
  const versions = [amalgam && `amalgam ${amalgam}`, node && `Node ${node}`].filter(Boolean).join(' and ')
  return new RunStoreError(`Run ${show(run.folder)} cannot be resumed: ${what}.`, {
    hint: `A run goes on only with what it was started with: the same strategy, options, seed and versions${versions && ` (${versions})`}.`,
  })
}
