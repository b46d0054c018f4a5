import { describe, expect, test } from 'vitest'
import { MergeError } from '../../src/errors.ts'
import type { EvaluatorSession, Scores } from '../../src/evaluation/evaluator.ts'
import { oneLine, reasonOf, scoreJob } from '../../src/evaluation/score-job.ts'
import type { WorkerSession } from '../../src/evaluation/worker-session.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import { jobWith } from '../executors/support.ts'

const empty: MergedModel = { tensors: new Map() }

function worker(score: EvaluatorSession['score'], merge: () => MergedModel = () => empty): WorkerSession {
  const session: EvaluatorSession = { exampleCount: () => [2, 0], score, close: async () => {} }
  return {
    evaluator: {
      id: 'stand-in',
      digest: 'none',
      inputs: {},
      objectives: [
        { name: 'loss', direction: 'minimize', unit: 'nats/example', reference: 1 },
        { name: 'bytes', direction: 'minimize', unit: 'bytes', reference: 1 },
      ],
      open: async () => session,
    },
    merger: { merge },
    session,
  }
}

const good: Scores = {
  values: [0.5, 8],
  exampleScores: [Float32Array.of(0.25, 0.75), new Float32Array(0)],
  inferenceMs: 3,
}
/** A plug-in written in JavaScript may return anything. */
const returning = (scores: unknown): WorkerSession => worker(async () => scores as Scores)

describe('scoreJob', () => {
  test('hands model, recipe and split to the session and its scores back', async () => {
    const seen: unknown[] = []
    const session = worker(async (...args) => {
      seen.push(args)
      return good
    })
    const job = { ...jobWith(1), split: 'holdout' as const }
    const evaluation = await scoreJob(session, job)
    expect(seen).toEqual([[{ ...empty, recipe: job.recipe }, 'holdout', undefined]])
    expect(evaluation).toEqual({
      status: 'scored',
      values: good.values,
      exampleScores: good.exampleScores,
      timing: { totalMs: expect.any(Number), mergeMs: expect.any(Number), inferenceMs: 3 },
    })
  })

  test('hands on what an error says to do about it, as one line', async () => {
    const evaluation = await scoreJob(
      worker(
        async () => good,
        () => {
          throw new MergeError('The weights cancel.', { hint: 'Change\nthe weights.' })
        },
      ),
      jobWith(1),
    )
    expect(evaluation).toMatchObject({ kind: 'threw', reason: 'The weights cancel.', hint: 'Change the weights.' })
    const plain = await scoreJob(
      worker(() => Promise.reject(new Error('no'))),
      jobWith(1),
    )
    expect(plain).not.toHaveProperty('hint')
  })

  test('copies example scores, so that a view of a large buffer neither travels whole nor changes later', async () => {
    const buffer = new Float32Array(1000).fill(1)
    const evaluation = await scoreJob(
      returning({ ...good, exampleScores: [buffer.subarray(10, 12), new Float32Array(0)] }),
      jobWith(1),
    )
    buffer.fill(2)
    const copy = evaluation.status === 'scored' ? evaluation.exampleScores?.[0] : undefined
    expect(copy).toEqual(Float32Array.of(1, 1))
    expect(copy?.buffer.byteLength).toBe(8)
  })

  test.each([
    ['nothing', undefined, /^TypeError: /],
    ['no values', {}, 'The evaluator declares 2 objectives (loss, bytes) but returned 0 values.'],
    [
      'an extra value',
      { ...good, values: [1, 2, 3] },
      'The evaluator declares 2 objectives (loss, bytes) but returned 3 values.',
    ],
    [
      'null as a value',
      { ...good, values: [null, 2] },
      'The evaluator returned null for objective "loss", not a number.',
    ],
    [
      'no example scores',
      { ...good, exampleScores: undefined },
      'The evaluator declares 2 objectives but returned 0 lists of example scores (an empty list stands for none).',
    ],
    [
      'example scores of another type',
      { ...good, exampleScores: [[1, 2], new Float32Array(0)] },
      'The example scores of objective "loss" are not a Float32Array.',
    ],
  ])('%s from the session: threw', async (_, scores, reason) => {
    const evaluation = await scoreJob(returning(scores), jobWith(1))
    const expected = typeof reason === 'string' ? reason : expect.stringMatching(reason)
    expect(evaluation).toMatchObject({ status: 'failed', kind: 'threw', reason: expected })
  })

  test('hands ranges to the session; an objective of which no example was asked for may have no value', async () => {
    const seen: unknown[] = []
    const session = worker(async (...args) => {
      seen.push(args[2])
      return { values: [Number.NaN, 8], exampleScores: [new Float32Array(0), new Float32Array(0)], inferenceMs: 1 }
    })
    const ranges = [
      { begin: 1, end: 1 },
      { begin: 0, end: 0 },
    ]
    expect(await scoreJob(session, { ...jobWith(1), ranges })).toMatchObject({
      status: 'scored',
      values: [Number.NaN, 8],
    })
    expect(seen).toEqual([ranges])
  })

  test('a session that scores all examples whatever the range is found out', async () => {
    const ranges = [
      { begin: 0, end: 1 },
      { begin: 0, end: 0 },
    ]
    expect(await scoreJob(returning(good), { ...jobWith(1), ranges })).toMatchObject({
      kind: 'threw',
      reason: 'The evaluator was asked for 1 examples of objective "loss" and returned 2 scores.',
    })
  })

  test('the first value that is not finite is named', async () => {
    const evaluation = await scoreJob(returning({ ...good, values: [1, Number.NEGATIVE_INFINITY] }), jobWith(1))
    expect(evaluation).toMatchObject({ kind: 'non-finite', reason: 'Objective "bytes" is -Infinity.' })
  })

  test('a merge that throws is a failed candidate, and nothing is scored', async () => {
    const session = worker(
      () => Promise.reject(new Error('must not be called')),
      () => {
        throw new MergeError('The weights sum to zero.')
      },
    )
    expect(await scoreJob(session, jobWith(1))).toMatchObject({
      kind: 'threw',
      reason: 'The weights sum to zero.',
      timing: { mergeMs: 0, inferenceMs: 0 },
    })
  })
})

describe('reasonOf', () => {
  test('names the class where it says more than Error, and not that of expected errors', () => {
    expect(reasonOf(new Error('plain'))).toBe('plain')
    expect(reasonOf(new MergeError('expected'))).toBe('expected')
    expect(reasonOf(new RangeError('Array buffer allocation failed'))).toBe(
      'RangeError: Array buffer allocation failed',
    )
    expect(reasonOf(new Error(''))).toBe('(no message)')
  })

  test('survives whatever is thrown', () => {
    expect(reasonOf(undefined)).toBe('A value that is not an Error was thrown: undefined')
    expect(reasonOf('a string')).toBe('A value that is not an Error was thrown: "a string"')
    const trap = Object.defineProperty(new Error(), 'message', {
      get: () => {
        throw new Error('trap')
      },
    })
    expect(reasonOf(trap)).toBe('Something was thrown that cannot be shown.')
    const loop: { self?: unknown } = {}
    loop.self = loop
    expect(reasonOf(loop)).toBe('Something was thrown that cannot be shown.')
  })

  test('is one line of at most 500 characters, without terminal escapes', () => {
    expect(oneLine('  a\r\n\tb\u001b[31mc  ')).toBe('a b [31mc')
    expect(reasonOf(new Error('x'.repeat(1000)))).toBe(`${'x'.repeat(499)}…`)
  })
})
