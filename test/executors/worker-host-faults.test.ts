import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import type { Evaluation, JsonValue } from '../../src/candidate.ts'
import { ConfigError, EvaluatorError, ExecutorError } from '../../src/errors.ts'
import type { Executor } from '../../src/executors/executor.ts'
import {
  createWorkerHostExecutor,
  type WorkerHostEvent,
  type WorkerHostOptions,
} from '../../src/executors/host/worker-host.ts'
import { FAULT } from '../fixtures/evaluators/faulty.mjs'
import { isAlive, jobWith, outcome, scoredAs, sleep, until, Workbench } from './support.ts'

const PROGRAM = new URL('../../dist/executors/host/worker-host.js', import.meta.url).href
const bench = new Workbench()
const opened: Executor[] = []
let events: WorkerHostEvent[] = []

async function open(options: Partial<WorkerHostOptions> = {}, evaluator: JsonValue = null): Promise<Executor> {
  const onEvent = (event: WorkerHostEvent): void => void events.push(event)
  const executor = await createWorkerHostExecutor(bench.setup(evaluator), { workers: 2, onEvent, ...options })
  opened.push(executor)
  return executor
}

/** The innocent 1 .. 6 with `culprits` after the second. The innocent must keep their scores. */
async function runAmong(executor: Executor, culprits: readonly number[]): Promise<Evaluation[]> {
  const codes = [1, 2, ...culprits, 3, 4, 5, 6]
  const evaluations = await Promise.all(codes.map(code => executor.submit(jobWith(code))))
  const innocent = evaluations.filter((_, i) => i < 2 || i >= 2 + culprits.length)
  expect(innocent.map(outcome)).toEqual([1, 2, 3, 4, 5, 6].map(scoredAs))
  return evaluations.slice(2, 2 + culprits.length)
}

function livePid(): number {
  return events.findLast(event => event.type === 'spawned')?.pid ?? -1
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map(executor => executor.close()))
  const left = events.filter(event => event.type === 'spawned').filter(({ pid }) => pid !== undefined && isAlive(pid))
  events = []
  expect(left).toEqual([])
})
afterAll(() => bench.remove())

describe('A candidate that takes its process or thread down fails alone', () => {
  test.each([
    ['a segmentation fault', FAULT.segfault, /^Its process ended 2 times .* last with signal SIGSEGV\.$/],
    ['an abort', FAULT.aborts, /^Its process ended 2 times .* last with signal SIGABRT\.$/],
  ])('%s: crashed, and the process is started again', async (_, code, reason) => {
    const executor = await open()
    const [evaluation] = await runAmong(executor, [code])
    expect(evaluation).toMatchObject({ status: 'failed', kind: 'crashed', reason: expect.stringMatching(reason) })
    expect(outcome(await executor.submit(jobWith(7)))).toEqual(scoredAs(7)) // the last start may have waited for work
    expect(executor.diagnostics().restarts).toBe(3)
  })

  test.each([
    ['process.exit', FAULT.exits, 'crashed', 'Its thread exited with code 5.'],
    [
      'a rejection that nobody handles',
      FAULT.unhandledRejection,
      'threw',
      'An error was raised that nothing caught: nobody waits for this',
    ],
    ['an error in a timer', FAULT.throwsLater, 'threw', 'An error was raised that nothing caught: thrown from a timer'],
  ])('%s ends a thread only: the process lives on, the pool is whole again', async (_, code, kind, reason) => {
    const executor = await open({ evaluationTimeoutMs: 10_000 })
    const culprits = await runAmong(executor, [code, code])
    for (const culprit of culprits) expect(culprit).toMatchObject({ status: 'failed', kind, reason })
    expect(executor.diagnostics().restarts).toBe(0)
    const pair = await Promise.all([1, 2].map(() => executor.submit(jobWith(FAULT.meets))))
    expect(pair.map(outcome)).toEqual([1, 2].map(() => scoredAs(FAULT.meets)))
  })

  test('an error that an earlier candidate left behind does not fail the one that runs by then', async () => {
    const executor = await open({ workers: 1 }, { delayMs: 50 })
    const late = executor.submit(jobWith(FAULT.throwsAfterScoring))
    const victim = executor.submit(jobWith(7))
    expect([await late, await victim].map(outcome)).toEqual([scoredAs(FAULT.throwsAfterScoring), scoredAs(7)])
  })

  test('what it said last is in the reason, and a flood of output neither reaches ours nor fills the memory', async () => {
    const executor = await open()
    const before = process.memoryUsage.rss()
    const [evaluation] = await runAmong(executor, [FAULT.floodsOutput])
    expect(evaluation).toMatchObject({ kind: 'crashed', reason: expect.stringMatching(/Last output: [xy]{200,}/) })
    expect(evaluation?.status === 'failed' && evaluation.reason.length).toBeLessThanOrEqual(500)
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 2 ** 20)
  })

  test('a process that it started goes with it', async () => {
    const executor = await open({ workers: 1 })
    const [evaluation] = await runAmong(executor, [FAULT.leavesGrandchild])
    const pid = /grandchild (\d+)/.exec(evaluation?.status === 'failed' ? evaluation.reason : '')?.[1]
    expect(pid).toBeDefined()
    expect(await until(() => !isAlive(Number(pid)), 1000)).toBe(true)
  })
})

describe('A candidate past its time limit fails, the others are sent again', () => {
  test.each([
    ['a busy loop', FAULT.busyLoop],
    ['a promise that never settles', FAULT.neverSettles],
  ])('%s', async (_, code) => {
    const executor = await open({ evaluationTimeoutMs: 400 })
    const [evaluation] = await runAmong(executor, [code])
    expect(evaluation).toMatchObject({
      kind: 'timeout',
      reason: 'No result within its time limit of 400 ms.',
    })
    expect(evaluation?.timing.totalMs).toBeGreaterThanOrEqual(399)
    expect(outcome(await executor.submit(jobWith(7)))).toEqual(scoredAs(7))
    expect(executor.diagnostics().restarts).toBe(1)
  })

  test('waiting in the queue does not count', async () => {
    const executor = await open({ workers: 1, evaluationTimeoutMs: 600 }, { delayMs: 100 })
    const codes = Array.from({ length: 10 }, (_, i) => i)
    const evaluations = await Promise.all(codes.map(code => executor.submit(jobWith(code))))
    expect(evaluations.map(outcome)).toEqual(codes.map(scoredAs))
    expect(executor.diagnostics().restarts).toBe(0)
  })

  test('a result that came in time counts, even when we were too busy to read it', async () => {
    const executor = await open({ workers: 1, evaluationTimeoutMs: 600 }, { delayMs: 100 })
    const evaluation = executor.submit(jobWith(8))
    await sleep(50) // it has started, and its timer runs
    for (const end = performance.now() + 900; performance.now() < end; );
    expect(outcome(await evaluation)).toEqual(scoredAs(8))
  })

  test('a hanging candidate that was given up still loses its thread when its time is over', async () => {
    const executor = await open({ workers: 1, evaluationTimeoutMs: 300 })
    const controller = new AbortController()
    const hanging = executor.submit(jobWith(FAULT.busyLoop), controller.signal)
    const next = executor.submit(jobWith(9))
    await sleep(50)
    controller.abort()
    await expect(hanging).rejects.toMatchObject({ name: 'AbortError' })
    expect(outcome(await next)).toEqual(scoredAs(9))
  })
})

describe('A candidate that eats the memory fails alone', () => {
  test('buffers, which no limit of a thread covers: the process is watched', async () => {
    const executor = await open({ memoryLimitBytes: 300 * 2 ** 20 })
    const [evaluation] = await runAmong(executor, [FAULT.allocates])
    expect(evaluation).toMatchObject({
      kind: 'memory',
      reason: expect.stringMatching(
        /^Alone in a fresh process: The process grew to \d+ MiB, past its limit of 300 MiB\.$/,
      ),
    })
  })

  test('the heap of its thread', async () => {
    const before = process.env.NODE_OPTIONS
    process.env.NODE_OPTIONS = '--max-old-space-size=64' // of every thread of the host
    const executor = await open()
    if (before === undefined) delete process.env.NODE_OPTIONS
    else process.env.NODE_OPTIONS = before
    const [evaluation] = await runAmong(executor, [FAULT.heapGrows])
    expect(evaluation).toMatchObject({ kind: 'memory', reason: 'Its thread ran out of heap memory.' })
    expect(executor.diagnostics().restarts).toBe(0)
  })

  test('a limit that sources and sessions alone exceed rejects the opening', async () => {
    const error: unknown = await open({ memoryLimitBytes: 10 * 2 ** 20 }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ConfigError)
    expect(error).toMatchObject({
      message: expect.stringMatching(/^Sources and sessions alone take \d+ MiB, past the memory limit of 10 MiB\.$/),
      hint: 'Raise the memory limit, or use fewer workers.',
    })
  })
})

describe('Accidents do not show in the results', () => {
  test('twenty SIGKILLs of the host at any moment: 200 candidates with the same scores, none failed', async () => {
    const executor = await open({}, { delayMs: 12 })
    const codes = Array.from({ length: 200 }, (_, i) => i / 3)
    let finished = 0
    const all = Promise.all(
      codes.map(async code => {
        const evaluation = await executor.submit(jobWith(code))
        finished++
        return evaluation
      }),
    )
    let kills = 0
    while (kills < 20 && finished < codes.length) {
      await sleep(20 + ((kills * 0.618) % 1) * 380) // spread over all moments of its life, also while it starts
      if (!isAlive(livePid())) continue
      process.kill(livePid(), 'SIGKILL')
      kills++
    }
    const evaluations = await all
    expect(kills).toBe(20)
    expect(evaluations.map(outcome)).toEqual(codes.map(scoredAs))
    expect(executor.diagnostics().restarts).toBe(20)
  })

  test('an idle host that is killed is started again when there is work', async () => {
    const executor = await open()
    process.kill(livePid(), 'SIGKILL')
    await until(() => events.at(-1)?.type === 'ended', 2000)
    expect(outcome(await executor.submit(jobWith(3)))).toEqual(scoredAs(3))
    expect(executor.diagnostics().restarts).toBe(1)
  })

  test('many kinds of culprits at once: each fails with its kind, and the innocent keep their scores', async () => {
    const executor = await open({ evaluationTimeoutMs: 1000 })
    const culprits = [FAULT.segfault, FAULT.exits, FAULT.neverSettles, FAULT.throws, FAULT.nan]
    const evaluations = await runAmong(executor, culprits)
    expect(evaluations.map(outcome)).toEqual(
      ['crashed', 'crashed', 'timeout', 'threw', 'non-finite'].map(kind => ({ kind })),
    )
  })

  test('signals of the terminal and of service managers do not end the host: the coordinator decides', async () => {
    const executor = await open({}, { delayMs: 100 })
    const evaluation = executor.submit(jobWith(2))
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(livePid(), signal)
    expect(outcome(await evaluation)).toEqual(scoredAs(2))
    expect(executor.diagnostics().restarts).toBe(0)
  })
})

describe('A host that cannot start is an error, not a wait', () => {
  test('dying in the start three times rejects with its last words', async () => {
    const error: unknown = await open({}, { openFault: 'segfault' }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ExecutorError)
    expect(error).toMatchObject({
      message: 'The worker host ended 3 times in a row before it was ready, last with signal SIGSEGV.',
      hint: expect.stringContaining('last words before the fault'),
    })
  })

  test('process.exit while opening', async () => {
    await expect(open({}, { openFault: 'exits' })).rejects.toMatchObject({
      name: 'ExecutorError',
      message: 'A worker thread ended while it opened the evaluator.',
      hint: 'An evaluator module must not call process.exit.',
    })
  })

  test('hanging while opening', async () => {
    await expect(open({ startTimeoutMs: 500 }, { openFault: 'hangs' })).rejects.toThrow(
      new ExecutorError('The worker host was not ready within 500 ms.'),
    )
  })

  test('an error of the evaluator keeps its class and hint across the process border, a foreign one its stack', async () => {
    const setup = { ...bench.setup(), evaluator: { kind: 'module', id: 'faulty', options: { path: '/no/such.mjs' } } }
    await expect(createWorkerHostExecutor(setup, { workers: 1 })).rejects.toBeInstanceOf(EvaluatorError)
    const error: unknown = await open({}, { openFault: 'throws' }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ExecutorError)
    expect(error).toMatchObject({
      message: 'The worker host could not set itself up: TypeError: the data is not there',
      cause: { name: 'TypeError', stack: expect.stringContaining('faulty.mjs') },
    })
  })

  test('options out of range are refused before anything starts', async () => {
    await expect(open({ workers: 0 })).rejects.toThrow('The number of workers must be an integer of at least 1, got 0.')
    await expect(open({ evaluationTimeoutMs: 2 ** 31 })).rejects.toThrow(
      'evaluationTimeoutMs must be above 0 and at most 2147483647 (24.8 days), got 2147483648.',
    )
    await expect(open({ memoryLimitBytes: Number.NaN })).rejects.toThrow('The memory limit must be above 0 bytes')
    expect(events).toEqual([])
  })
})

describe('Nothing is left behind', () => {
  test('closing while threads are busy takes the whole process at once', async () => {
    const executor = await open()
    const pending = Promise.allSettled([1, 2, 3].map(() => executor.submit(jobWith(FAULT.busyLoop))))
    await sleep(100)
    await executor.close()
    expect(isAlive(livePid())).toBe(false)
    expect((await pending).map(result => result.status)).toEqual(['rejected', 'rejected', 'rejected'])
  })

  test('a coordinator that is killed takes its host with it within two seconds, even one whose threads are busy', async () => {
    const script = `
      import { createWorkerHostExecutor } from ${JSON.stringify(PROGRAM)}
      const [setup, job] = JSON.parse(process.argv[1])
      const onEvent = event => event.type === 'ready' && console.log(event.pid)
      const executor = await createWorkerHostExecutor(setup, { workers: 2, onEvent })
      await Promise.all([executor.submit(job), executor.submit(job)])`
    const payload = JSON.stringify([bench.setup(), jobWith(FAULT.busyLoop)])
    const coordinator = spawn(process.execPath, ['--input-type=module', '-e', script, payload])
    const pid = Number(await new Promise(resolve => coordinator.stdout.once('data', resolve)))
    await sleep(100)
    expect(isAlive(pid)).toBe(true)
    coordinator.kill('SIGKILL')
    expect(await until(() => !isAlive(pid), 2000)).toBe(true)
  })
  test('the coordinator itself loads neither the pool nor the runtime', async () => {
    const script = `
      import { createRequire } from 'node:module'
      import { createWorkerHostExecutor } from ${JSON.stringify(PROGRAM)}
      const [setup, job] = JSON.parse(process.argv[1])
      const executor = await createWorkerHostExecutor(setup, { workers: 1 })
      const { status } = await executor.submit(job)
      await executor.close()
      const loaded = Object.keys(createRequire(import.meta.url).cache)
      console.log(JSON.stringify([status, loaded.filter(path => /piscina|onnxruntime/.test(path))]))`
    const args = ['--input-type=module', '-e', script, JSON.stringify([bench.setup(), jobWith(1)])]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 })
    expect(JSON.parse(stdout)).toEqual(['scored', []])
  })
})
