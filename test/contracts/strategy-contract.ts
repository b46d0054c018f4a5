import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { Candidate, Genome } from '../../src/candidate.ts'
import { createRng, type Rng } from '../../src/rng.ts'
import { scalarize } from '../../src/scalarization.ts'
import type {
  Snapshot,
  Strategy,
  StrategyContext,
  StrategyDefinition,
  ToldTrial,
} from '../../src/strategies/strategy.ts'
import { fromUnitCube, resetInactive } from '../../src/strategies/unit-cube.ts'
import { corners, mixed } from '../problems/multi-objective.ts'
import { candidateOf, failed, isInside, scored, type TestProblem } from '../problems/problem.ts'
import { constant, rounded, sphere, stepwiseAccuracy } from '../problems/single-objective.ts'

/** What a strategy claims about itself; the suite holds it to that. */
export interface StrategyClaims {
  /** Options as a config would give them; defaults are filled in by the definition's schema. Default: {}. */
  readonly options?: unknown
  /** Learns whole generations: tells of one generation commute, the state in between included. Default: false. */
  readonly generational?: boolean
  /**
   * Learns from each trial as it comes, by the very definition of the algorithm, so that the order of tells between two asks may
   * matter. Default: false, it does not.
   */
  readonly sequential?: boolean
  /** Proposals, besides the guesses, that may come before the last guess has been proposed. Default: 1, the declared start. */
  readonly beforeGuesses?: number
  /** Passes over `prior` and `guesses`. Default: false. */
  readonly ignoresPrior?: boolean
  /** Searches integer, categorical and conditional genes. Default: false. */
  readonly mixedGenes?: boolean
  /** Numbers of objectives it accepts. Default: 1, 2, 3, 5. */
  readonly objectives?: readonly number[]
  /**
   * Tells of the long run (d = 3); the largest JSON text its snapshot may ever have there, in characters; and how many of the
   * trials it may still hold at the end. Default: 10,000 tells, 50,000 characters, 1,000 trials.
   */
  readonly longRun?: { readonly tells: number; readonly snapshotLimit: number; readonly held?: number }
  /** Share of the suite's evaluations that are made, in (0, 1], for a strategy that computes long between two of them. Default: 1. */
  readonly effort?: number
  /** Reaches `loss` (scalarised by `worst` for several objectives) on `problem` within `budget` evaluations. */
  readonly reaches: { readonly problem: TestProblem; readonly budget: number; readonly loss: number }
}

const LONG_RUN = { tells: 10_000, snapshotLimit: 50_000, held: 1000 }
/** Numbers of objectives that a strategy searches unless it claims otherwise. */
const OBJECTIVES = [1, 2, 3, 5]

/** The suite that every strategy has to pass. Call it at the top level of a test file. */
export function describeStrategy(name: string, definition: StrategyDefinition, claims: StrategyClaims): void {
  const options = definition.options.parse(claims.options ?? {})
  const context = (problem: TestProblem, seed: number, more: Partial<StrategyContext>): StrategyContext => ({
    domain: problem.domain,
    objectives: problem.objectives,
    rng: createRng(seed),
    budget: undefined,
    ...more,
  })
  const create = (problem: TestProblem, seed = 1, more: Partial<StrategyContext> = {}): Strategy =>
    definition.create(context(problem, seed, more), options)
  const restore = (problem: TestProblem, snapshot: Snapshot, seed = 1, more: Partial<StrategyContext> = {}): Strategy =>
    definition.restore(context(problem, seed, more), options, JSON.parse(JSON.stringify(snapshot)))
  const times = (count: number): number => Math.ceil(count * (claims.effort ?? 1))
  const problems = [sphere(3), ...(claims.mixedGenes ? [mixed()] : [])]

  describe(`${name} keeps the strategy contract`, () => {
    it('describes itself', () => {
      expect(create(sphere(2)).kind).toBe(definition.kind)
      expect(create(sphere(2)).snapshot().kind).toBe(definition.kind)
      expect(definition.reference).not.toBe('')
      expect(definition.summary).not.toBe('')
      const diagnostics = create(sphere(2)).diagnostics()
      expect(JSON.parse(JSON.stringify(diagnostics))).toEqual(diagnostics)
    })

    it('refuses unknown options', () => {
      expect(definition.options.safeParse({ noSuchOption: 1 }).success).toBe(false)
    })

    for (const problem of [sphere(1), sphere(3), ...(claims.mixedGenes ? [mixed()] : [])]) {
      it(`stays inside the bounds on ${problem.name}, whatever the order of asks and tells`, () => {
        for (let seed = 1; seed <= 5; seed++) {
          const session = new Session(create(problem, seed), problem, seed)
          session.run(times(60))
          expect(session.genomes.length).toBeGreaterThan(times(50))
          for (const genome of session.genomes) {
            expect(isInside(problem.domain, genome), `[${[...genome]}]`).toBe(true)
            expect(genome).toEqual(resetInactive(problem.domain, genome.slice()))
          }
        }
      })
    }

    it('never proposes more than it is asked for', () => {
      const strategy = create(sphere(3))
      for (const count of [0, 1, 2, 5, 100]) expect(strategy.ask(count).length).toBeLessThanOrEqual(count)
    })

    it('proposes something at once, and leaves its snapshot alone when it proposes nothing', () => {
      const strategy = create(sphere(3))
      expect(strategy.ask(1)).toHaveLength(1)
      const before = JSON.stringify(strategy.snapshot())
      expect(strategy.ask(0)).toEqual([])
      expect(JSON.stringify(strategy.snapshot())).toBe(before)
      let rounds = 0
      while (strategy.ask(50).length > 0 && rounds < 10) rounds++
      if (rounds === 10) return // never runs dry
      const dry = JSON.stringify(strategy.snapshot())
      expect(strategy.ask(50)).toEqual([])
      expect(JSON.stringify(strategy.snapshot())).toBe(dry)
    })

    it('proposes the same one at a time as many at once', () => {
      const problem = sphere(3)
      const together = create(problem)
      const apart = create(problem)
      for (let round = 0, id = 0; round < 6; round++) {
        const many = together.ask(9).map(proposal => proposal.genome)
        const single: Genome[] = []
        for (let i = 0; i < 9; i++) single.push(...apart.ask(1).map(proposal => proposal.genome))
        expect(single).toEqual(many)
        expect(apart.snapshot()).toEqual(together.snapshot())
        const trials = many.map(genome => scored(problem, candidateOf({ genome }, id++)))
        together.tell(trials)
        apart.tell(trials)
      }
    })

    it('proposes a function of its seed', () => {
      const problem = sphere(4)
      const genomes = (seed: number): Genome[] => firstGenomes(create(problem, seed), problem, times(100))
      expect(genomes(1)).toEqual(genomes(1))
      expect(genomes(1)).not.toEqual(genomes(2))
    })

    it('lets nobody change its state through a genome it handed out', () => {
      const problem = sphere(3)
      const [clean, spoiled] = [create(problem), create(problem)]
      for (let round = 0, id = 0; round < 3; round++) {
        const expected = clean.ask(20)
        const actual = spoiled.ask(20)
        expect(actual).toEqual(expected)
        const trials = expected.map(proposal => scored(problem, candidateOf(proposal, id++)))
        for (const proposal of actual) proposal.genome.fill(0)
        clean.tell(trials)
        spoiled.tell(trials)
      }
    })

    if (claims.generational) {
      it('learns the same from any order and grouping of the tells of a generation', () => {
        const problem = sphere(3)
        const [first, second] = [create(problem), create(problem)]
        const rng = createRng(5)
        for (let round = 0, id = 0; round < times(20); round++) {
          const trials = first.ask(1000).map(p => maybeFailed(problem, candidateOf(p, id++), 7))
          second.ask(1000)
          const shuffled = shuffle(trials, rng)
          // Split anywhere: the state in between is a function of which trials were told, too.
          const cut = rng.integer(0, trials.length + 1)
          const early = new Set(shuffled.slice(0, cut).map(trial => trial.id))
          first.tell(trials.filter(trial => early.has(trial.id)))
          for (const trial of shuffled.slice(0, cut)) second.tell([trial])
          expect(second.snapshot()).toEqual(first.snapshot())
          first.tell(trials.filter(trial => !early.has(trial.id)))
          second.tell(shuffled.slice(cut))
          expect(second.snapshot()).toEqual(first.snapshot())
        }
      })
    }

    if (!claims.sequential) {
      it('proposes the same whatever the order and grouping of the tells between two asks', () => {
        const problem = sphere(3)
        const [first, second] = [create(problem), create(problem)]
        const rng = createRng(6)
        let open: Candidate[] = []
        for (let round = 0, id = 0; round < times(25); round++) {
          const proposals = first.ask(5)
          expect(second.ask(5)).toEqual(proposals)
          open.push(...proposals.map(proposal => candidateOf(proposal, id++)))
          // Some stay in flight, but everything comes back before a strategy that waits would run dry.
          const count = proposals.length === 0 ? open.length : rng.integer(0, open.length + 1)
          const chosen = new Set(shuffle(open, rng).slice(0, count))
          const trials = open.filter(c => chosen.has(c)).map(c => maybeFailed(problem, c, 7))
          open = open.filter(c => !chosen.has(c))
          first.tell(trials)
          const shuffled = shuffle(trials, rng)
          const cut = rng.integer(0, shuffled.length + 1)
          second.tell(shuffled.slice(0, cut))
          for (const trial of shuffled.slice(cut)) second.tell([trial])
        }
        expect(second.stopReason()).toEqual(first.stopReason())
      })
    }

    if (!claims.ignoresPrior) {
      for (const problem of problems) {
        it(`proposes known recipes early and once each on ${problem.name}`, () => {
          const guesses = somePoints(problem, 5, 21)
          const kept = guesses.map(genome => genome.slice())
          const genomes = firstGenomes(create(problem, 1, { guesses }), problem, 20 + times(100))
          const early = guesses.length + (claims.beforeGuesses ?? 1)
          for (const guess of kept) {
            const places = genomes.flatMap((genome, i) => (equal(genome, guess) ? [i] : []))
            expect(places).toHaveLength(1)
            expect(places[0]).toBeLessThan(early)
          }
          expect(guesses).toEqual(kept)
        })
      }

      it('takes trials of earlier runs: none, one, many, failed ones, and many objectives', () => {
        const count = times(40)
        const cases = [
          ...[0, 1, 2, 40].flatMap(n =>
            [somePrior(sphere(3), n, 3), somePrior(sphere(3), n, 1)].map(prior => ({ problem: sphere(3), prior })),
          ),
          ...[...problems.slice(1), ...(claims.objectives ?? OBJECTIVES).map(m => corners(3, m))].map(problem => ({
            problem,
            prior: somePrior(problem, 30, 5),
          })),
        ]
        for (const { problem, prior } of cases) {
          const kept = structuredClone(prior)
          const genomes = (): Genome[] => firstGenomes(create(problem, 2, { prior }), problem, count)
          const proposed = genomes()
          expect(proposed).toHaveLength(count)
          for (const genome of proposed) expect(isInside(problem.domain, genome), `[${[...genome]}]`).toBe(true)
          expect(genomes()).toEqual(proposed)
          expect(prior).toEqual(kept)
        }
      })

      it('continues bit by bit from a snapshot with trials of earlier runs and known recipes', () => {
        for (const problem of problems) {
          const more = { prior: somePrior(problem, 25, 6), guesses: somePoints(problem, 4, 9), slots: 4, budget: 200 }
          for (const turns of [0, 2, times(20)]) {
            const session = new Session(create(problem, 1, more), problem, turns)
            session.run(turns)
            const twin = session.withStrategy(restore(problem, session.strategy.snapshot(), 1, more))
            session.run(times(30))
            twin.run(times(30))
            expect(twin.genomes).toEqual(session.genomes)
            expect(twin.strategy.snapshot()).toEqual(session.strategy.snapshot())
          }
        }
      })
    }

    it('goes on when candidates fail, even when all do', () => {
      const problem = sphere(3)
      for (const every of [1, 2, 3]) {
        const strategy = create(problem)
        const [failing, after] = [times(300), times(100)]
        expect(told(strategy, problem, failing, candidate => maybeFailed(problem, candidate, every))).toBe(failing)
        expect(strategy.stopReason()).toBeUndefined()
        expect(told(strategy, problem, after, undefined, failing)).toBe(after)
      }
    })

    for (const d of [1, 3]) {
      it(`survives a constant objective with d = ${d}`, () => {
        const problem = constant(d)
        const strategy = create(problem)
        expect(told(strategy, problem, times(500))).toBe(times(500))
        for (const proposal of strategy.ask(3)) expect(isInside(problem.domain, proposal.genome)).toBe(true)
      })
    }

    it('survives plateaus', () => {
      for (const problem of [rounded(sphere(3), 50), stepwiseAccuracy(4, 20)]) {
        expect(told(create(problem), problem, times(500))).toBe(times(500))
      }
    })

    for (const m of claims.objectives ?? OBJECTIVES) {
      for (const d of [1, 4]) {
        it(`searches with m = ${m} objectives, d = ${d}`, () => {
          const problem = corners(d, m)
          expect(told(create(problem), problem, times(200))).toBe(times(200))
        })
      }
    }

    for (const problem of problems) {
      it(`continues bit by bit on ${problem.name} from a snapshot taken at any moment`, () => {
        const rng = createRng(3)
        for (let round = 0; round < 12; round++) {
          const session = new Session(create(problem), problem, round)
          session.run(rng.integer(0, times(120)))
          const twin = session.withStrategy(restore(problem, session.strategy.snapshot()))
          session.run(times(80))
          twin.run(times(80))
          expect(twin.genomes).toEqual(session.genomes)
          expect(twin.strategy.snapshot()).toEqual(session.strategy.snapshot())
          expect(twin.strategy.stopReason()).toEqual(session.strategy.stopReason())
        }
      })
    }

    it('gives a snapshot that survives JSON and does not change under it', () => {
      const problem = sphere(3)
      const session = new Session(create(problem), problem, 4)
      session.run(50)
      const snapshot = session.strategy.snapshot()
      const text = JSON.stringify(snapshot)
      expect(JSON.parse(text)).toEqual(snapshot)
      session.run(50)
      expect(JSON.stringify(snapshot)).toBe(text)
    })

    it('refuses a snapshot of another kind, another version or another shape', () => {
      const problem = sphere(3)
      const snapshot = create(problem).snapshot()
      expect(() => restore(problem, { ...snapshot, kind: 'other' })).toThrow(/Expected a snapshot of strategy/)
      expect(() => restore(problem, { ...snapshot, version: 999 })).toThrow(/Expected version/)
      expect(() => restore(problem, { ...snapshot, state: { nothing: true } })).toThrow(/snapshot is damaged/)
    })

    it('shows facts that survive JSON at every moment', () => {
      for (const problem of problems) {
        const session = new Session(create(problem), problem, 8)
        for (let turn = 0; turn < times(60); turn++) {
          const facts = session.strategy.diagnostics()
          expect(JSON.parse(JSON.stringify(facts))).toStrictEqual(facts)
          session.run(1)
        }
      }
    })

    it('keeps its snapshot small and lets go of old trials over a long run', async () => {
      const { tells, snapshotLimit, held } = { ...LONG_RUN, ...claims.longRun }
      const problem = sphere(3)
      const strategy = create(problem)
      const refs: WeakRef<object>[] = []
      const remember = (candidate: Candidate): ToldTrial => {
        const trial = scored(problem, candidate)
        refs.push(new WeakRef(trial), new WeakRef(trial.genome), new WeakRef(trial.losses!))
        return trial
      }
      const step = Math.min(500, tells)
      for (let done = 0; done < tells; done += step) {
        expect(told(strategy, problem, step, remember, done)).toBe(step)
        expect(JSON.stringify(strategy.snapshot()).length).toBeLessThan(snapshotLimit)
      }
      await new Promise(resolve => setImmediate(resolve)) // what a WeakRef was made of lives as long as the job that made it
      collectGarbage()
      expect(refs.filter(ref => ref.deref() !== undefined).length).toBeLessThanOrEqual(3 * held)
      expect(strategy.kind).toBe(definition.kind) // and is alive until here
    })

    const { problem, budget, loss } = claims.reaches
    it(`reaches ${loss} on ${problem.name} within ${budget} evaluations`, () => {
      for (const seed of [1, 2, 3]) {
        let best = Number.POSITIVE_INFINITY
        told(create(problem, seed), problem, budget, candidate => {
          const trial = scored(problem, candidate)
          best = Math.min(best, scalarize('worst', trial.losses!, problem.objectives))
          return trial
        })
        expect(best).toBeLessThanOrEqual(loss)
      }
    })
  })
}

/**
 * A caller that asks and tells in an arbitrary but reproducible order, a few candidates in flight, some of them failing. Its decisions depend on its
 * own seed and on what it got, so that two sessions over equal strategies stay equal.
 */
class Session {
  readonly strategy: Strategy
  readonly genomes: Genome[]
  readonly #problem: TestProblem
  readonly #seed: number
  #rng: Rng
  #turns = 0
  #inFlight: Candidate[]

  constructor(strategy: Strategy, problem: TestProblem, seed: number) {
    this.strategy = strategy
    this.genomes = []
    this.#problem = problem
    this.#seed = seed
    this.#rng = createRng(seed)
    this.#inFlight = []
  }

  /** The same session from here on, with another strategy. */
  withStrategy(strategy: Strategy): Session {
    const twin = new Session(strategy, this.#problem, this.#seed)
    twin.genomes.push(...this.genomes)
    twin.#turns = this.#turns
    twin.#inFlight = [...this.#inFlight]
    return twin
  }

  run(turns: number): void {
    for (let turn = 0; turn < turns; turn++) {
      this.#rng = createRng(this.#seed).split(`turn ${this.#turns++}`)
      const proposals = this.strategy.ask(this.#rng.integer(1, 5))
      for (const proposal of proposals) {
        this.#inFlight.push(candidateOf(proposal, this.genomes.length))
        this.genomes.push(proposal.genome.slice())
      }
      this.#inFlight = shuffle(this.#inFlight, this.#rng)
      const count = Math.max(proposals.length === 0 ? 1 : 0, this.#rng.integer(0, 5))
      this.strategy.tell(this.#inFlight.splice(0, count).map(c => maybeFailed(this.#problem, c, 6)))
    }
  }
}

/** Tells `count` trials, in small batches; returns how many the strategy let it tell. */
function told(
  strategy: Strategy,
  problem: TestProblem,
  count: number,
  evaluate: (candidate: Candidate) => ToldTrial = candidate => scored(problem, candidate),
  firstId = 0,
): number {
  let id = firstId
  while (id < firstId + count) {
    const proposals = strategy.ask(Math.min(8, firstId + count - id))
    if (proposals.length === 0) break
    strategy.tell(proposals.map(proposal => evaluate(candidateOf(proposal, id++))))
  }
  return id - firstId
}

function firstGenomes(strategy: Strategy, problem: TestProblem, count: number): Genome[] {
  const genomes: Genome[] = []
  told(strategy, problem, count, candidate => {
    genomes.push(candidate.genome)
    return scored(problem, candidate)
  })
  return genomes
}

/** Different points of the domain, away from its start. */
function somePoints({ domain }: TestProblem, count: number, seed: number): Genome[] {
  const rng = createRng(seed)
  return Array.from({ length: count }, () =>
    resetInactive(
      domain,
      fromUnitCube(
        domain,
        Float64Array.from(domain.genes, () => rng.uniform()),
      ),
    ),
  )
}

/** Trials of another run, their ids from anywhere; every `every`-th failed. */
function somePrior(problem: TestProblem, count: number, every: number): ToldTrial[] {
  return somePoints(problem, count, 33).map((genome, i) =>
    maybeFailed(problem, { id: 1 + ((i * 7) % 500), genome, parents: [], memo: null }, every),
  )
}

function equal(a: Genome, b: Genome): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') throw new TypeError('This Node.js has no gc().')
  collect()
}

/** The trial, failed for every `every`-th id. */
function maybeFailed(problem: TestProblem, candidate: Candidate, every: number): ToldTrial {
  return candidate.id % every === 0 ? failed(candidate) : scored(problem, candidate)
}

function shuffle<T>(items: readonly T[], rng: Rng): T[] {
  const shuffled = [...items]
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = rng.integer(0, i + 1)
    const kept = shuffled[i]!
    shuffled[i] = shuffled[j]!
    shuffled[j] = kept
  }
  return shuffled
}
