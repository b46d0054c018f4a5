import type { Genome } from '../../candidate.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import type { Objective } from '../../objective.ts'
import { type Scalarization, scalarVariance } from '../../scalarization.ts'
import type { Encoding } from '../bayes/encoding.ts'
import { smoothLosses } from '../loss-surface.ts'
import { lossVariances } from '../noise.ts'
import type { ToldTrial } from '../strategy.ts'

/** Losses that a generation is ranked beside, its own included. Older ones say little of where the search has come to. */
const REMEMBERED = 100
/** So many average by themselves, and the surface would take seconds. */
const MOST = 300

interface Heard {
  readonly position: number // in its generation
  readonly genome: Genome
  readonly loss: number
  readonly variance: number // 0: not known
  /** Scored on some examples only. */
  readonly partial: boolean
}

/**
 * Ranks a generation whose losses are estimates from some examples. Their noise is larger than differences between samples once a run has come near
 * its optimum; the losses of the generations before, taken at near places, make up for that (`loss-surface.ts`).
 *
 * Where every loss is of all examples it does and keeps nothing.
 */
export class LossMemory {
  readonly #encoding: Encoding
  readonly #objectives: readonly Objective[]
  readonly #scalarization: Scalarization
  #generation: Heard[] = []
  /** Of earlier generations, oldest first. */
  #earlier: Heard[] = []

  constructor(encoding: Encoding, objectives: readonly Objective[], scalarization: Scalarization) {
    this.#encoding = encoding
    this.#objectives = objectives
    this.#scalarization = scalarization
  }

  /** A scored trial of the generation under way. */
  hear(position: number, trial: ToldTrial, loss: number): void {
    const heard = { position, genome: trial.genome, loss, variance: this.#variance(trial), partial: isPartial(trial) }
    this.#generation.push(heard)
  }

  /**
   * Ends the generation.
   * @returns its losses handed out anew by position: the best to the candidate that seems best in the light of the others, and so on;
   *   `undefined` where they are to stay as they are
   */
  rank(): ReadonlyMap<number, number> | undefined {
    const generation = this.#generation.sort((a, b) => a.position - b.position)
    this.#generation = []
    if (this.#earlier.length === 0 && !generation.some(({ partial }) => partial)) return undefined
    const all = [...this.#earlier, ...generation].slice(-Math.max(REMEMBERED, generation.length))
    this.#earlier = all.slice(-REMEMBERED)
    if (all.length > MOST) return undefined
    // What all examples say is itself a sample: of the examples there might have been. The others have that error on top.
    const whole = all.filter(({ partial }) => !partial)
    const luck = whole.reduce((sum, { variance }) => sum + variance, 0) / (whole.length || 1)
    const smoothed = smoothLosses(
      all.map(({ genome, loss, variance, partial }) => ({
        inputs: this.#encoding.encode(genome),
        loss,
        variance: variance + (partial ? luck : 0),
      })),
      this.#encoding.numeric,
    ).slice(-generation.length)
    const order = generation
      .map(({ position, loss }, i) => ({ position, loss, expected: smoothed[i]! }))
      .sort((a, b) => a.expected - b.expected || a.loss - b.loss || a.position - b.position)
    const losses = generation.map(({ loss }) => loss).sort((a, b) => a - b)
    return new Map(order.map(({ position }, place) => [position, losses[place]!]))
  }

  snapshot(): { readonly generation: string; readonly earlier: string } {
    const ascending = [...this.#generation].sort((a, b) => a.position - b.position)
    return { generation: encoded(ascending), earlier: encoded(this.#earlier) }
  }

  restore({ generation, earlier }: { readonly generation: string; readonly earlier: string }): void {
    const width = this.#encoding.domain.genes.length
    this.#generation = decoded(generation, width)
    this.#earlier = decoded(earlier, width)
  }

  /** Of the scalarised loss. */
  #variance(trial: ToldTrial): number {
    const variances = lossVariances(trial, this.#objectives).map(variance => variance ?? 0)
    return scalarVariance(this.#scalarization, trial.losses!, variances, this.#objectives)
  }
}

function isPartial({ standardErrors }: ToldTrial): boolean {
  return standardErrors?.some(error => error > 0) ?? false
}

function encoded(list: readonly Heard[]): string {
  return encodeFloat64(
    Float64Array.from(
      list.flatMap(({ position, genome, loss, variance, partial }) => [
        position,
        loss,
        variance,
        Number(partial),
        ...genome,
      ]),
    ),
  )
}

function decoded(text: string, genes: number): Heard[] {
  const values = decodeFloat64(text)
  return Array.from({ length: values.length / (genes + 4) }, (_, i) => {
    const row = values.slice(i * (genes + 4), (i + 1) * (genes + 4))
    return { position: row[0]!, loss: row[1]!, variance: row[2]!, partial: row[3] === 1, genome: row.slice(4) }
  })
}
