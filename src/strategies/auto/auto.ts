import { z } from 'zod'
import type { CandidateId, JsonValue, StopReason } from '../../candidate.ts'
import type { Decision } from '../../decision.ts'
import { ConfigError } from '../../errors.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import { snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, StrategyDefinition, ToldTrial } from '../strategy.ts'
import { armOf } from './arms.ts'
import { type AutoOptions, autoDescription } from './options.ts'
import { type Phase, planOf, shapeOf } from './plan.ts'

/**
 * Chooses strategies: `plan.ts` says which, for how long and why. At the end of a phase, what is in flight is waited for, and the next
 * strategy begins with all trials so far as trials of an earlier run.
 *
 * Strategies count their own candidates from 0, so ids are shifted on the way in and out. A decision travels in the memo of the
 * first candidate proposed after it, where it is recorded with the run.
 */
const KIND = autoDescription.kind
const VERSION = 1

const stateSchema = z.strictObject({
  phase: z.number().int().nonnegative(),
  firstId: z.number().int().nonnegative(), // of the phase
  asked: z.number().int().nonnegative(), // in all
  told: z.number().int().nonnegative(), // in all
  heldIds: z.array(z.number().int()),
  heldGenomes: z.string(), // (held, d)
  heldLosses: z.string(), // (held, m); a row of NaN: failed
  arm: z.strictObject({ kind: z.string(), version: z.number().int(), state: z.json() }),
})

/** The memo of a candidate: what the strategy wants to have back, and a decision if there was one. */
const memoSchema = z.looseObject({ inner: z.json() })

class Auto implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #options: AutoOptions
  readonly #plan: readonly Phase[]
  #phase = 0
  /** The phase's first candidate. */
  #firstId = 0
  #asked = 0
  #told = 0
  /** Trials told before the last phase: what the next strategies begin with. */
  #held = new Map<CandidateId, ToldTrial>()
  #arm: Strategy

  constructor(context: StrategyContext, options: AutoOptions, resumed?: z.infer<typeof stateSchema>) {
    if (context.domain.genes.length === 0) throw new ConfigError('Strategy "auto" needs at least one gene, got none.')
    this.#context = context
    this.#options = options
    this.#plan = planOf(shapeOf(context, options.model_evaluations))
    if (resumed !== undefined) {
      this.#phase = resumed.phase
      this.#firstId = resumed.firstId
      this.#asked = resumed.asked
      this.#told = resumed.told
      this.#held = decodeHeld(resumed, context.domain.genes.length, context.objectives.length)
    }
    const arm = armOf(this.#current().strategy, options.scalarization)
    this.#arm = resumed === undefined ? arm.create(this.#armContext()) : arm.restore(this.#armContext(), resumed.arm)
  }

  ask(count: number): readonly Proposal[] {
    const proposals: Proposal[] = []
    while (proposals.length < count) {
      while (this.#isPhaseOver()) if (!this.#advance()) return proposals
      const left = this.#current().until - this.#asked
      const found = this.#arm.ask(Math.min(count - proposals.length, left))
      if (found.length === 0) break
      for (const proposal of found) proposals.push(this.#translated(proposal))
    }
    return proposals
  }

  tell(trials: readonly ToldTrial[]): void {
    for (const trial of trials) {
      if (trial.id >= this.#asked || trial.id < this.#firstId) {
        throw new RangeError(`Expected the id of a candidate asked for and not yet told, got ${trial.id}.`)
      }
      if (this.#current().until < Infinity) this.#held.set(trial.id, withoutExamples(trial))
    }
    this.#arm.tell(
      trials.map(trial => ({
        ...trial,
        id: trial.id - this.#firstId,
        parents: trial.parents.map(id => id - this.#firstId),
        memo: memoSchema.safeParse(trial.memo).data?.inner ?? null,
      })),
    )
    this.#told += trials.length
  }

  stopReason(): StopReason | undefined {
    return this.#current().until < Infinity ? undefined : this.#arm.stopReason()
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    const { strategy, because } = this.#current()
    return { strategy, because, phase: this.#phase, details: this.#arm.diagnostics() }
  }

  snapshot(): Snapshot {
    const held = [...this.#held.values()].sort((a, b) => a.id - b.id)
    const failed = this.#context.objectives.map(() => Number.NaN)
    const state: JsonValue = {
      phase: this.#phase,
      firstId: this.#firstId,
      asked: this.#asked,
      told: this.#told,
      heldIds: held.map(({ id }) => id),
      heldGenomes: encodeFloat64(Float64Array.from(held.flatMap(({ genome }) => [...genome]))),
      heldLosses: encodeFloat64(Float64Array.from(held.flatMap(({ losses }) => losses ?? failed))),
      arm: { ...this.#arm.snapshot() },
    }
    return { kind: KIND, version: VERSION, state }
  }

  #current(): Phase {
    return this.#plan[this.#phase]!
  }

  #isPhaseOver(): boolean {
    return this.#asked >= this.#current().until || this.#arm.stopReason() !== undefined
  }

  /** To the next phase, once nothing is in flight. */
  #advance(): boolean {
    if (this.#phase + 1 >= this.#plan.length || this.#told < this.#asked) return false
    this.#phase++
    this.#firstId = this.#asked
    this.#arm = armOf(this.#current().strategy, this.#options.scalarization).create(this.#armContext())
    return true
  }

  /** What the strategy is told of the search: what is left of the budget, and all trials before its first. */
  #armContext(): StrategyContext {
    const { domain, objectives, rng, budget, slots, prior = [], guesses = [] } = this.#context
    const left = budget === undefined ? undefined : Math.max(1, budget - this.#firstId)
    const held = [...this.#held.values()].filter(({ id }) => id < this.#firstId).sort((a, b) => a.id - b.id)
    return {
      domain,
      objectives,
      rng: rng.split(`${KIND} ${this.#firstId}`),
      budget: left,
      ...(slots !== undefined && { slots }),
      prior: [...prior, ...held],
      guesses: this.#firstId === 0 ? guesses : [],
    }
  }

  #translated({ genome, parents = [], memo }: Proposal): Proposal {
    const { strategy, because } = this.#current()
    const decision: Decision | undefined = this.#asked === this.#firstId ? { strategy, because } : undefined
    this.#asked++
    return {
      genome,
      parents: parents.map(id => id + this.#firstId),
      ...((decision !== undefined || memo !== undefined) && {
        memo: { ...(decision && { decision: { ...decision } }), inner: memo ?? null },
      }),
    }
  }
}

/** Models of later strategies do not read the scores of examples, and they are most of a trial. */
function withoutExamples({ id, genome, losses }: ToldTrial): ToldTrial {
  return { id, genome: genome.slice(), parents: [], memo: null, losses: losses && [...losses] }
}

function decodeHeld(state: z.infer<typeof stateSchema>, d: number, m: number): Map<CandidateId, ToldTrial> {
  const genomes = decodeFloat64(state.heldGenomes, state.heldIds.length * d)
  const losses = decodeFloat64(state.heldLosses, state.heldIds.length * m)
  return new Map(
    state.heldIds.map((id, i) => {
      const values = [...losses.subarray(i * m, (i + 1) * m)]
      return [
        id,
        {
          id,
          genome: genomes.slice(i * d, (i + 1) * d),
          parents: [],
          memo: null,
          losses: values.some(Number.isNaN) ? undefined : values,
        },
      ]
    }),
  )
}

export const auto: StrategyDefinition<AutoOptions> = {
  ...autoDescription,
  create: (context, options) => new Auto(context, options),
  restore: (context, options, snapshot) =>
    new Auto(context, options, snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })),
}
