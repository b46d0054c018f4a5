import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ChoiceBook } from '../../src/evaluation/choice-book.ts'
import { InputFiles } from '../../src/evaluation/data/files.ts'
import type { Scores, SessionChoice } from '../../src/evaluation/evaluator.ts'
import { onnxOptionsSchema } from '../../src/evaluation/onnx/options.ts'
import { planOnnx } from '../../src/evaluation/onnx/plan.ts'
import { type OnnxSession, openOnnxSession, type SessionLimits } from '../../src/evaluation/onnx/session.ts'
import { chooseThreads, noThreadsToSpare, threadsToSpare } from '../../src/evaluation/onnx/threads.ts'
import { choicesOf, describeChoice } from '../../src/evaluation/session-choices.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import {
  convolutionGraph,
  convolutionModel,
  csv,
  mlpGraph,
  randomModel,
  rows,
  writeSmallEvaluator,
} from './onnx-fixture.ts'

describe('how many threads a session may have', () => {
  it.each([
    [2, 1, 2],
    [2, 2, 1],
    [2, 8, 1],
    [8, 3, 2],
    [16, 5, 3],
    [256, 1, 64],
    [1, 1, 1],
  ])('%d cores and %d workers: %d', (cores, workers, threads) => {
    expect(threadsToSpare({ cores, workers })).toBe(threads)
  })

  it('is one where there are no cores to spare, and the reason says so', () => {
    expect(noThreadsToSpare(2, 2)).toEqual({
      option: 'threads',
      value: 1,
      reason: 'No cores to spare: 2 workers on 2 cores.',
    })
    expect(noThreadsToSpare(1, 1).reason).toBe('No cores to spare: 1 worker on 1 core.')
  })

  it.each([
    [10, 20, true, 1, 'Faster: about 10.0 ms with 1 thread, 20.0 ms with 4 per candidate.'],
    [10, 10, true, 1, 'Faster: about 10.0 ms with 1 thread, 10.0 ms with 4 per candidate.'],
    [20, 10, true, 4, 'Faster: about 20.0 ms with 1 thread, 10.0 ms with 4 per candidate.'],
    [10, 20, false, 1, 'Faster: about 10.0 ms with 1 thread, 20.0 ms with 4 per candidate.'],
    [
      20,
      10,
      false,
      1,
      'Slower (about 20.0 ms with 1 thread, 10.0 ms with 4 per candidate), but outputs differ in the last bits: set "threads: 4" to take the faster in every worker.',
    ],
  ])('with %d and %d ms, equal bits %s, it is %d', (oneMs, severalMs, isEqual, value, reason) => {
    expect(chooseThreads({ threads: 4, oneMs, severalMs, isEqual })).toEqual({ option: 'threads', value, reason })
  })
})

describe('choices of sessions', () => {
  const choice = (value: number | string, reason = 'Faster.'): SessionChoice => ({ option: 'threads', value, reason })

  it('are told once for each value', () => {
    const book = new ChoiceBook()
    expect(book.add([choice(1)])).toEqual([choice(1)])
    expect(book.add([choice(1, 'Another worker’s times.'), choice(2)])).toEqual([choice(2)])
    expect(book.all()).toEqual([choice(1), choice(2)])
    expect(describeChoice(choice(2))).toBe('evaluator: threads 2. Faster.')
  })

  it('of a module are checked, and never throw', () => {
    const session = (choices: unknown): Parameters<typeof choicesOf>[0] => ({
      exampleCount: () => [],
      score: async () => ({ values: [], exampleScores: [], inferenceMs: 0 }),
      close: async () => {},
      choices: choices as () => readonly SessionChoice[],
    })
    const throws = (): never => {
      throw new Error('no')
    }
    for (const odd of [throws, () => 7, () => [null], undefined, 'text']) expect(choicesOf(session(odd))).toEqual([])
    expect(choicesOf(session(() => [{ option: 'a\nb', value: {}, reason: '\u001b[31mred' }]))).toEqual([
      { option: 'a b', value: '[object Object]', reason: '[31mred' },
    ])
  })
})

const NETWORKS = [
  {
    name: 'a perceptron',
    graph: mlpGraph(randomModel(1, [16, 300, 300, 3]), [16, 300, 300, 3]),
    model: (seed: number) => randomModel(seed, [16, 300, 300, 3]),
  },
  { name: 'a convolutional network', graph: convolutionGraph(convolutionModel(1)), model: convolutionModel },
]

describe.each(NETWORKS)('$name', ({ graph, model }) => {
  let folder: string
  let document: Record<string, unknown>
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'amalgam-onnx-threads-'))
    const { kind: _, id: __, ...options } = await writeSmallEvaluator(folder, { graph, data: csv(rows(1200, 2, 16)) })
    document = { ...options, graph: join(folder, 'network.onnx') }
    const tasks = (options.tasks as { data: string }[]).map(task => ({ ...task, data: join(folder, task.data) }))
    document.tasks = tasks
    document.objectives = [{ task: 'low', metric: 'negative_log_likelihood' }]
  })
  afterAll(() => rm(folder, { recursive: true }))

  async function open(options: Record<string, unknown>, machine: Partial<SessionLimits>): Promise<OnnxSession> {
    const parsed = onnxOptionsSchema.parse({ batch_size: 100, ...document, ...options })
    return openOnnxSession(await planOnnx('threads', parsed, new InputFiles()), machine)
  }

  async function scoresOf(session: OnnxSession, models: readonly MergedModel[]): Promise<readonly Scores[]> {
    const found: Scores[] = []
    for (const each of models) found.push(await session.score(each, 'search'))
    return found
  }
  const bits = (all: readonly Scores[]): unknown =>
    all.map(({ values, exampleScores }) => ({ values, exampleScores: exampleScores.map(scores => [...scores]) }))

  it.each(['inputs', 'initializers'])('scores the same bits whatever "auto" decides, weights as %s', async weights => {
    const models = [3, 4, 5].map(seed => model(seed))
    const plain = await open({ weights, threads: 1 }, { cores: 1, workers: 1 })
    const auto = await open({ weights }, { cores: 4, workers: 1 })
    const shared = await open({ weights }, { cores: 4, workers: 3 })
    const expected = bits(await scoresOf(plain, models))
    expect(bits(await scoresOf(auto, models))).toEqual(expected)
    expect(bits(await scoresOf(shared, models))).toEqual(expected)
    expect(plain.choices()).toEqual([])
    expect(auto.choices()).toEqual([
      {
        option: 'threads',
        value: expect.toSatisfy((value: unknown) => value === 1 || value === 4),
        reason: expect.stringMatching(/about [\d.]+ ms with 1 thread, [\d.]+ ms with 4 per candidate/),
      },
    ])
    expect(shared.choices()).toEqual([noThreadsToSpare(4, 3)])
    await Promise.all([plain, auto, shared].map(session => session.close()))
  })

  it('with a set number of threads gives the same bits again, and other ones in the last places at most', async () => {
    const models = [3, 4].map(seed => model(seed))
    const machine = { cores: 1, workers: 1 }
    const [one, three, again] = await Promise.all(
      [1, 3, 3].map(threads => open({ threads, weights: 'inputs' }, machine)),
    )
    const [expected, found] = [await scoresOf(one!, models), await scoresOf(three!, models)]
    found.forEach(({ values }, i) => {
      expect(values[0]).toBeCloseTo(expected[i]!.values[0]!, 5)
    })
    expect(bits(await scoresOf(again!, models))).toEqual(bits(found))
    await Promise.all([one, three, again].map(session => session!.close()))
  })

  it('refuses numbers that no machine has', () => {
    for (const threads of [0, -1, 1.5, 65, 'many', null])
      expect(onnxOptionsSchema.safeParse({ ...document, threads }).success).toBe(false)
    expect(onnxOptionsSchema.parse(document).threads).toBe('auto')
  })
})
