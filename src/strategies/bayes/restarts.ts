import { z } from 'zod'
import type { CandidateId, Genome, JsonValue } from '../../candidate.ts'
import { type RngState, restoreRng } from '../../rng.ts'
import { rngStateSchema, snapshotState } from '../snapshot.ts'
import type { Proposal, Snapshot, Strategy, StrategyContext, ToldTrial } from '../strategy.ts'
import { seesOneExactLoss } from './aim.ts'
import { decodeRows, encodeRows } from './bayes-state.ts'
import { encodingOf } from './encoding.ts'
import type { BayesOptions } from './options.ts'
import { Bayes, designSize, KIND } from './search.ts'

const VERSION = 2
/** Logarithm of the expected gain, in deviations of the losses, below which a model has nothing to offer: 0.03 %. */
const NOTHING = -8
/** So many proposals of that kind in a row: one can be an accident of a fit. */
const QUIET = 3
/** Candidates that a search needs after its scattered ones to get anywhere. */
const CLIMB = 15

/** A search with candidate ids of its own. */
interface Member {
  readonly number: number
  readonly search: Bayes
  /** Its start, where that is not the declared one. */
  readonly initial: Genome | undefined
  /** Candidates asked of it. */
  asked: number
  /** Proposals in a row from which its model expected next to nothing. */
  quiet: number
}

const stateSchema = z.strictObject({
  rng: rngStateSchema,
  asked: z.number().int().nonnegative(),
  started: z.number().int().positive(),
  members: z
    .array(
      z.strictObject({
        number: z.number().int().nonnegative(),
        initial: z.string().nullable(), // (d,)
        asked: z.number().int().nonnegative(),
        quiet: z.number().int().nonnegative(),
        snapshot: z.strictObject({ kind: z.string(), version: z.number(), state: z.json() }),
      }),
    )
    .min(1)
    .max(2),
  /** Asked and not told: id, number of the search, id there. */
  pending: z.array(z.tuple([z.number().int(), z.number().int(), z.number().int()])),
})

/** Whether searches with these options start afresh: with one loss known exactly and a model of the whole box. */
export function restarts(context: StrategyContext, options: BayesOptions): boolean {
  const moves = context.domain.genes.some(gene => gene.kind === 'real')
  return options.restarts && moves && seesOneExactLoss(context, options)
}

/**
 * Bayesian optimisation that does not rest on one model's word. Where a search's scattered start leads its model into the second-best
 * minimum, the model becomes the surer of it the longer it looks: it expects nothing elsewhere and spends the budget on digits. So once it expects next to
 * nothing, every second candidate belongs to a search that knows none of this and starts elsewhere. When that one has converged too, the
 * better of the two goes on, beside a further one. Until the first has converged, nothing differs from a single search.
 */
export class RestartedSearch implements Strategy {
  readonly kind = KIND
  readonly #context: StrategyContext
  readonly #options: BayesOptions
  readonly #rng: RngState
  #members: Member[]
  #started = 1
  #asked = 0
  #pending = new Map<CandidateId, { readonly number: number; readonly id: CandidateId }>()

  constructor(
    context: StrategyContext,
    options: BayesOptions,
    rng = context.rng.split(KIND).state(),
    members?: Member[],
  ) {
    this.#context = context
    this.#options = options
    this.#rng = rng
    this.#members = members ?? [
      { number: 0, search: new Bayes(context, options, rng), initial: undefined, asked: 0, quiet: 0 },
    ]
  }

  ask(count: number): readonly Proposal[] {
    const proposals: Proposal[] = []
    while (proposals.length < count) {
      const member = this.#next()
      proposals.push(...member.search.ask(1))
      const { expectedGain } = member.search
      member.quiet = expectedGain !== undefined && expectedGain < NOTHING ? member.quiet + 1 : 0
      this.#pending.set(this.#asked++, { number: member.number, id: member.asked++ })
    }
    return proposals
  }

  tell(trials: readonly ToldTrial[]): void {
    for (const trial of trials) {
      const own = this.#pending.get(trial.id)
      if (own === undefined) {
        throw new RangeError(`Expected the id of a candidate asked for and not yet told, got ${trial.id}.`)
      }
      this.#pending.delete(trial.id)
      // A search that was given up has no use for what comes late.
      this.#members.find(({ number }) => number === own.number)?.search.tell([{ ...trial, id: own.id }])
    }
  }

  stopReason(): undefined {
    return undefined
  }

  diagnostics(): Readonly<Record<string, JsonValue>> {
    return { ...this.#members[0]!.search.diagnostics(), searches: this.#started, pending: this.#pending.size }
  }

  snapshot(): Snapshot {
    const members = this.#members.map(({ search, initial, ...rest }) => ({
      ...rest,
      initial: initial === undefined ? null : encodeRows([initial], initial.length),
      snapshot: search.snapshot(),
    }))
    const pending = [...this.#pending].map(([id, own]) => [id, own.number, own.id])
    const state = { rng: this.#rng, asked: this.#asked, started: this.#started, members, pending }
    return { kind: KIND, version: VERSION, state: state as unknown as JsonValue }
  }

  static restore(context: StrategyContext, options: BayesOptions, snapshot: Snapshot): RestartedSearch {
    const state = snapshotState(snapshot, { kind: KIND, version: VERSION, schema: stateSchema })
    const d = context.domain.genes.length
    const members = state.members.map(({ initial: text, snapshot: own, ...rest }): Member => {
      const initial = text === null ? undefined : decodeRows(text, d)[0]!
      const where = initial === undefined ? context : elsewhere(context, initial)
      return { ...rest, initial, search: Bayes.restore(where, options, own as Snapshot) }
    })
    const strategy = new RestartedSearch(context, options, state.rng, members)
    strategy.#asked = state.asked
    strategy.#started = state.started
    strategy.#pending = new Map(state.pending.map(([id, number, own]) => [id, { number, id: own }]))
    return strategy
  }

  /** Whose turn it is. */
  #next(): Member {
    const [first, second] = this.#members
    if (second === undefined ? first!.quiet < QUIET || !this.#isWorthwhile() : second.quiet < QUIET) {
      return second === undefined || this.#asked % 2 === 0 ? first! : second
    }
    const better =
      second !== undefined && isLess(second.search.leastLoss(), first!.search.leastLoss()) ? second : first!
    this.#members = this.#isWorthwhile() ? [better, this.#start()] : [better]
    return this.#members.at(-1)!
  }

  /** Whether half of what is left takes a further search anywhere. */
  #isWorthwhile(): boolean {
    const { budget, domain } = this.#context
    const needed = designSize(this.#options, domain.genes.length) + CLIMB
    return budget === undefined || (budget - this.#asked) / 2 >= needed
  }

  #start(): Member {
    const number = this.#started++
    const rng = restoreRng(this.#rng).split(`search ${number}`)
    const encoding = encodingOf(this.#context.domain)
    const initial = encoding.decode(Float64Array.from(this.#context.domain.genes, () => rng.uniform()))
    const search = new Bayes(elsewhere(this.#context, initial), this.#options, rng.state())
    return { number, search, initial, asked: 0, quiet: 0 }
  }
}

/** A search that knows nothing of recipes and runs before it. */
function elsewhere(context: StrategyContext, initial: Genome): StrategyContext {
  return { ...context, domain: { ...context.domain, initial }, guesses: [], prior: [] }
}

function isLess(a: number | undefined, b: number | undefined): boolean {
  return a !== undefined && (b === undefined || a < b)
}
