import { describe, expect, it } from 'vitest'
import type { Evaluation } from '../src/candidate.ts'
import { ExecutorError } from '../src/errors.ts'
import type { Executor } from '../src/executors/executor.ts'
import { createRng } from '../src/rng.ts'
import { createRun } from '../src/runs/run-folder.ts'
import type { Run } from '../src/runs/run-store.ts'
import { type SearchParts, type SearchProgress, search } from '../src/search.ts'
import type { Strategy } from '../src/strategies/strategy.ts'
import { fakeExecutor } from './helpers/fake-executor.ts'
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
import { Crash, crashAfter, failed, scored, TWO_OBJECTIVES } from './helpers/trials.ts'

const newRun = (budget = 18): Run => createRun(`${tempFolder()}/run`, FAKE_MANIFEST, { budget })

function parts(run: Run, overrides: Partial<SearchParts> = {}): SearchParts {
  return {
    space: FAKE_SPACE,
    objectives: TWO_OBJECTIVES,
    strategy: generational().create(),
    executor: fakeExecutor({ score: fakeScore }),
    archive: fakeArchive(),
    run,
    budget: run.budget,
    slots: 3,
    pending: [],
    graceMs: 50,
    ...overrides,
  }
}

const never = new AbortController().signal

/** Follows a list of genomes, whatever it is told. */
const listed = (genomes: readonly (readonly number[])[]): Strategy => {
  let next = 0
  return {
    kind: 'fake',
    ask: count => {
      const proposals = genomes.slice(next, next + count).map(genome => ({ genome: Float64Array.from(genome) }))
      next += proposals.length
      return proposals
    },
    tell: () => {},
    stopReason: () => undefined,
    snapshot: () => ({ kind: 'fake', version: 1, state: next }),
    diagnostics: () => ({}),
  }
}

describe('search', () => {
  it('spends its budget although it is no multiple of a generation, and records why it stopped', async () => {
    const run = newRun(18)
    const reason = await search(parts(run), never)
    expect(reason).toEqual({ criterion: 'budget', detail: '18 evaluations' })
    expect(run.stopReason()).toEqual(reason)
    expect(run.trials()).toHaveLength(18)
    expect(run.events().flatMap(event => (event.type === 'told' ? event.ids : []))).toEqual(
      Array.from({ length: 18 }, (_, id) => id),
    )
    run.close()
  })

  for (const [name, factory] of [
    ['generational', generational()],
    ['steady-state', steadyState()],
  ] as const) {
    it(`gives the same table whatever the delays and the number of workers, with a ${name} strategy`, async () => {
      const tables: unknown[] = []
      for (const workers of [1, 2, 8]) {
        const rng = createRng(workers)
        const executor = fakeExecutor({ score: fakeScore, workers, delayMs: () => rng.integer(0, 4) })
        const run = newRun(30)
        await search(parts(run, { strategy: factory.create(), executor }), never)
        tables.push(tableOf(run))
        run.close()
      }
      expect(tables[1]).toEqual(tables[0])
      expect(tables[2]).toEqual(tables[0])
    })
  }

  it('keeps no more candidates under way than there are slots, and as many where the strategy allows', async () => {
    const run = newRun(20)
    const executor = fakeExecutor({ score: fakeScore, delayMs: () => 1 })
    await search(parts(run, { strategy: steadyState().create(), executor, slots: 5 }), never)
    expect(executor.mostOpen).toBe(5)
    run.close()
  })

  it('records an ask before its job starts, an evaluation before it is told, a tell before archive and strategy learn of it', async () => {
    const run = newRun(6)
    const log: string[] = []
    const executor: Executor = fakeExecutor({ score: fakeScore })
    const strategy = steadyState().create()
    const archive = fakeArchive()
    const told = () => run.events().flatMap(event => (event.type === 'told' ? event.ids : []))
    await search(
      parts(run, {
        executor: {
          ...executor,
          submit: (job, signal) => {
            log.push(`${job.label} recorded: ${run.candidate(Number(job.label.split(' ')[1])) !== undefined}`)
            return executor.submit(job, signal)
          },
        },
        strategy: {
          ...strategy,
          kind: 'fake',
          ask: count => strategy.ask(count),
          stopReason: () => undefined,
          snapshot: () => strategy.snapshot(),
          diagnostics: () => ({}),
          tell: trials => {
            log.push(`tell recorded: ${trials.every(t => told().includes(t.id) && run.evaluation(t.id) !== undefined)}`)
            strategy.tell(trials)
          },
        },
        archive: {
          get size() {
            return archive.size
          },
          [Symbol.iterator]: () => archive[Symbol.iterator](),
          hypervolume: () => archive.hypervolume(),
          add: trial => {
            log.push(`add recorded: ${told().includes(trial.id)}`)
            return archive.add(trial)
          },
        },
      }),
      never,
    )
    expect(log).toHaveLength(18)
    expect(log.filter(line => line.endsWith('false'))).toEqual([])
    run.close()
  })

  it('tells in order of arrival when it is asynchronous, so that a slow candidate holds up nobody', async () => {
    const run = newRun(8)
    const executor = fakeExecutor({ score: fakeScore })
    let release = (): void => {}
    const othersTold = new Promise<void>(resolve => {
      release = resolve
    })
    const slow: Executor = {
      ...executor,
      submit: async (job, signal) => {
        if (job.label === 'candidate 0') await othersTold
        return executor.submit(job, signal)
      },
    }
    await search(
      parts(run, {
        strategy: steadyState().create(),
        executor: slow,
        slots: 2,
        mode: 'async',
        onProgress: ({ done }) => {
          if (done === 7) release()
        },
      }),
      never,
    )
    const order = run.events().flatMap(event => (event.type === 'told' ? event.ids : []))
    expect(order.at(-1)).toBe(0)
    expect([...order].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    run.close()
  })

  it('scores a recipe once: later candidates with the same recipe share its result and count all the same', async () => {
    const run = newRun(7)
    const executor = fakeExecutor({ score: fakeScore })
    const [x, y] = [
      [0.1, 0.2],
      [0.3, 0.4],
    ]
    await search(parts(run, { executor, strategy: listed([x!, x!, y!, x!, y!, x!, y!]) }), never)
    expect(executor.jobs).toHaveLength(2)
    const values = run.trials().map(t => t.evaluation.status === 'scored' && t.evaluation.values)
    expect(values[1]).toEqual(values[0])
    expect(values[4]).toEqual(values[2])
    expect(run.evaluation(1)!.timing.totalMs).toBe(0)
    expect(run.evaluation(1)).toMatchObject({ exampleScores: [expect.any(Float32Array), new Float32Array()] })
    run.close()
  })

  it('scores a recipe again after an accident, but not after an error that would come again', async () => {
    const results: Evaluation[] = [failed('crashed', 'host died'), scored([0.5, 1]), failed('threw', 'bad shape')]
    const run = newRun(4)
    const executor = fakeExecutor({ score: () => results.shift() ?? scored([0, 0]) })
    const [x, y] = [
      [0.1, 0.2],
      [0.3, 0.4],
    ]
    await search(parts(run, { executor, slots: 1, strategy: listed([x!, x!, y!, y!]) }), never)
    expect(run.trials().map(t => (t.evaluation.status === 'failed' ? t.evaluation.kind : 'scored'))).toEqual([
      'crashed',
      'scored',
      'threw',
      'threw',
    ])
    run.close()
  })

  it('goes on after failed candidates, and keeps them out of the archive', async () => {
    const run = newRun(4)
    const archive = fakeArchive()
    const reason = await search(
      parts(run, {
        archive,
        strategy: listed([
          [-0.9, -0.9],
          [0.3, -0.2],
          [-0.8, -0.8],
          [0.2, 0],
        ]),
      }),
      never,
    )
    expect(reason.criterion).toBe('budget')
    expect([...archive].map(t => t.id).sort()).toEqual([1, 3])
    run.close()
  })

  it('is no success when every evaluation failed: says so, with the last reason', async () => {
    const run = newRun(3)
    const executor = fakeExecutor({ score: () => failed('threw', 'no such file') })
    const reason = await search(parts(run, { executor }), never)
    expect(reason).toEqual({
      criterion: 'infeasible',
      detail: 'all 3 evaluations failed, the last one (threw: no such file); stopped by budget: 3 evaluations',
    })
    expect(run.stopReason()).toEqual(reason)
    run.close()
  })

  it('ends for the reason of the strategy, after what was under way has been told', async () => {
    const run = newRun(100)
    const strategy = listed(Array.from({ length: 100 }, (_, i) => [i / 100, 0]))
    let told = 0
    const stopping: Strategy = {
      ...strategy,
      tell: trials => {
        told += trials.length
      },
      stopReason: () => (told >= 4 ? { criterion: 'tolfun', detail: '1e-12' } : undefined),
    }
    expect(await search(parts(run, { strategy: stopping }), never)).toEqual({ criterion: 'tolfun', detail: '1e-12' })
    expect(run.candidates()).toHaveLength(6) // 3 slots: two more were under way at the fourth tell
    expect(told).toBe(6)
    run.close()
  })

  it('stalls when the strategy has nothing to ask for and nothing is under way', async () => {
    const run = newRun(10)
    expect(await search(parts(run, { strategy: listed([[0, 0]]) }), never)).toEqual({
      criterion: 'stalled',
      detail: 'the strategy asked for nothing although nothing was under way',
    })
    run.close()
  })

  it('counts done, failed and best for whoever watches', async () => {
    const run = newRun(3)
    const seen: SearchProgress[] = []
    const strategy = listed([
      [-0.9, -0.9],
      [0.3, -0.2],
      [0.3, 0.2],
    ])
    await search(parts(run, { strategy, onProgress: progress => seen.push(progress) }), never)
    expect(seen.map(({ done, total, failed: f }) => [done, total, f])).toEqual([
      [1, 3, 1],
      [2, 3, 1],
      [3, 3, 1],
    ])
    expect(seen[0]!.best).toBeUndefined()
    expect(seen[2]!.best).toBe(seen[1]!.best)
    expect(seen[2]!.hypervolume).toBeCloseTo(9.5, 6) // accuracy 1 at size 0.5, references 0 and 10
    run.close()
  })

  it('snapshots every so many tells', async () => {
    const run = newRun(10)
    await search(parts(run, { snapshotEvery: 4 }), never)
    const eighth = run.events().filter(event => event.type === 'told')[7]!
    expect(run.latestSnapshot()?.seq).toBe(eighth.seq)
    run.close()
  })
})

describe('an abort', () => {
  it('tells nothing more, records what finishes within the grace, and leaves the run resumable', async () => {
    const run = newRun(20)
    const controller = new AbortController()
    const executor = fakeExecutor({ score: fakeScore, delayMs: n => (n < 4 ? 1 : 20) })
    let told = 0
    const reason = await search(
      parts(run, {
        executor,
        strategy: steadyState().create(),
        graceMs: 5000,
        onProgress: ({ done }) => {
          told = done
          if (done === 3) controller.abort()
        },
      }),
      controller.signal,
    )
    expect(reason).toEqual({ criterion: 'interrupted', detail: '3 of 20 evaluations done' })
    expect(told).toBe(3)
    expect(run.stopReason()).toBeUndefined()
    const events = run.events()
    expect(events.at(-1)).toMatchObject({ type: 'told', ids: [2] }) // it stopped between the tell and the next ask
    expect(run.trials()).toHaveLength(run.candidates().length) // all that was under way is recorded
    run.close()
  })

  it('gives up what takes longer than the grace, and records nothing after it has returned', async () => {
    const run = newRun(20)
    const controller = new AbortController()
    const executor = fakeExecutor({ score: fakeScore, delayMs: n => (n < 3 ? 1 : 300) })
    const reason = await search(
      parts(run, {
        executor,
        strategy: steadyState().create(),
        graceMs: 10,
        onProgress: ({ done }) => {
          if (done === 1) setTimeout(() => controller.abort(), 20)
        },
      }),
      controller.signal,
    )
    expect(reason.criterion).toBe('interrupted')
    const before = run.trials().length
    expect(before).toBeLessThan(run.candidates().length)
    await new Promise(resolve => setTimeout(resolve, 350))
    expect(run.trials()).toHaveLength(before)
    run.close()
  })

  it('is proof against an executor that answers after it was told to give up', async () => {
    const run = newRun(20)
    const controller = new AbortController()
    const answers: (() => void)[] = []
    const deaf: Executor = {
      ...fakeExecutor({ score: fakeScore }),
      submit: job => new Promise(resolve => answers.push(() => resolve(fakeScore(job)))),
    }
    setTimeout(() => controller.abort(), 5)
    expect((await search(parts(run, { executor: deaf, graceMs: 5 }), controller.signal)).criterion).toBe('interrupted')
    for (const answer of answers) answer()
    await new Promise(resolve => setImmediate(resolve))
    expect(answers).toHaveLength(3)
    expect(run.trials()).toEqual([])
    run.close()
  })

  it('before the start asks for nothing', async () => {
    const run = newRun(5)
    const reason = await search(parts(run), AbortSignal.abort())
    expect(reason.criterion).toBe('interrupted')
    expect(run.candidates()).toEqual([])
    run.close()
  })
})

describe('a broken part', () => {
  it('ends the search when the executor is broken, and gives up what is under way', async () => {
    const run = newRun(10)
    const executor = fakeExecutor({ score: fakeScore, delayMs: () => 30 })
    let aborted = 0
    const broken: Executor = {
      ...executor,
      submit: async (job, signal) => {
        if (executor.jobs.length >= 2) throw new ExecutorError('No worker can be started any more.')
        signal?.addEventListener('abort', () => aborted++)
        return executor.submit(job, signal)
      },
    }
    await expect(search(parts(run, { executor: broken }), never)).rejects.toThrow('No worker can be started any more.')
    expect(aborted).toBe(2)
    expect(run.stopReason()).toBeUndefined()
    run.close()
  })

  it('ends the search when an evaluation cannot be recorded', async () => {
    const run = newRun(10)
    await expect(search(parts(crashAfter(run, 2)), never)).rejects.toThrow(Crash)
    run.close()
  })

  it('refuses more proposals than it asked for', async () => {
    const run = newRun(10)
    const greedy: Strategy = {
      ...listed([]),
      ask: () => Array.from({ length: 9 }, () => ({ genome: Float64Array.of(0, 0) })),
    }
    await expect(search(parts(run, { strategy: greedy }), never)).rejects.toThrow(
      'Expected at most 3 proposals from strategy fake, got 9.',
    )
    run.close()
  })
})
