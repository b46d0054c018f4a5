import { describe, expect, it } from 'vitest'
import { createParetoArchive } from '../src/archive/pareto-archive.ts'
import type { Evaluation } from '../src/candidate.ts'
import { type RacingOptions, whyNoRaces } from '../src/race.ts'
import { promising } from '../src/racing/promising.ts'
import { replay, type StrategyFactory } from '../src/resume.ts'
import { createRng } from '../src/rng.ts'
import { createRun, openRun } from '../src/runs/run-folder.ts'
import type { Run } from '../src/runs/run-store.ts'
import { search } from '../src/search.ts'
import { cmaEs } from '../src/strategies/cma-es/cma-es.ts'
import { type FakeExecutor, fakeExecutor } from './helpers/fake-executor.ts'
import { ITEMS, itemScores, RACE_MANIFEST, RACE_OBJECTIVES, scoreRanges } from './helpers/fake-race.ts'
import { FAKE_SPACE, steadyState, tableOf } from './helpers/fake-search.ts'
import { tempFolder } from './helpers/temp-run.ts'
import { Crash, crashAfter, scored } from './helpers/trials.ts'

const RACING: RacingOptions = { eta: 2, alpha: 0.05, share: 1 / 4 }
const BUDGET = 40
const never = new AbortController().signal

const executorOf = (delays?: number): FakeExecutor => {
  const rng = createRng(delays ?? 0)
  return fakeExecutor({
    score: scoreRanges,
    exampleCount: [ITEMS],
    ...(delays !== undefined && { delayMs: () => rng.integer(0, 3) }),
  })
}

async function race(
  run: Run,
  {
    executor = executorOf(),
    racing = RACING,
    wrapped = run,
    budget = BUDGET,
    signal = never,
    factory = steadyState(),
  } = {},
): Promise<{ executor: FakeExecutor; archive: ReturnType<typeof createParetoArchive> }> {
  const archive = createParetoArchive(RACE_OBJECTIVES)
  const { strategy, pending } = replay(run, factory, archive)
  await search(
    {
      space: FAKE_SPACE,
      objectives: RACE_OBJECTIVES,
      strategy,
      executor,
      archive,
      run: wrapped,
      budget,
      slots: 4,
      pending,
      racing,
      snapshotEvery: 7,
    },
    signal,
  )
  return { executor, archive }
}

const newRun = (folder = `${tempFolder()}/run`): Run => createRun(folder, RACE_MANIFEST, { budget: BUDGET })

describe('a search that races its candidates', () => {
  it('looks at a part of the examples, keeps the rest off the front, and scores finishers as if in one go', async () => {
    const run = newRun()
    const { executor, archive } = await race(run)
    const seen = executor.jobs.reduce((sum, { ranges }) => sum + ranges![0]!.end - ranges![0]!.begin, 0)
    expect(seen).toBeLessThan(0.45 * BUDGET * ITEMS)
    let stopped = 0
    for (const { id, genome, evaluation } of run.trials()) {
      if (evaluation.status !== 'scored') throw new Error('a candidate failed')
      const all = itemScores(genome)
      const scores = evaluation.exampleScores![0]!
      expect(scores).toEqual(all.slice(0, scores.length))
      expect(run.rungs(id)).toEqual([])
      if (evaluation.partial === undefined) {
        expect(evaluation).toMatchObject({ values: [all.reduce((sum, score) => sum + score, 0) / ITEMS] })
        continue
      }
      stopped++
      expect(evaluation.partial.of).toEqual([ITEMS])
      expect(evaluation.partial.standardErrors[0]).toBeGreaterThan(0)
      expect([...archive].map(trial => trial.id)).not.toContain(id)
    }
    expect(stopped).toBeGreaterThan(BUDGET / 2)
    run.close()
  })

  it('estimates what all examples would give, within its standard errors', async () => {
    const run = newRun()
    await race(run)
    const errors = run.trials().flatMap(({ genome, evaluation }) => {
      if (evaluation.status !== 'scored' || evaluation.partial === undefined) return []
      const truth = itemScores(genome).reduce((sum, score) => sum + score, 0) / ITEMS
      return [(evaluation.values[0]! - truth) / evaluation.partial.standardErrors[0]!]
    })
    const spread = Math.sqrt(errors.reduce((sum, z) => sum + z * z, 0) / errors.length)
    expect(spread).toBeGreaterThan(0.5)
    expect(spread).toBeLessThan(1.5)
    run.close()
  })

  it('gives the same table whatever the delays and the number of workers', async () => {
    const tables: unknown[] = []
    for (const workers of [1, 2, 8]) {
      const rng = createRng(workers)
      const run = newRun()
      const executor = fakeExecutor({
        score: scoreRanges,
        exampleCount: [ITEMS],
        workers,
        delayMs: () => rng.integer(0, 4),
      })
      await race(run, { executor, budget: 20 })
      tables.push(tableOf(run))
      run.close()
    }
    expect(tables[1]).toEqual(tables[0])
    expect(tables[2]).toEqual(tables[0])
  })

  it('ends with the same table when its process dies after any write, and looks at no example twice', async () => {
    const budget = 6
    const examples = ({ jobs }: FakeExecutor): number =>
      jobs.reduce((sum, { ranges }) => sum + ranges![0]!.end - ranges![0]!.begin, 0)
    const whole = newRun()
    const { executor } = await race(whole, { budget })
    const expected = tableOf(whole)
    whole.close()
    for (let writes = 1; ; writes += 5) {
      const folder = `${tempFolder()}/run`
      const run = newRun(folder)
      const death = await race(run, { wrapped: crashAfter(run, writes), budget }).catch(error => error)
      run.close()
      const again = openRun(folder)
      if (death instanceof Crash) {
        const parts = again.candidates().flatMap(({ id }) => again.rungs(id))
        const known = [...parts, ...again.trials().map(({ evaluation }) => evaluation)]
        const second = executorOf(writes)
        await race(again, { executor: second, budget })
        const seen = known.map(part => (part.status === 'scored' ? part.exampleScores![0]!.length : 0))
        expect(examples(second)).toBe(examples(executor) - seen.reduce((sum, n) => sum + n, 0))
      }
      expect(tableOf(again), `after ${writes} writes`).toEqual(expected)
      again.close()
      if (!(death instanceof Crash)) {
        expect(writes).toBeGreaterThan(3 * budget)
        return
      }
    }
  })

  it('of a strategy that ranks whole generations by estimates ends with the same table after a crash', async () => {
    const context = { domain: FAKE_SPACE, objectives: RACE_OBJECTIVES, budget: BUDGET }
    const options = cmaEs.options.parse({})
    const factory: StrategyFactory = {
      create: () => cmaEs.create({ ...context, rng: createRng(3) }, options),
      restore: snapshot => cmaEs.restore({ ...context, rng: createRng(3) }, options, snapshot),
    }
    const whole = newRun()
    await race(whole, { factory })
    const expected = tableOf(whole)
    // Within a generation all that are not worse with confidence see the same examples, or lead and see everything.
    const seen = whole
      .trials()
      .flatMap(({ id, evaluation }) =>
        evaluation.status === 'scored' && evaluation.partial?.stopped === 'outranked'
          ? [{ generation: Math.floor((id - 1) / 6), examples: evaluation.exampleScores![0]!.length }]
          : [],
      )
    expect(new Set(seen.map(({ examples }) => examples)).size).toBeGreaterThan(1)
    for (const { generation, examples } of seen)
      expect(seen.find(other => other.generation === generation)!.examples).toBeLessThanOrEqual(2 * examples)
    whole.close()
    for (const writes of [17, 60, 101]) {
      const folder = `${tempFolder()}/run`
      const run = newRun(folder)
      const death = await race(run, { wrapped: crashAfter(run, writes), factory }).catch(error => error)
      expect(death).toBeInstanceOf(Crash)
      run.close()
      const again = openRun(folder)
      await race(again, { executor: executorOf(writes), factory })
      expect(tableOf(again), `after ${writes} writes`).toEqual(expected)
      again.close()
    }
  })

  it('begins no further rung after an abort', async () => {
    const run = newRun()
    const controller = new AbortController()
    const executor = fakeExecutor({
      score: job => {
        controller.abort()
        return scoreRanges(job)
      },
      exampleCount: [ITEMS],
    })
    await race(run, { executor, signal: controller.signal })
    expect(executor.jobs).toHaveLength(4) // the first rung of what was under way
    expect(run.trials()).toEqual([])
    expect(run.candidates().flatMap(({ id }) => run.rungs(id))).toHaveLength(4)
    run.close()
  })

  it('with a share of 1 stops only what is worse with confidence', async () => {
    const run = newRun()
    await race(run, { racing: { ...RACING, share: 1 } })
    const reasons = run
      .trials()
      .flatMap(({ evaluation }) =>
        evaluation.status === 'scored' && evaluation.partial ? [evaluation.partial.stopped] : [],
      )
    expect(new Set(reasons)).toEqual(new Set(['dominated']))
    run.close()
  })
})

describe('whether candidates can be raced', () => {
  it('needs values that are means, and more examples than a first rung', () => {
    const size = { ...RACE_OBJECTIVES[0]!, name: 'size', perExample: undefined }
    const { perExample: _, ...perplexity } = { ...RACE_OBJECTIVES[0]!, name: 'perplexity' }
    expect(whyNoRaces(RACE_OBJECTIVES, [ITEMS], 3)).toBeUndefined()
    expect(whyNoRaces([RACE_OBJECTIVES[0]!, size as never], [ITEMS, 0], 3)).toBeUndefined()
    expect(whyNoRaces([perplexity], [ITEMS], 3)).toBe('the value of perplexity is not a mean over examples')
    expect(whyNoRaces(RACE_OBJECTIVES, [40], 3)).toBe('there are too few examples: 40 at most')
  })
})

describe('candidates worth a second look', () => {
  const stopped = (value: number, error: number, why: 'dominated' | 'outranked'): Evaluation => ({
    ...(scored([value], [new Float32Array(20)]) as Extract<Evaluation, { status: 'scored' }>),
    partial: { of: [ITEMS], standardErrors: [error], stopped: why },
  })

  it('are those outranked ones that may still be better than the best, best first', () => {
    const evaluations = [
      scored([0.7]),
      stopped(0.6, 0.06, 'outranked'),
      stopped(0.6, 0.04, 'outranked'),
      stopped(0.68, 0.05, 'outranked'),
      stopped(0.9, 0.1, 'dominated'),
    ]
    expect(promising(evaluations, RACE_OBJECTIVES, 'worst', 10)).toEqual([3, 1])
    expect(promising(evaluations, RACE_OBJECTIVES, 'worst', 1)).toEqual([3])
  })

  it('go by the one number that names the winner where there are several objectives', () => {
    const two = [RACE_OBJECTIVES[0]!, { ...RACE_OBJECTIVES[0]!, name: 'other' }]
    const outranked = (values: number[], errors: number[]): Evaluation => ({
      ...(scored(values, [new Float32Array(20), new Float32Array(20)]) as Extract<Evaluation, { status: 'scored' }>),
      partial: { of: [ITEMS, ITEMS], standardErrors: errors, stopped: 'outranked' },
    })
    const evaluations = [
      scored([0.7, 0.7]),
      outranked([0.9, 0.4], [0.05, 0.05]), // extends the front, and is far from the best
      outranked([0.72, 0.62], [0.05, 0.05]), // 0.1 of error where it is worst makes 0.72
    ]
    expect(promising(evaluations, two, 'worst', 10)).toEqual([2])
  })
})
