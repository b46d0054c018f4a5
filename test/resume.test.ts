import { describe, expect, it } from 'vitest'
import { RunStoreError } from '../src/errors.ts'
import { replay, type StrategyFactory } from '../src/resume.ts'
import { createRng } from '../src/rng.ts'
import { createRun, openRun, readRun } from '../src/runs/run-folder.ts'
import type { Run, RunReader } from '../src/runs/run-store.ts'
import { type SearchMode, type SearchParts, search } from '../src/search.ts'
import { strategyDefinition } from '../src/strategies/registry.ts'
import type { Strategy } from '../src/strategies/strategy.ts'
import { type FakeExecutor, fakeExecutor } from './helpers/fake-executor.ts'
import {
  FAKE_MANIFEST,
  FAKE_SPACE,
  fakeArchive,
  fakeScore,
  generational,
  steadyState,
  tableOf,
} from './helpers/fake-search.ts'
import { tempFolder } from './helpers/temp-run.ts'
import { Crash, crashAfter, TWO_OBJECTIVES } from './helpers/trials.ts'

const BUDGET = 10

const never = new AbortController().signal

/** The real thing besides the fakes: population and step size of CMA-ES follow from every tell. */
const cmaEs: StrategyFactory = {
  create: () => strategyDefinition('cma-es').create(contextOf(), strategyDefinition('cma-es').options.parse({})),
  restore: snapshot =>
    strategyDefinition('cma-es').restore(contextOf(), strategyDefinition('cma-es').options.parse({}), snapshot),
}
const contextOf = () => ({ domain: FAKE_SPACE, objectives: TWO_OBJECTIVES, rng: createRng(5), budget: BUDGET })

/** Jobs finish in an order that differs from session to session. */
const jumbled = (seed: number): FakeExecutor => {
  const rng = createRng(seed)
  return fakeExecutor({ score: fakeScore, delayMs: () => rng.integer(0, 3) })
}

interface Session {
  readonly factory: StrategyFactory
  readonly executor?: FakeExecutor
  readonly mode?: SearchMode
  readonly budget?: number
}

/** Replays the run and goes on with it; `wrapped` is what the loop writes to. */
function goOn(run: Run, session: Session, wrapped: Run = run, extra: Partial<SearchParts> = {}, signal = never) {
  const archive = fakeArchive()
  const { strategy, pending } = replay(run, session.factory, archive)
  return search(
    {
      space: FAKE_SPACE,
      objectives: TWO_OBJECTIVES,
      strategy,
      executor: session.executor ?? jumbled(1),
      archive,
      run: wrapped,
      budget: session.budget ?? run.budget,
      slots: 3,
      mode: session.mode ?? 'ordered',
      pending,
      snapshotEvery: 4,
      graceMs: 1000,
      ...extra,
    },
    signal,
  )
}

async function unbroken(session: Session): Promise<unknown> {
  const run = createRun(`${tempFolder()}/run`, FAKE_MANIFEST, { budget: BUDGET })
  await goOn(run, session)
  const table = tableOf(run)
  run.close()
  return table
}

describe('a run whose process dies after any write', () => {
  for (const [name, factory] of [
    ['generational', generational()],
    ['steady-state', steadyState()],
    ['CMA-ES', cmaEs],
  ] as const) {
    it(`ends with the same table as an unbroken run, with a ${name} strategy`, async () => {
      const expected = await unbroken({ factory })
      for (let writes = 1; ; writes++) {
        const folder = `${tempFolder()}/run`
        const run = createRun(folder, FAKE_MANIFEST, { budget: BUDGET })
        const death = await goOn(run, { factory, executor: jumbled(writes) }, crashAfter(run, writes)).catch(
          error => error,
        )
        run.close()
        const again = openRun(folder)
        if (death instanceof Crash) await goOn(again, { factory, executor: jumbled(writes + 1000) })
        expect(tableOf(again), `after ${writes} writes`).toEqual(expected)
        again.close()
        if (!(death instanceof Crash)) {
          expect(death).toEqual({ criterion: 'budget', detail: `${BUDGET} evaluations` })
          expect(writes).toBeGreaterThan(3 * BUDGET - 5) // asks may be fewer than candidates
          return
        }
      }
    })
  }

  it('ends with the same table when it dies again and again', async () => {
    const factory = steadyState()
    const expected = await unbroken({ factory })
    const folder = `${tempFolder()}/run`
    createRun(folder, FAKE_MANIFEST, { budget: BUDGET }).close()
    for (let session = 0; ; session++) {
      const run = openRun(folder)
      const end = await goOn(run, { factory, executor: jumbled(session) }, crashAfter(run, 3)).catch(error => error)
      if (!(end instanceof Crash) || run.stopReason() !== undefined) {
        expect(tableOf(run)).toEqual(expected)
        expect(session).toBeGreaterThan(7)
        run.close()
        return
      }
      run.close()
    }
  })

  it('follows the recorded order of an asynchronous search', async () => {
    for (let writes = 5; writes < 28; writes += 5) {
      const folder = `${tempFolder()}/run`
      const run = createRun(folder, FAKE_MANIFEST, { budget: BUDGET })
      const session = { factory: steadyState(), mode: 'async' } as const
      await goOn(run, { ...session, executor: jumbled(writes) }, crashAfter(run, writes)).catch(error => error)
      run.close()
      const again = openRun(folder)
      const before = again.events()
      expect(await goOn(again, { ...session, executor: jumbled(writes + 1) })).toEqual({
        criterion: 'budget',
        detail: `${BUDGET} evaluations`,
      })
      expect(again.events().slice(0, before.length)).toEqual(before)
      expect(again.trials()).toHaveLength(BUDGET)
      // And what it did can be replayed again from the start.
      expect(replay(again, steadyState(), fakeArchive()).told).toBe(BUDGET)
      again.close()
    }
  })
})

describe('a run that is interrupted', () => {
  for (let tells = 1; tells < BUDGET; tells += 3) {
    it(`after ${tells} tells ends with the same table as an unbroken run`, async () => {
      const factory = steadyState()
      const expected = await unbroken({ factory })
      const run = createRun(`${tempFolder()}/run`, FAKE_MANIFEST, { budget: BUDGET })
      const controller = new AbortController()
      const stop = ({ done }: { done: number }): void => {
        if (done === tells) controller.abort()
      }
      const reason = await goOn(run, { factory }, run, { onProgress: stop }, controller.signal)
      expect(reason.criterion).toBe('interrupted')
      const executor = jumbled(99)
      await goOn(run, { factory, executor })
      expect(tableOf(run)).toEqual(expected)
      // What was under way has been recorded within the grace, and is not scored again.
      expect(executor.jobs.length).toBeLessThanOrEqual(Math.max(0, BUDGET - tells - 2))
      run.close()
    })
  }

  it('while an evaluation is awaited ends with the same table too', async () => {
    const factory = generational()
    const expected = await unbroken({ factory })
    const run = createRun(`${tempFolder()}/run`, FAKE_MANIFEST, { budget: BUDGET })
    for (let session = 0; run.stopReason() === undefined; session++) {
      const controller = new AbortController()
      setTimeout(() => controller.abort(), 3 + session)
      await goOn(run, { factory, executor: jumbled(session) }, run, { graceMs: session % 2 }, controller.signal)
    }
    expect(tableOf(run)).toEqual(expected)
    run.close()
  })
})

describe('replay', () => {
  const finished = async (factory: StrategyFactory): Promise<Run> => {
    const run = createRun(`${tempFolder()}/run`, FAKE_MANIFEST, { budget: BUDGET })
    await goOn(run, { factory })
    return run
  }

  it('gives the same strategy and archive from the last snapshot as from the start', async () => {
    const run = await finished(generational())
    const [short, full] = [fakeArchive(), fakeArchive()]
    const fromSnapshot = replay(run, generational(), short)
    const fromStart = replay(withoutSnapshot(run), generational(), full)
    expect([fromSnapshot.from, fromStart.from]).toEqual(['snapshot', 'start'])
    expect(fromSnapshot.strategy.snapshot()).toEqual(fromStart.strategy.snapshot())
    expect(fromStart).toMatchObject({ asked: BUDGET, told: BUDGET, pending: [] })
    expect([...short]).toEqual([...full])
    expect(short.hypervolume()).toBeGreaterThan(0)
    run.close()
  })

  const withoutSnapshot = (run: RunReader): RunReader => withMember(run, 'latestSnapshot', () => undefined)

  const withMember = <K extends keyof RunReader>(run: RunReader, name: K, value: RunReader[K]): RunReader =>
    new Proxy(run, {
      get(_, key) {
        if (key === name) return value
        const member: unknown = Reflect.get(run, key, run)
        return typeof member === 'function' ? member.bind(run) : member
      },
    })

  it('starts from zero where the snapshot cannot be restored', async () => {
    const run = await finished(generational())
    const broken: StrategyFactory = {
      ...generational(),
      restore: () => {
        throw new RunStoreError('The "fake" snapshot is damaged.')
      },
    }
    const replayed = replay(run, broken, fakeArchive())
    expect(replayed.from).toBe('start')
    expect(replayed.strategy.snapshot()).toEqual(replay(run, generational(), fakeArchive()).strategy.snapshot())
    run.close()
  })

  it('starts from zero where what follows the snapshot does not follow from it', async () => {
    const run = await finished(generational())
    const misled: StrategyFactory = { create: generational().create, restore: () => generational().create() }
    expect(replay(run, misled, fakeArchive()).from).toBe('start')
    run.close()
  })

  it('refuses a strategy that asks for something else, and names candidate, gene and both values', async () => {
    const run = await finished(generational())
    const other: StrategyFactory = {
      ...generational(),
      create: () => changed(generational().create(), 5),
      restore: () => generational(3).create(),
    }
    expect(() => replay(run, other, fakeArchive())).toThrow(RunStoreError)
    const genome = run.candidate(5)!.genome
    expect(() => replay(run, other, fakeArchive())).toThrow(
      `cannot be resumed: candidate 5, gene "b": recorded is ${genome[1]}, strategy fake now proposes ${-genome[1]!}.`,
    )
    run.close()
  })

  /** The same strategy, but for one sign in its n-th proposal. */
  const changed = (strategy: Strategy, n: number): Strategy => {
    let asked = 0
    return new Proxy(strategy, {
      get(_, key) {
        if (key !== 'ask') {
          const member: unknown = Reflect.get(strategy, key, strategy)
          return typeof member === 'function' ? member.bind(strategy) : member
        }
        return (count: number) =>
          strategy
            .ask(count)
            .map(proposal =>
              asked++ === n
                ? { ...proposal, genome: Float64Array.of(proposal.genome[0]!, -proposal.genome[1]!) }
                : proposal,
            )
      },
    })
  }

  it('refuses a strategy that gives fewer candidates than it gave', async () => {
    const run = await finished(generational(4))
    expect(() => replay(withoutSnapshot(run), generational(2), fakeArchive())).toThrow(
      'cannot be resumed: asked for 3, strategy fake now proposes 2 candidates at event 1, recorded are 3.',
    )
    run.close()
  })

  it('leaves what was asked and not told pending, with its evaluation where that is recorded', async () => {
    const run = createRun(`${tempFolder()}/run`, FAKE_MANIFEST, { budget: BUDGET })
    // Asked three, then the second one arrives first.
    await goOn(
      run,
      { factory: steadyState(), executor: fakeExecutor({ score: fakeScore, delayMs: n => (n === 1 ? 0 : 60_000) }) },
      crashAfter(run, 4),
    ).catch(() => {})
    const { pending, asked, told } = replay(run, steadyState(), fakeArchive())
    expect([asked, told]).toEqual([3, 0])
    expect(pending.map(p => [p.candidate.id, p.evaluation !== undefined])).toEqual([
      [0, false],
      [1, true],
      [2, false],
    ])
    run.close()
  })

  it('leaves a run that has ended as it is', async () => {
    const run = await finished(generational())
    const before = tableOf(run)
    const executor = jumbled(2)
    expect(await goOn(run, { factory: generational(), executor })).toEqual({
      criterion: 'budget',
      detail: `${BUDGET} evaluations`,
    })
    expect(executor.jobs).toEqual([])
    expect(tableOf(run)).toEqual(before)
    run.close()
  })

  it('goes on after the end when the budget is raised', async () => {
    const folder = `${tempFolder()}/run`
    const run = createRun(folder, FAKE_MANIFEST, { budget: BUDGET })
    await goOn(run, { factory: generational() })
    const before = run.events()
    run.raiseBudget(20)
    expect(await goOn(run, { factory: generational() })).toEqual({ criterion: 'budget', detail: '20 evaluations' })
    expect(run.events().slice(0, before.length)).toEqual(before)
    expect(run.trials()).toHaveLength(20)
    run.close()
    const reader = readRun(folder)
    expect(replay(reader, generational(), fakeArchive())).toMatchObject({ asked: 20, told: 20 })
    expect(replay(withoutSnapshot(reader), generational(), fakeArchive()).from).toBe('start')
    reader.close()
  })
})
