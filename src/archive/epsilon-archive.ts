import type { Evaluation, Trial } from '../candidate.ts'
import { lossesOf, type Objective, referencePoint } from '../objective.ts'
import type { AddResult, Archive } from './archive.ts'
import { compareLosses, dominates } from './dominance.ts'
import { hypervolume } from './hypervolume.ts'

interface Entry {
  readonly trial: Trial
  readonly losses: readonly number[]
  readonly box: readonly number[]
}

/** Trials held at most; reached, all boxes double in width. */
const CAPACITY = 1000

/**
 * An archive of bounded size: loss space is cut into boxes, one trial is kept per box, and none in a box that another kept box
 * dominates. What is left out is worse than something kept by less than a box width in every loss.
 *
 * Source: M. Laumanns, L. Thiele, K. Deb, E. Zitzler, "Combining convergence and diversity in evolutionary multiobjective
 * optimization", Evolutionary Computation 10(3), 2002, algorithm 3 and section 4.2. Inside a box the trial that dominates stays,
 * otherwise the one closer to the box's best corner (K. Deb, M. Mohan, S. Mishra, EMO 2003), otherwise the lower id. The size is
 * bounded by doubling the boxes whenever there are too many, so for equal trials it depends on their order.
 *
 * @param widths box width per objective, shape (m,), > 0: for an accuracy over N examples half an example, 0.5 / N.
 */
export function createEpsilonArchive(
  objectives: readonly Objective[],
  widths: readonly number[],
  capacity = CAPACITY,
): EpsilonArchive {
  if (objectives.length === 0) throw new RangeError('Expected at least one objective, got none.')
  if (widths.length !== objectives.length || !widths.every(width => width > 0 && Number.isFinite(width)))
    throw new RangeError(`Expected ${objectives.length} positive box widths, got [${widths.join(', ')}].`)
  if (!Number.isInteger(capacity) || capacity < 1)
    throw new RangeError(`Expected a capacity of at least 1, got ${capacity}.`)
  return new EpsilonArchive(objectives, widths, capacity)
}

export class EpsilonArchive implements Archive {
  readonly #objectives: readonly Objective[]
  readonly #capacity: number
  #widths: readonly number[]
  #entries: Entry[] = []

  constructor(objectives: readonly Objective[], widths: readonly number[], capacity: number) {
    this.#objectives = objectives
    this.#widths = widths
    this.#capacity = capacity
  }

  get size(): number {
    return this.#entries.length
  }

  /** Box widths now, shape (m,). */
  get widths(): readonly number[] {
    return this.#widths
  }

  /** By losses, first objective first. */
  *[Symbol.iterator](): Iterator<Trial> {
    for (const { trial } of [...this.#entries].sort((a, b) => compareLosses(a.losses, b.losses))) yield trial
  }

  /** `dominated`: up to the width of a box. `evicted` holds the trial itself where the boxes grew and it shares one with a better one. */
  add(trial: Trial): AddResult {
    const problem = ineligible(trial.evaluation, this.#objectives)
    if (problem !== undefined) return { status: 'ineligible', reason: problem }
    const before = this.#entries.map(entry => entry.trial.id)
    const blocker = this.#insert(trial, lossesOf(trial.evaluation, this.#objectives)!)
    if (blocker !== undefined) return blocker
    while (this.#entries.length > this.#capacity) this.#coarsen()
    const after = new Set(this.#entries.map(entry => entry.trial.id))
    return { status: 'added', evicted: [...before, trial.id].filter(id => !after.has(id)).sort((a, b) => a - b) }
  }

  hypervolume(): number {
    return hypervolume(
      this.#entries.map(entry => entry.losses),
      referencePoint(this.#objectives),
    )
  }

  #insert(trial: Trial, losses: readonly number[]): AddResult | undefined {
    const entry: Entry = { trial, losses, box: losses.map((loss, i) => Math.floor(loss / this.#widths[i]!)) }
    for (const held of this.#entries) {
      if (compareLosses(held.losses, losses) === 0 && held.trial.id <= trial.id)
        return { status: 'duplicate', by: held.trial.id }
      if (dominates(held.box, entry.box) || (compareLosses(held.box, entry.box) === 0 && !this.#isBetter(entry, held)))
        return { status: 'dominated', by: held.trial.id }
    }
    this.#entries = this.#entries.filter(
      held => !dominates(entry.box, held.box) && compareLosses(entry.box, held.box) !== 0,
    )
    this.#entries.push(entry)
    return undefined
  }

  /** Of two trials in one box. */
  #isBetter(a: Entry, b: Entry): boolean {
    if (dominates(a.losses, b.losses)) return true
    if (dominates(b.losses, a.losses)) return false
    const [da, db] = [this.#toCorner(a), this.#toCorner(b)]
    return da < db || (da === db && a.trial.id < b.trial.id)
  }

  /** Squared distance to the best corner of the box, in box widths. */
  #toCorner({ losses, box }: Entry): number {
    return losses.reduce((sum, loss, i) => sum + (loss / this.#widths[i]! - box[i]!) ** 2, 0)
  }

  #coarsen(): void {
    this.#widths = this.#widths.map(width => 2 * width)
    const entries = this.#entries
    this.#entries = []
    for (const { trial, losses } of entries) this.#insert(trial, losses)
  }
}

function ineligible(evaluation: Evaluation, objectives: readonly Objective[]): string | undefined {
  if (evaluation.status === 'failed') return `its evaluation failed (${evaluation.kind}): ${evaluation.reason}`
  if (evaluation.partial !== undefined) return 'it was scored on some of the examples only'
  const { values } = evaluation
  if (values.length !== objectives.length) return `it has ${values.length} values for ${objectives.length} objectives`
  const bad = values.findIndex(value => !Number.isFinite(value))
  return bad < 0 ? undefined : `its ${objectives[bad]!.name} is ${values[bad]}`
}
