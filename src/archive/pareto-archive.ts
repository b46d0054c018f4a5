import type { Evaluation, Trial } from '../candidate.ts'
import { lossesOf, type Objective, referencePoint } from '../objective.ts'
import type { AddResult, Archive } from './archive.ts'
import { compareLosses, dominates } from './dominance.ts'
import { hypervolume } from './hypervolume.ts'
import { type Place, SortedBlocks } from './sorted-blocks.ts'

interface Entry {
  readonly losses: readonly number[] // shape (m,)
  readonly trial: Trial
}

/** An unbounded archive. Which trials it holds, and in which order it lists them, depends on what was added, not on when. */
export interface ParetoArchive extends Archive {
  /** What is wrong with the archive's own order, or `undefined`: a self-check for tests and for a damaged process. */
  check(): string | undefined
}

/**
 * All trials that no other trial dominates, listed by their losses, first objective first.
 *
 * Of trials with equal losses the lowest id stays. Failed trials, and values that are not finite, are ineligible.
 *
 * @param objectives shape (m,), m >= 1. With two, an add is a binary search; otherwise it looks at every trial held.
 */
export function createParetoArchive(objectives: readonly Objective[]): ParetoArchive {
  if (objectives.length === 0) throw new RangeError('Expected at least one objective, got none.')
  return new SortedArchive(objectives)
}

class SortedArchive implements ParetoArchive {
  readonly #objectives: readonly Objective[]
  /** Ascending in `compareLosses`. With two objectives that makes the second loss strictly descending. */
  readonly #entries = new SortedBlocks<Entry>()
  readonly #planar: boolean
  #volume: number | undefined

  constructor(objectives: readonly Objective[]) {
    this.#objectives = objectives
    this.#planar = objectives.length === 2
  }

  get size(): number {
    return this.#entries.size
  }

  *[Symbol.iterator](): Iterator<Trial> {
    for (const { trial } of [...this.#entries]) yield trial
  }

  add(trial: Trial): AddResult {
    const problem = this.#ineligible(trial.evaluation)
    if (problem !== undefined) return { status: 'ineligible', reason: problem }
    const losses = lossesOf(trial.evaluation, this.#objectives)!
    const entry: Entry = { losses, trial }

    const place = this.#entries.seek(held => compareLosses(held.losses, losses) < 0)
    const twin = this.#entries.at(place)
    if (twin !== undefined && compareLosses(twin.losses, losses) === 0) {
      // The lowest id wins, so that the order of adds does not matter.
      if (twin.trial.id <= trial.id) return { status: 'duplicate', by: twin.trial.id }
      this.#entries.replace(place, entry)
      return { status: 'added', evicted: [twin.trial.id] }
    }
    const better = this.#dominator(losses, place)
    if (better !== undefined) return { status: 'dominated', by: better.trial.id }

    // What is dominated comes later in order; in the plane it is one stretch that starts right here.
    const evicted = this.#entries.removeFrom(place, held => dominates(losses, held.losses), this.#planar)
    this.#entries.insert(
      evicted.length === 0 ? place : this.#entries.seek(h => compareLosses(h.losses, losses) < 0),
      entry,
    )
    this.#volume = undefined
    return { status: 'added', evicted: evicted.map(held => held.trial.id).sort((a, b) => a - b) }
  }

  hypervolume(): number {
    this.#volume ??= hypervolume(
      [...this.#entries].map(entry => entry.losses),
      referencePoint(this.#objectives),
    )
    return this.#volume
  }

  check(): string | undefined {
    const entries = [...this.#entries]
    if (entries.length !== this.size) return `it counts ${this.size} trials and lists ${entries.length}`
    for (let i = 0; i < entries.length; i++) {
      const a = entries[i]!
      // In the plane neighbours suffice: the second loss descends through all of them.
      const end = this.#planar ? Math.min(i + 2, entries.length) : entries.length
      for (let j = i + 1; j < end; j++) {
        const b = entries[j]!
        if (compareLosses(a.losses, b.losses) >= 0) return `trial ${a.trial.id} is listed before trial ${b.trial.id}`
        if (dominates(a.losses, b.losses)) return `trial ${a.trial.id} dominates trial ${b.trial.id}`
        if (dominates(b.losses, a.losses)) return `trial ${b.trial.id} dominates trial ${a.trial.id}`
      }
    }
    return undefined
  }

  #ineligible(evaluation: Evaluation): string | undefined {
    if (evaluation.status === 'failed') return `its evaluation failed (${evaluation.kind}): ${evaluation.reason}`
    if (evaluation.partial !== undefined) return 'it was scored on some of the examples only'
    const { values } = evaluation
    if (values.length !== this.#objectives.length)
      return `it has ${values.length} values for ${this.#objectives.length} objectives`
    const bad = values.findIndex(value => !Number.isFinite(value))
    return bad < 0 ? undefined : `its ${this.#objectives[bad]!.name} is ${values[bad]}`
  }

  /** Only an entry that comes before can dominate; in the plane the nearest has the lowest second loss of them. */
  #dominator(losses: readonly number[], place: Place): Entry | undefined {
    if (this.#planar) {
      const nearest = this.#entries.before(place)
      return nearest !== undefined && dominates(nearest.losses, losses) ? nearest : undefined
    }
    for (const held of this.#entries) {
      if (compareLosses(held.losses, losses) > 0) return undefined
      if (dominates(held.losses, losses)) return held
    }
    return undefined
  }
}
