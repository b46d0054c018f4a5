import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Evaluation } from '../../src/candidate.ts'
import type { SessionChoice } from '../../src/evaluation/evaluator.ts'
import type { EvaluationJob, WorkerSetup } from '../../src/evaluation/job.ts'
import { evaluatorReference } from '../../src/evaluation/registry.ts'
import type { Executor } from '../../src/executors/executor.ts'
import { createWorkerHostExecutor, type WorkerHostOptions } from '../../src/executors/host/worker-host.ts'
import { createInlineExecutor } from '../../src/executors/inline.ts'
import { csv, mlpGraph, randomModel, rows, writeSmallEvaluator } from '../evaluation/onnx-fixture.ts'
import { jobWith, outcome, sleep } from './support.ts'

// Wide enough that most of a candidate's time is spent inside onnxruntime, where a thread can be neither asked nor stopped.
const WIDTHS = [4, 768, 768, 3]
const CANDIDATES = 12

function job(index: number): EvaluationJob {
  const one = { weight: index / CANDIDATES }
  const two = { weight: 1 - index / CANDIDATES }
  const recipe = {
    ...jobWith(0).recipe,
    sources: ['one', 'two'],
    groups: [{ layers: 'all', coefficients: { one, two } }],
  } as const
  return { label: `candidate ${index}`, split: 'search', recipe }
}

const jobs = Array.from({ length: CANDIDATES }, (_, i) => job(i))

describe('With onnxruntime in its threads', () => {
  let folder: string
  let setup: WorkerSetup
  let truth: Evaluation[]
  let executor: Executor | undefined
  let pid: number | undefined

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'amalgam-host-onnx-'))
    setup = await setupOf(1200)
    const inline = await createInlineExecutor(setup)
    truth = await Promise.all(jobs.map(each => inline.submit(each)))
    await inline.close()
  })
  afterEach(() => executor?.close())
  afterAll(() => rm(folder, { recursive: true }))

  /** @param examples of all splits together */
  async function setupOf(examples: number): Promise<WorkerSetup> {
    const graph = mlpGraph(randomModel(1, WIDTHS), WIDTHS)
    const place = join(folder, String(examples))
    const document = {
      ...(await writeSmallEvaluator(place, { graph, data: csv(rows(examples, 2)) })),
      weights: 'inputs',
      objectives: ['accuracy', 'negative_log_likelihood'].map(metric => ({ task: 'low', metric })),
    }
    const sources = [1, 2].map(seed => ({ id: seed === 1 ? 'one' : 'two', path: join(place, `${seed}.onnx`) }))
    for (const [i, { path }] of sources.entries()) await writeFile(path, mlpGraph(randomModel(i + 1, WIDTHS), WIDTHS))
    return { sources, evaluator: evaluatorReference(document, place, 'small.yaml') }
  }

  async function open(options: Partial<WorkerHostOptions> = {}, of: WorkerSetup = setup): Promise<Executor> {
    const onEvent: WorkerHostOptions['onEvent'] = event => {
      if (event.type !== 'chose') pid = event.type === 'ready' ? event.pid : undefined
    }
    executor = await createWorkerHostExecutor(of, { workers: 2, onEvent, ...options })
    return executor
  }

  test('scores equal those of the inline executor, bit by bit', async () => {
    const host = await open()
    const evaluations = await Promise.all(jobs.map(each => host.submit(each)))
    expect(new Set(truth.map(evaluation => JSON.stringify(outcome(evaluation)))).size).toBe(CANDIDATES)
    expect(evaluations.map(outcome)).toEqual(truth.map(outcome))
  })

  test('killed six times in the middle of its work, it gives the same scores', async () => {
    const host = await open()
    let finished = false
    const work = async (): Promise<unknown[]> => {
      const outcomes: unknown[] = []
      for (let round = 0; round < 20 && kills < 6; round++) {
        outcomes.push((await Promise.all(jobs.map(each => host.submit(each)))).map(outcome))
      }
      finished = true
      return outcomes
    }
    let kills = 0
    const rounds = work()
    while (!finished && kills < 6) {
      await sleep(60 + 40 * (kills % 5))
      if (pid === undefined) continue
      process.kill(pid, 'SIGKILL')
      pid = undefined
      kills++
    }
    const expected = truth.map(outcome)
    for (const outcomes of await rounds) expect(outcomes).toEqual(expected)
    expect(kills).toBe(6)
    expect(host.diagnostics().restarts).toBeGreaterThanOrEqual(5) // the last one may have found it idle
  })

  test('what its sessions decide is told once, before the first score', async () => {
    const told: SessionChoice[] = []
    const onEvent: WorkerHostOptions['onEvent'] = event => {
      if (event.type === 'chose') told.push(event.choice)
    }
    const workers = availableParallelism()
    const host = await open({ workers, onEvent })
    expect(host.diagnostics().choices).toEqual([])
    await host.submit(jobs[0]!)
    const expected = [{ option: 'threads', value: 1, reason: expect.stringMatching(/^No cores to spare: /) }]
    expect(told).toEqual(expected)
    await Promise.all([...jobs, ...jobs].map(each => host.submit(each)))
    expect(told).toEqual(expected)
    expect(host.diagnostics().choices).toEqual(told)
  })

  test('a time limit ends a candidate inside the runtime, and closing in the middle of a run ends all', async () => {
    // Examples for a good part of a second: a busy machine may be late to look at the clock.
    const host = await open({ evaluationTimeoutMs: 2 }, await setupOf(30_000))
    expect(await host.submit(jobs[0]!)).toMatchObject({ status: 'failed', kind: 'timeout' })
    const late = host.submit(jobs[1]!)
    const closed = expect(late).rejects.toMatchObject({ name: 'AbortError' })
    await host.close()
    await closed
  })
})
