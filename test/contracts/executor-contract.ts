import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { JsonValue } from '../../src/candidate.ts'
import type { WorkerSetup } from '../../src/evaluation/job.ts'
import type { Executor } from '../../src/executors/executor.ts'
import { jobWith, outcome, scoredAs, sleep, Workbench } from '../executors/support.ts'
import { FAULT } from '../fixtures/evaluators/faulty.mjs'

/**
 * What every executor must do. A new one calls this from its own test file.
 * @param factory opens the executor; `workers` is a wish
 * @param module compiled module and exported factory, for a process of its own: `[path below dist/, export name]`
 */
export function describeExecutor(
  name: string,
  factory: (setup: WorkerSetup, workers: number) => Promise<Executor>,
  module: readonly [path: string, factory: string],
): void {
  describe(`${name} keeps the executor contract`, () => {
    const bench = new Workbench()
    const opened: Executor[] = []
    const open = async (options: JsonValue = null, workers = 2): Promise<Executor> => {
      const executor = await factory(bench.setup(options), workers)
      opened.push(executor)
      return executor
    }
    /** For tests that leave it as they found it: opening a host takes longer than most of them. */
    let shared: Executor
    beforeAll(async () => {
      shared = await factory(bench.setup(), 2)
    })
    afterEach(async () => {
      await Promise.all(opened.splice(0).map(executor => executor.close()))
    })
    afterAll(async () => {
      await shared.close()
      bench.remove()
    })

    test('every job gets the scores of its own recipe, whatever runs beside it', async () => {
      const executor = shared
      const codes = Array.from({ length: 50 }, (_, i) => i - 20 + i / 7)
      const evaluations = await Promise.all(codes.map(code => executor.submit(jobWith(code))))
      expect(evaluations.map(outcome)).toEqual(codes.map(scoredAs))
      expect(executor.diagnostics()).toMatchObject({ restarts: 0 })
    })

    test('one worker answers in the order of submission', async () => {
      const executor = await open({ delayMs: 3 }, 1)
      const order: number[] = []
      const codes = Array.from({ length: 12 }, (_, i) => i)
      await Promise.all(codes.map(code => executor.submit(jobWith(code)).then(() => order.push(code))))
      expect(order).toEqual(codes)
    })

    test('timing says what a candidate cost: merge and inference are parts of the total', async () => {
      const executor = await open({ delayMs: 20 })
      const { timing } = await executor.submit(jobWith(3))
      expect(timing.inferenceMs).toBe(0.25)
      expect(timing.mergeMs).toBeGreaterThan(0)
      expect(timing.totalMs).toBeGreaterThan(timing.mergeMs + 15)
    })

    test.each([
      ['an error', FAULT.throws, 'threw', 'the scorer says no'],
      ['null', FAULT.throwsNull, 'threw', 'A value that is not an Error was thrown: null'],
      ['NaN', FAULT.nan, 'non-finite', 'Objective "code" is NaN.'],
      ['infinity', FAULT.infinite, 'non-finite', 'Objective "square" is Infinity.'],
      [
        'too few values',
        FAULT.tooFewValues,
        'threw',
        'The evaluator declares 2 objectives (square, code) but returned 1 values.',
      ],
      ['a string', FAULT.stringValue, 'threw', 'The evaluator returned "2" for objective "code", not a number.'],
    ])('%s from the evaluator is a failed candidate, not a rejection', async (_, code, kind, reason) => {
      const executor = shared
      const [before, bad, after] = await Promise.all([1, code, 2].map(c => executor.submit(jobWith(c))))
      expect(bad).toMatchObject({ status: 'failed', kind, reason, timing: { totalMs: expect.any(Number) } })
      expect([before, after].map(e => outcome(e!))).toEqual([scoredAs(1), scoredAs(2)])
    })

    test('a recipe that cannot be merged is a failed candidate', async () => {
      const executor = shared
      const job = jobWith(1)
      const evaluation = await executor.submit({ ...job, recipe: { ...job.recipe, sources: ['nobody'] } })
      expect(evaluation).toMatchObject({ status: 'failed', kind: 'threw' })
    })

    test('a missing source rejects the opening with the error of the reader', async () => {
      const setup = { ...bench.setup(), sources: [{ id: 'one', path: `${bench.folder}/missing.safetensors` }] }
      const error: unknown = await factory(setup, 1).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(Error)
      expect(error).toMatchObject({ exitCode: 2, message: expect.stringContaining('missing.safetensors') })
    })

    test('a missing evaluator rejects the opening', async () => {
      const path = `${bench.folder}/missing.mjs`
      const setup = { ...bench.setup(), evaluator: { kind: 'module', id: 'faulty', options: { path, options: null } } }
      await expect(factory(setup, 1)).rejects.toMatchObject({
        name: 'EvaluatorError',
        exitCode: 2,
        message: expect.stringContaining('missing.mjs'),
      })
    })

    test('an evaluator that cannot load its data rejects the opening with its words', async () => {
      await expect(factory(bench.setup({ openFault: 'throws' }), 2)).rejects.toThrow('the data is not there')
    })

    test('a signal that has fired rejects at once, and nothing runs', async () => {
      const executor = shared
      const signal = AbortSignal.abort()
      await expect(executor.submit(jobWith(FAULT.throws), signal)).rejects.toMatchObject({ name: 'AbortError' })
    })

    test('a signal gives up its own job, running or waiting, and no other', async () => {
      const executor = await open({ delayMs: 60 }, 1)
      const first = new AbortController()
      const second = new AbortController()
      const all = [
        executor.submit(jobWith(1), first.signal),
        executor.submit(jobWith(2), second.signal),
        executor.submit(jobWith(3)),
      ]
      const settled = Promise.allSettled(all)
      await sleep(20)
      first.abort()
      second.abort()
      const [a, b, c] = await settled
      expect(a).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } })
      expect(b).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } })
      expect(c?.status === 'fulfilled' && outcome(c.value)).toEqual(scoredAs(3))
    })

    test('a signal that fires after the result changes nothing', async () => {
      const executor = shared
      const controller = new AbortController()
      const evaluation = await executor.submit(jobWith(4), controller.signal)
      controller.abort()
      expect(outcome(evaluation)).toEqual(scoredAs(4))
      expect(outcome(await executor.submit(jobWith(5)))).toEqual(scoredAs(5))
    })

    test('close rejects what is in flight and what comes later, and may be called again', async () => {
      const executor = await open({ delayMs: 50 })
      const inFlight = Promise.allSettled([1, 2, 3, 4, 5].map(code => executor.submit(jobWith(code))))
      await sleep(10)
      const closing = executor.close()
      await Promise.all([closing, executor.close()])
      const results = await inFlight
      for (const result of results) {
        expect(result).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } })
      }
      await expect(executor.submit(jobWith(6))).rejects.toMatchObject({ name: 'AbortError' })
    })

    test('close lets the evaluator release what it holds', async () => {
      const closeFile = `${bench.folder}/closed-${Math.trunc(performance.now() * 1000)}`
      const executor = await open({ closeFile }, 1)
      await executor.submit(jobWith(1))
      await executor.close()
      expect(readFileSync(closeFile, 'utf8')).toBe('closed\n')
    })

    test('a process that has closed its executor ends by itself, with its own exit code', async () => {
      const [path, factoryName] = module
      const script = `
        import { ${factoryName} as create } from ${JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href)}
        const [setup, job] = JSON.parse(process.argv[1])
        const executor = await create(setup, { workers: 2 })
        const evaluation = await executor.submit(job)
        executor.submit(job).catch(() => {})
        await executor.close()
        console.log(evaluation.values.join(' '))
        process.exitCode = 7`
      const args = ['--input-type=module', '-e', script, JSON.stringify([bench.setup(), jobWith(3)])]
      const run = promisify(execFile)(process.execPath, args, { timeout: 20_000 })
      await expect(run).rejects.toMatchObject({ code: 7, killed: false, stdout: '9 3\n', stderr: '' })
    })
  })
}
