import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cachedExecutor } from '../src/cached-executor.ts'
import type { EvaluationJob } from '../src/evaluation/job.ts'
import type { Executor } from '../src/executors/executor.ts'
import { ScoreCache } from '../src/runs/score-cache.ts'
import { type FakeExecutor, fakeExecutor } from './helpers/fake-executor.ts'
import { decode, ITEMS, RACE_OBJECTIVES, scoreRanges } from './helpers/fake-race.ts'
import { tempFolder } from './helpers/temp-run.ts'
import { failed } from './helpers/trials.ts'

const noTrouble = (message: string): void => {
  throw new Error(message)
}

function opened(
  file: string,
  change: { readonly digest?: string; readonly source?: string; readonly score?: typeof scoreRanges } = {},
): { executor: Executor; inner: FakeExecutor } {
  const inner = fakeExecutor({ score: change.score ?? scoreRanges, exampleCount: [ITEMS] })
  const executor = cachedExecutor({
    executor: inner,
    cache: ScoreCache.open(file, noTrouble)!,
    objectives: RACE_OBJECTIVES,
    evaluatorDigest: change.digest ?? 'evaluator 1',
    sources: { a: change.source ?? 'aa', b: 'bb' },
  })
  return { executor, inner }
}

const job = (x = 0.1, ranges?: EvaluationJob['ranges']): EvaluationJob => ({
  label: 'candidate 0',
  recipe: decode(Float64Array.of(x, 0)),
  split: 'search',
  ...(ranges && { ranges }),
})
const file = () => join(tempFolder(), 'scores.sqlite')
const examples = ({ jobs }: FakeExecutor): number[] =>
  jobs.map(({ ranges }) => (ranges === undefined ? ITEMS : ranges[0]!.end - ranges[0]!.begin))

describe('an executor with a cache', () => {
  it('answers a second run from the first, bit by bit and without scoring anything', async () => {
    const path = file()
    const first = opened(path)
    const ranges = [{ begin: 0, end: 20 }]
    const before = [await first.executor.submit(job()), await first.executor.submit(job(0.2, ranges))]
    await first.executor.close()
    const second = opened(path)
    const after = [await second.executor.submit(job()), await second.executor.submit(job(0.2, ranges))]
    expect(after).toEqual(before)
    expect(second.inner.jobs).toEqual([])
    await second.executor.close()
  })

  it('scores only the examples that are new, whatever was asked for before', async () => {
    const path = file()
    const { executor, inner } = opened(path)
    await executor.submit(job(0.1, [{ begin: 0, end: 20 }]))
    const next = await executor.submit(job(0.1, [{ begin: 10, end: 60 }]))
    expect(next).toEqual(scoreRanges(job(0.1, [{ begin: 10, end: 60 }])))
    const whole = await executor.submit(job(0.1))
    expect(whole).toEqual(scoreRanges(job(0.1)))
    expect(await executor.submit(job(0.1, [{ begin: 30, end: 90 }]))).toEqual(
      scoreRanges(job(0.1, [{ begin: 30, end: 90 }])),
    )
    expect(examples(inner)).toEqual([20, 40, ITEMS - 60])
    await executor.close()
  })

  it('tells recipes, splits, sources and evaluators apart', async () => {
    const path = file()
    const first = opened(path)
    await first.executor.submit(job())
    await first.executor.submit(job(0.2))
    await first.executor.submit({ ...job(), split: 'select' })
    expect(first.inner.jobs).toHaveLength(3)
    await first.executor.close()
    for (const change of [{ digest: 'evaluator 2' }, { source: 'other weights' }]) {
      const other = opened(path, change)
      await other.executor.submit(job())
      expect(other.inner.jobs).toHaveLength(1)
      await other.executor.close()
    }
  })

  it('does not keep failures, which may have been accidents', async () => {
    const path = file()
    const broken = opened(path, { score: () => failed('crashed', 'host died') })
    expect(await broken.executor.submit(job())).toMatchObject({ status: 'failed' })
    await broken.executor.close()
    const { executor, inner } = opened(path)
    expect(await executor.submit(job())).toMatchObject({ status: 'scored' })
    expect(inner.jobs).toHaveLength(1)
    await executor.close()
  })
})

describe('the cache', () => {
  const scores = (n: number, value = 1) => ({
    exampleScores: [new Float32Array(n).fill(value)],
    whole: undefined,
    exact: [null],
  })

  it('is shared by connections that are open at the same time', () => {
    const path = file()
    const [a, b] = [ScoreCache.open(path, noTrouble)!, ScoreCache.open(path, noTrouble)!]
    a.put('k', scores(3))
    expect(b.get('k')).toEqual(scores(3))
    b.put('k', scores(5))
    a.put('k', scores(4, 0)) // shorter than what is known
    expect(a.get('k')).toEqual(scores(5))
    a.close()
    b.close()
  })

  it('stays below its limit, and forgets what has not been used for longest', async () => {
    const cache = ScoreCache.open(file(), noTrouble, 400)!
    cache.put('old', scores(50))
    await new Promise(resolve => setTimeout(resolve, 5))
    for (let i = 0; i < 200; i++) cache.put(`k${i}`, scores(1))
    expect(cache.get('old')).toBeUndefined()
    expect(cache.get('k199')).toEqual(scores(1))
    cache.close()
  })

  it('that is damaged, or no cache at all, costs its scores and nothing else', () => {
    const path = file()
    const cache = ScoreCache.open(path, noTrouble)!
    cache.put('k', scores(1000))
    cache.close()
    const bytes = readFileSync(path)
    bytes[bytes.lastIndexOf(Buffer.from(Float32Array.of(1, 1, 1).buffer)) + 1]! ^= 1
    writeFileSync(`${path}.flipped`, bytes)
    const flipped = ScoreCache.open(`${path}.flipped`, noTrouble)!
    expect(flipped.get('k')).toBeUndefined()
    flipped.close()

    writeFileSync(`${path}.text`, 'not a database, but long enough to be read as a header of one. '.repeat(40))
    const messages: string[] = []
    expect(ScoreCache.open(`${path}.text`, message => messages.push(message))).toBeUndefined()
    expect(messages).toEqual([expect.stringMatching(/^example scores are not cached: /)])
  })
})
