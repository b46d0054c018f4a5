import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Evaluator, Scores } from '../../src/evaluation/evaluator.ts'
import { OnnxSession } from '../../src/evaluation/onnx/session.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import {
  convolutionGraph,
  convolutionModel,
  csv,
  inOrder,
  mlpGraph,
  mlpLogits,
  randomModel,
  rows,
  writeSmallEvaluator,
} from './onnx-fixture.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-onnx-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function make(change: Record<string, unknown> = {}): Promise<Evaluator> {
  const document = { ...(await writeSmallEvaluator(folder)), ...change }
  return createEvaluator(evaluatorReference(document, folder, 'small.yaml'))
}

const LOW = { name: 'low', data: 'low.csv', label: { column: 'label' }, split: { column: 'split' } }

describe('the onnx evaluator', () => {
  it('scores accuracy and likelihood as a plain float64 network does', async () => {
    const evaluator = await make({
      objectives: [
        { task: 'low', metric: 'accuracy' },
        { task: 'low', metric: 'negative_log_likelihood' },
      ],
    })
    const session = await evaluator.open()
    const model = randomModel(7)
    for (const split of ['search', 'select', 'holdout'] as const) {
      const examples = inOrder(
        rows(80, 2).filter(row => row.split === split),
        `low/${split}`,
      )
      expect(session.exampleCount(split)).toEqual([20, 20])
      const expected = examples.map(({ features, label }) => {
        const logits = mlpLogits(
          model,
          features.map(value => value / 16),
        )
        const total = logits.reduce((sum, z) => sum + Math.exp(z), 0)
        return { hit: logits.indexOf(Math.max(...logits)) === label ? 1 : 0, nll: Math.log(total) - logits[label]! }
      })
      const { values, exampleScores } = await session.score(model, split)
      expect([...exampleScores[0]!]).toEqual(expected.map(({ hit }) => hit))
      exampleScores[1]!.forEach((score, i) => {
        expect(score).toBeCloseTo(expected[i]!.nll, 4)
      })
      expect(values[0]).toBe(expected.reduce((sum, { hit }) => sum + hit, 0) / 20)
    }
    await session.close()
  })

  it('names objectives after tasks, with chance and perfection as their range', async () => {
    const evaluator = await make({
      objectives: [
        { task: 'low', metric: 'accuracy' },
        { task: 'low', metric: 'negative_log_likelihood' },
        { name: 'strict', task: 'low', metric: 'accuracy', reference: 0.5 },
      ],
    })
    expect(evaluator.objectives).toMatchObject([
      { name: 'low', direction: 'maximize', unit: 'accuracy, 0..1', reference: 0, ideal: 1 },
      { name: 'low_nll', direction: 'minimize', unit: 'nats/example', reference: Math.log(3), ideal: 0 },
      { name: 'strict', direction: 'maximize', unit: 'accuracy, 0..1', reference: 0.5, ideal: 1 },
    ])
  })

  it('reads a gzipped table to the same scores and another digest', async () => {
    await writeFile(join(folder, 'low.csv.gz'), gzipSync(csv(rows(80, 2))))
    const [plain, packed] = [await make(), await make({ tasks: [{ ...LOW, data: 'low.csv.gz' }] })]
    expect(packed.digest).not.toBe(plain.digest)
    const [a, b] = [await plain.open(), await packed.open()]
    expect((await b.score(randomModel(3), 'search')).exampleScores).toEqual(
      (await a.score(randomModel(3), 'search')).exampleScores,
    )
    await Promise.all([a.close(), b.close()])
  })

  it('scales first, then shifts', async () => {
    const moved = rows(80, 2).map(row => ({ ...row, features: row.features.map(value => value * 0.5 - 3) }))
    await writeFile(join(folder, 'moved.csv'), csv(moved))
    const objectives = [{ task: 'low', metric: 'negative_log_likelihood' }]
    const computed = await make({ objectives, inputs: { pixels: { columns: 'p*', scale: 0.5, offset: -3 } } })
    const written = await make({
      objectives,
      inputs: { pixels: { columns: 'p*' } },
      tasks: [{ ...LOW, data: 'moved.csv' }],
    })
    const [a, b] = [await computed.open(), await written.open()]
    expect((await a.score(randomModel(3), 'search')).exampleScores).toEqual(
      (await b.score(randomModel(3), 'search')).exampleScores,
    )
    await Promise.all([a.close(), b.close()])
  })

  it('has a digest of contents: the same elsewhere, another when a byte or an option changes', async () => {
    const { digest, inputs } = await make()
    expect(digest).toMatch(/^[0-9a-f]{64}$/)
    expect(Object.keys(inputs)).toEqual([join(folder, 'low.csv'), join(folder, 'network.onnx')])

    const elsewhere = await mkdtemp(join(folder, 'elsewhere-'))
    const moved = evaluatorReference(await writeSmallEvaluator(elsewhere), elsewhere, 'small.yaml')
    expect((await createEvaluator(moved)).digest).toBe(digest)
    const renamed = evaluatorReference(
      { ...(await writeSmallEvaluator(elsewhere)), id: 'other' },
      elsewhere,
      'small.yaml',
    )
    expect((await createEvaluator(renamed)).digest).toBe(digest)

    expect((await make({ batch_size: 8 })).digest).not.toBe(digest)
    expect((await make({ threads: 'auto' })).digest).toBe(digest)
    expect((await make({ threads: 1 })).digest).toBe(digest) // what "auto" gives is what one thread gives
    expect((await make({ threads: 2 })).digest).not.toBe(digest)
    await writeSmallEvaluator(elsewhere, { data: csv(rows(80, 2)).replace(/\d+/, '5') })
    expect((await createEvaluator(moved)).digest).not.toBe(digest)
    await writeSmallEvaluator(elsewhere, { graph: mlpGraph(randomModel(2)) })
    expect((await createEvaluator(moved)).digest).not.toBe(digest)
  })

  it('says how it gives weights and how many threads it uses', async () => {
    const evaluator = await make()
    const session = await evaluator.open()
    expect(session).toBeInstanceOf(OnnxSession)
    expect(session.choices?.()).toEqual([])
    await session.score(randomModel(3), 'search')
    expect(session.choices?.()).toEqual([
      {
        option: 'weights',
        value: expect.stringMatching(/^(inputs|initializers)$/),
        reason: expect.stringMatching(/about [\d.]+ ms as inputs, [\d.]+ ms as initializers per candidate/),
      },
      { option: 'threads', value: expect.any(Number), reason: expect.stringMatching(/^(Faster|Slower|No cores)/) },
    ])
    await session.close()

    const set = await (await make({ weights: 'inputs', threads: 2 })).open()
    await set.score(randomModel(3), 'search')
    expect(set.choices?.()).toEqual([]) // nothing was left to it
    await set.close()
  })

  it('has no threads to compare where there are as many workers as cores', async () => {
    const session = await (await make({ weights: 'inputs' })).open({
      workerIndex: 0,
      workers: availableParallelism(),
      sources: [],
      dtypes: new Map(),
      others: [],
    })
    await session.score(randomModel(3), 'search')
    expect(session.choices?.()).toMatchObject([
      { option: 'threads', value: 1, reason: expect.stringMatching(/^No cores to spare: /) },
    ])
    await session.close()
  })
})

const NETWORKS = [
  { name: 'a perceptron', graph: mlpGraph(randomModel(1)), model: randomModel, data: rows(1200, 2) },
  {
    name: 'a convolutional network',
    graph: convolutionGraph(convolutionModel(1)),
    model: convolutionModel,
    data: rows(1200, 2, 16),
  },
]
const BOTH = [
  { task: 'low', metric: 'accuracy' },
  { task: 'low', metric: 'negative_log_likelihood' },
]

for (const { name, graph, model, data } of NETWORKS) {
  describe(`the scores of ${name}`, () => {
    async function score(change: Record<string, unknown>): Promise<Scores> {
      const own = await mkdtemp(join(folder, 'network-'))
      const document = { ...(await writeSmallEvaluator(own, { graph, data: csv(data) })), objectives: BOTH, ...change }
      const session = await (await createEvaluator(evaluatorReference(document, own, 'small.yaml'))).open()
      await session.score(model(4), 'select') // the candidate that decides between the two ways
      const scores = await session.score(model(5), 'search')
      await session.close()
      return scores
    }

    it('are the same bits when the session chooses how to give weights and when inputs are asked for', async () => {
      const { values, exampleScores } = await score({ weights: 'inputs' })
      expect(await score({ weights: 'auto' })).toMatchObject({ values, exampleScores })
    })

    // Not the same bits: how the runtime sums depends on the rows of a run and on whether weights are constants.
    it('hardly depend on the batch size and on how weights are given', async () => {
      const expected = await score({ weights: 'inputs' })
      for (const weights of ['inputs', 'initializers']) {
        for (const batch_size of [1, 8, 256]) {
          const found = await score({ weights, batch_size })
          expect(found.values[0]).toBe(expected.values[0])
          expect(found.values[1]).toBeCloseTo(expected.values[1]!, 5)
        }
      }
    })
  })
}
