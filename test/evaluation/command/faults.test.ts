import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Evaluation } from '../../../src/candidate.ts'
import { evaluatorReference } from '../../../src/evaluation/registry.ts'
import type { Executor } from '../../../src/executors/executor.ts'
import { createInlineExecutor } from '../../../src/executors/inline.ts'
import { isAlive, jobWith, until, Workbench } from '../../executors/support.ts'
import { ONCE, PROGRAM, QUALITY, SIZE, writeExamples } from './support.ts'

/** Code of the fixture program → how the candidate fails, once and warm. */
const FAULTS: readonly (readonly [name: string, code: number, kind: string, reason: RegExp])[] = [
  ['dies', 1001, 'crashed', /ended with exit code 3; its last words: about to give up/],
  ['hangs and ignores SIGTERM', 1002, 'timeout', /did not (answer|end) within 2 s/],
  ['prints rubbish', 1003, 'threw', /Expected an answer as a JSON object, got "hello, I am a program"/],
  ['answers NaN', 1006, 'non-finite', /Objective "size" is NaN/],
  ['has no number for an example', 1007, 'non-finite', /Objective "quality" is NaN/],
  ['answers with too few scores', 1008, 'threw', /to be scored on 6 examples, and the answer has 5 scores/],
  ['answers with too many scores', 1016, 'threw', /to be scored on 6 examples, and the answer has 7 scores/],
  ['answers with more bytes than allowed', 1009, 'threw', /more than 200000 bytes/],
  ['answers with a word for a score', 1013, 'threw', /Score 1 of objective "quality" is "good", not a number/],
  ['is late', 1014, 'timeout', /did not (answer|end) within 2 s/],
  ['says why it cannot', 1015, 'threw', /The program says: the GPU is on fire/],
  ['is ended by a signal', 1017, 'crashed', /was ended by SIGSEGV/],
  ['answers without scores', 1018, 'threw', /no scores for objective "quality"; it has none/],
  ['answers without a value', 1019, 'threw', /no value for objective "size"; it has none/],
  ['answers with a score that cannot be', 1020, 'threw', /Score 1 of objective "quality" is 7, outside 0\.\.1/],
  ['contradicts itself', 1021, 'threw', /said to be 0\.123, but its scores have the mean/],
]
const WARM_FAULTS: typeof FAULTS = [
  ['answers twice', 1004, 'threw', /Expected one line from the program, got another one/],
  ['answers for another', 1011, 'threw', /was asked for \d+ and answered 999/],
  ['answers without saying for whom', 1012, 'threw', /was asked for \d+ and answered without an id/],
]

describe.each([
  ['warm', { mode: 'warm', command: [process.execPath, PROGRAM, 'warm'] }, [...FAULTS, ...WARM_FAULTS]],
  ['once', ONCE, FAULTS],
] as const)('a program that is started %s', (_, start, faults) => {
  const bench = new Workbench()
  const pidFile = join(bench.folder, 'pids')
  let executor: Executor
  beforeAll(async () => {
    const document = {
      kind: 'command',
      id: 'program',
      ...start,
      storage: join(bench.folder, 'candidates'),
      env: { PID_FILE: pidFile },
      timeout: 2,
      max_output: 200_000,
      examples: writeExamples(bench.folder),
      objectives: [QUALITY, SIZE],
    }
    const evaluator = evaluatorReference(document, bench.folder, 'program.yaml')
    executor = await createInlineExecutor({ sources: [{ id: 'one', path: bench.sourcePath }], evaluator })
  })
  afterAll(async () => {
    await executor.close()
    expect(readdirSync(join(bench.folder, 'candidates'))).toEqual([])
    bench.remove()
  })

  const score = (code: number): Promise<Evaluation> => executor.submit(jobWith(code))

  it.each(faults)('fails a candidate for which it %s, with a reason, and goes on', async (_, code, kind, reason) => {
    const failure = await score(code)
    expect(failure).toMatchObject({ status: 'failed', kind, reason: expect.stringMatching(reason) })
    expect(await score(5)).toMatchObject({ status: 'scored' })
    if (code === 1002) {
      const pids = readFileSync(pidFile, 'utf8').split(' ').map(Number)
      expect(pids).toHaveLength(2)
      expect(await until(() => !pids.some(isAlive), 5000)).toBe(true)
    }
  })

  it('is not disturbed by what a program writes to standard error', async () => {
    expect(await score(1010)).toMatchObject({ status: 'scored' })
  })

  it('scores a candidate as before after all that', async () => {
    const values = async (code: number) => {
      const evaluation = await score(code)
      return evaluation.status === 'scored' ? evaluation.values : evaluation.reason
    }
    const five = await values(5)
    expect(await values(6)).not.toEqual(five)
    expect(await values(5)).toEqual(five)
  })
})
