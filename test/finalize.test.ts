import { describe, expect, it } from 'vitest'
import { RunStoreError } from '../src/errors.ts'
import type { EvaluationJob } from '../src/evaluation/job.ts'
import type { Executor } from '../src/executors/executor.ts'
import { type FinalizeParts, finalize } from '../src/finalize.ts'
import { createRng } from '../src/rng.ts'
import { createRun, openRun } from '../src/runs/run-folder.ts'
import type { Run } from '../src/runs/run-store.ts'
import { strategyDefinition } from '../src/strategies/registry.ts'
import { type FakeExecutor, fakeExecutor } from './helpers/fake-executor.ts'
import { FAKE_MANIFEST, FAKE_SPACE, fakeScore, finalTableOf } from './helpers/fake-search.ts'
import { tempFolder } from './helpers/temp-run.ts'
import { Crash, candidate, crashAfter, failed, scored, TWO_OBJECTIVES } from './helpers/trials.ts'

const never = new AbortController().signal

const randomStrategy = (seed = 3) =>
  strategyDefinition('random').create(
    { domain: FAKE_SPACE, objectives: TWO_OBJECTIVES, rng: createRng(seed), budget: 12 },
    {},
  )

/** A finished search of 12 random candidates, as recorded by a search. */
function searched(folder = `${tempFolder()}/run`): Run {
  const run = createRun(folder, FAKE_MANIFEST, { budget: 12 })
  const strategy = randomStrategy(8)
  for (let id = 0; id < 12; id++) {
    const [{ genome } = { genome: new Float64Array() }] = strategy.ask(1)
    run.recordAsked(1, [candidate(id, [...genome])])
    run.recordEvaluation(id, fakeScore({ label: '', recipe: FAKE_SPACE.decode(genome), split: 'search' }))
    run.recordTold([id])
  }
  run.recordStopped({ criterion: 'budget', detail: '12 evaluations' })
  return run
}

const parts = (run: Run, overrides: Partial<FinalizeParts> = {}): FinalizeParts => ({
  run,
  executor: fakeExecutor({ score: fakeScore }),
  objectives: TWO_OBJECTIVES,
  scalarization: 'worst',
  space: FAKE_SPACE,
  sources: { models: ['a', 'b'], base: 'zero' },
  slots: 3,
  randomSearch: { strategy: randomStrategy(), budget: 12 },
  graceMs: 1000,
  ...overrides,
})

const subjects = (run: Run, split: string): string[] =>
  run.assessments().flatMap(a => (a.split === split ? [a.subject] : []))

const accuracyOf = (run: Run, subject: string, split: string): number => {
  const found = run.assessments().find(a => a.subject === subject && a.split === split)!
  return found.evaluation.status === 'scored' ? found.evaluation.values[0]! : Number.NaN
}

describe('finalize', () => {
  it('scores baselines and random search on search, fronts on select, winners and baselines on holdout', async () => {
    const run = searched()
    expect(await finalize(parts(run), never)).toBe(true)
    const scales = ['0.1', '0.2', '0.3', '0.4', '0.5', '0.6', '0.7', '0.8', '0.9', '1', '1.25', '1.5']
    expect(subjects(run, 'search').sort()).toEqual(
      [
        ...['base' /* zero */, 'a', 'b', 'uniform', ...scales.map(s => `scale-${s}`)].map(name => `baseline:${name}`),
        ...Array.from({ length: 12 }, (_, k) => `random:${k}`),
      ].sort(),
    )
    const select = subjects(run, 'select')
    expect(select.every(subject => /^(candidate|random):\d+$/.test(subject))).toBe(true)
    const winner = run.fact('winner')
    const random = run.fact('random_winner')
    const bestScale = run.fact('best_scale')
    expect(winner).toMatchObject({ id: expect.any(Number), rule: expect.stringContaining('on select among') })
    expect(select).toContain(`candidate:${(winner as { id: number }).id}`)
    expect(select).toContain((random as { subject: string }).subject)
    expect(subjects(run, 'holdout').sort()).toEqual(
      [
        ...['base', 'a', 'b', 'uniform', (bestScale as { name: string }).name].map(name => `baseline:${name}`),
        `candidate:${(winner as { id: number }).id}`,
        (random as { subject: string }).subject,
      ].sort(),
    )
    run.close()
  })

  it('scores nothing else on holdout, whatever happens', async () => {
    const run = searched()
    const executor = fakeExecutor({ score: fakeScore })
    await finalize(parts(run, { executor }), never)
    expect(
      executor.jobs
        .filter(job => job.split === 'holdout')
        .map(job => job.label)
        .sort(),
    ).toEqual(
      subjects(run, 'holdout')
        .map(subject => subject.replace(':', ' '))
        .sort(),
    )
    run.close()
  })

  it('names the winner by its score on select alone where numbers of examples are not known', async () => {
    const run = createRun(`${tempFolder()}/run`, FAKE_MANIFEST, { budget: 3 })
    const genomes = [
      [0.1, 0],
      [0.2, 0],
      [0.3, 0],
    ]
    run.recordAsked(
      3,
      genomes.map((genome, id) => candidate(id, genome)),
    )
    // On search 0 looks best by far; all three are non-dominated.
    ;[
      [0.9, 3],
      [0.5, 2],
      [0.4, 1],
    ].forEach((values, id) => {
      run.recordEvaluation(id, scored(values))
    })
    run.recordTold([0, 1, 2])
    const onSelect: Record<string, readonly number[]> = {
      'candidate 0': [0.2, 3],
      'candidate 1': [0.6, 2],
      'candidate 2': [0.6, 2],
    }
    const executor = fakeExecutor({ score: job => scored(onSelect[job.label] ?? [0.1, 9]) })
    await finalize(parts(run, { executor, randomSearch: undefined }), never)
    // 1 and 2 tie on select: the lower id wins.
    expect(run.fact('winner')).toEqual({
      id: 1,
      rule: 'smallest worst normalised loss (augmented Tchebycheff) on select among 3 non-dominated',
    })
    expect(run.fact('random_winner')).toBeUndefined()
    run.close()
  })

  describe('with examples on both splits', () => {
    const FRONT = [
      [0.9, 3],
      [0.5, 2],
      [0.4, 1],
    ]
    const ON_SELECT: Record<string, readonly number[]> = {
      'candidate 0': [0.55, 3],
      'candidate 1': [0.6, 2],
      'candidate 2': [0.6, 2],
    }

    /** Three candidates that do not dominate one another, all of which were told. */
    function ofThree(folder = `${tempFolder()}/run`): Run {
      const run = createRun(folder, FAKE_MANIFEST, { budget: 4 })
      run.recordAsked(
        3,
        FRONT.map((_, id) => candidate(id, [0.1 * id, 0])),
      )
      for (const [id, values] of FRONT.entries()) run.recordEvaluation(id, scored(values))
      run.recordTold([0, 1, 2])
      return run
    }
    const partsOfThree = (run: Run, exampleCount: readonly number[] = [40, 0]): FinalizeParts => {
      const score = (job: EvaluationJob) => scored(ON_SELECT[job.label] ?? [0.1, 9])
      return parts(run, { executor: fakeExecutor({ score, exampleCount }), randomSearch: undefined })
    }

    it('names the winner by all of them together', async () => {
      const run = ofThree()
      await finalize(partsOfThree(run), never)
      // 0 is worse on select than 1 by less than it is better on search.
      expect(run.fact('winner')).toEqual({
        id: 0,
        rule: 'smallest worst normalised loss (augmented Tchebycheff) on search and select together among 3 non-dominated',
      })
      expect(subjects(run, 'holdout')).toContain('candidate:0')
      run.close()
    })

    it('keeps a winner that was named by select alone, as long as nothing joins the front', async () => {
      const run = ofThree()
      await finalize(partsOfThree(run, []), never)
      const byBefore = run.fact('winner')
      expect(byBefore).toMatchObject({ id: 1, rule: expect.stringContaining('on select among 3') })
      await finalize(partsOfThree(run), never)
      expect(run.fact('winner')).toEqual(byBefore)
      expect(subjects(run, 'holdout').filter(subject => subject.startsWith('candidate'))).toEqual(['candidate:1'])
      run.recordAsked(1, [candidate(3, [0.7, 0])])
      run.recordEvaluation(3, scored([0.3, 0.5]))
      run.recordTold([3])
      await finalize(partsOfThree(run), never)
      expect(run.fact('winner')).toMatchObject({ id: 0, rule: expect.stringContaining('together among 4') })
      run.close()
    })
  })

  it('picks the best single scale on search', async () => {
    const run = searched()
    const executor = fakeExecutor({
      score: job => scored([job.label === 'baseline scale-0.7' && job.split === 'search' ? 0.95 : 0.5, 5]),
    })
    await finalize(parts(run, { executor, randomSearch: undefined }), never)
    expect(run.fact('best_scale')).toEqual({ name: 'scale-0.7', scale: 0.7 })
    expect(subjects(run, 'holdout').filter(subject => subject.includes('scale'))).toEqual(['baseline:scale-0.7'])
    run.close()
  })

  it('scores again on select only the best of a long front', async () => {
    const run = searched()
    await finalize(parts(run, { frontCap: 2, randomFrontCap: 1 }), never)
    expect(subjects(run, 'select').filter(s => s.startsWith('candidate'))).toHaveLength(2)
    expect(subjects(run, 'select').filter(s => s.startsWith('random'))).toHaveLength(1)
    run.close()
  })

  it('has no base and no scales to compare with where there is no base', async () => {
    const run = searched()
    await finalize(parts(run, { sources: { models: ['a', 'b'], base: undefined }, randomSearch: undefined }), never)
    expect(subjects(run, 'search')).toEqual(['baseline:a', 'baseline:b', 'baseline:uniform'])
    expect(run.fact('best_scale')).toBeUndefined()
    run.close()
  })

  it('names no winner where none of the front can be scored on select, and scores the baselines all the same', async () => {
    const run = searched()
    const executor = fakeExecutor({
      score: job => (job.split === 'select' ? failed('threw', 'no such split') : fakeScore(job)),
    })
    expect(await finalize(parts(run, { executor }), never)).toBe(true)
    expect(run.fact('winner')).toBeUndefined()
    expect(subjects(run, 'holdout').every(subject => subject.startsWith('baseline:'))).toBe(true)
    run.close()
  })

  it('does not score a recipe again on a split where it has been scored', async () => {
    const run = createRun(`${tempFolder()}/run`, FAKE_MANIFEST, { budget: 1 })
    run.recordAsked(1, [candidate(0, [0.5, 0.5])])
    run.recordEvaluation(0, scored([0.75, 1]))
    run.recordTold([0])
    const executor = fakeExecutor({ score: fakeScore })
    const space = { ...FAKE_SPACE, decode: () => uniform() }
    await finalize(parts(run, { executor, space, randomSearch: undefined }), never)
    expect(executor.jobs.some(job => job.label === 'baseline uniform' && job.split === 'search')).toBe(false)
    expect(accuracyOf(run, 'baseline:uniform', 'search')).toBe(0.75)
    run.close()
  })

  const uniform = () => ({
    kind: 'parameter-merge' as const,
    method: 'linear',
    base: undefined,
    sources: ['a', 'b'],
    parameters: { normalize: true },
    groups: [{ layers: 'all' as const, coefficients: { a: { weight: 1 }, b: { weight: 1 } } }],
  })

  it('keeps no more jobs under way than there are slots', async () => {
    const run = searched()
    const executor = fakeExecutor({ score: fakeScore, delayMs: () => 1 })
    await finalize(parts(run, { executor, slots: 4 }), never)
    expect(executor.mostOpen).toBe(4)
    run.close()
  })

  it('gives the same tables whatever the delays and the slots', async () => {
    const tables = []
    for (const slots of [1, 3, 8]) {
      const rng = createRng(slots)
      const run = searched()
      await finalize(
        parts(run, { slots, executor: fakeExecutor({ score: fakeScore, delayMs: () => rng.integer(0, 3) }) }),
        never,
      )
      tables.push(finalTableOf(run))
      run.close()
    }
    expect(tables[1]).toEqual(tables[0])
    expect(tables[2]).toEqual(tables[0])
  })

  it('changes nothing when it is called again, and scores nothing', async () => {
    const run = searched()
    await finalize(parts(run), never)
    const table = finalTableOf(run)
    const executor = fakeExecutor({ score: fakeScore })
    expect(await finalize(parts(run, { executor }), never)).toBe(true)
    expect(executor.jobs).toEqual([])
    expect(finalTableOf(run)).toEqual(table)
    run.close()
  })

  it('ends with the same tables when its process dies after any write', async () => {
    const whole = searched()
    await finalize(parts(whole), never)
    const expected = finalTableOf(whole)
    whole.close()
    for (let writes = 1; ; writes++) {
      const folder = `${tempFolder()}/run`
      const run = searched(folder)
      const rng = createRng(writes)
      const executor = fakeExecutor({ score: fakeScore, delayMs: () => rng.integer(0, 2) })
      const end = await finalize(parts(crashAfter(run, writes), { executor }), never).catch(error => error)
      run.close()
      const again = openRun(folder)
      expect(await finalize(parts(again), never)).toBe(true)
      expect(finalTableOf(again), `after ${writes} writes`).toEqual(expected)
      again.close()
      if (!(end instanceof Crash)) {
        expect(end).toBe(true)
        expect(writes).toBeGreaterThan(30)
        return
      }
    }
  })

  it('stops between jobs when it is told to, keeps what finishes within the grace, and goes on from there', async () => {
    const run = searched()
    const controller = new AbortController()
    const first: FakeExecutor = fakeExecutor({ score: fakeScore, delayMs: () => 1 })
    const stopped = await finalize(
      parts(run, { executor: first, onProgress: done => done === 5 && controller.abort() }),
      controller.signal,
    )
    expect(stopped).toBe(false)
    expect(run.assessments()).toHaveLength(first.jobs.length)
    expect(first.jobs.length).toBeLessThanOrEqual(5 + 3)
    const second = fakeExecutor({ score: fakeScore })
    expect(await finalize(parts(run, { executor: second }), never)).toBe(true)
    const labels = (jobs: readonly EvaluationJob[]) => jobs.map(job => `${job.split} ${job.label}`)
    expect(labels(second.jobs).filter(label => labels(first.jobs).includes(label))).toEqual([])
    run.close()
  })

  it('gives up what takes longer than the grace', async () => {
    const run = searched()
    const controller = new AbortController()
    const executor = fakeExecutor({ score: fakeScore, delayMs: () => 60_000 })
    setTimeout(() => controller.abort(), 10)
    expect(await finalize(parts(run, { executor, graceMs: 5 }), controller.signal)).toBe(false)
    expect(run.assessments()).toEqual([])
    run.close()
  })

  it('records nothing that comes after the grace', async () => {
    const run = searched()
    const controller = new AbortController()
    // Deaf to the abort: it answers when the grace is over.
    const executor: Executor = {
      ...fakeExecutor({ score: fakeScore }),
      submit: async (job, signal) => {
        await new Promise(resolve => signal?.addEventListener('abort', resolve))
        return fakeScore(job)
      },
    }
    setTimeout(() => controller.abort(), 5)
    expect(await finalize(parts(run, { executor, graceMs: 5 }), controller.signal)).toBe(false)
    expect(run.assessments()).toEqual([])
    run.close()
  })

  it('scores nothing where it is stopped from the start', async () => {
    const run = searched()
    const executor = fakeExecutor({ score: fakeScore })
    expect(await finalize(parts(run, { executor }), AbortSignal.abort())).toBe(false)
    expect(executor.jobs).toEqual([])
    run.close()
  })

  it('ends when the executor is broken', async () => {
    const run = searched()
    const executor: Executor = {
      ...fakeExecutor({ score: fakeScore }),
      submit: () => Promise.reject(new Error('no worker left')),
    }
    await expect(finalize(parts(run, { executor }), never)).rejects.toThrow('no worker left')
    run.close()
  })

  it('refuses to go on with another random search than the recorded one', async () => {
    const run = searched()
    await finalize(parts(run), never)
    const other = parts(run, { randomSearch: { strategy: randomStrategy(4), budget: 12 } })
    await expect(finalize(other, never)).rejects.toThrow(RunStoreError)
    await expect(
      finalize(parts(run, { randomSearch: { strategy: randomStrategy(4), budget: 12 } }), never),
    ).rejects.toThrow('random:0 is recorded with another recipe than the random search proposes now.')
    run.close()
  })
})
