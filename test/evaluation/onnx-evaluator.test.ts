import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Evaluator } from '../../src/evaluation/evaluator.ts'
import { OnnxSession } from '../../src/evaluation/onnx/session.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { csv, mlpLogits, randomModel, rows, writeSmallEvaluator } from './onnx-fixture.ts'

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
      const examples = rows(80, 2).filter(row => row.split === split)
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
    expect(evaluator.objectives).toEqual([
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

  it('says which way of giving weights it uses', async () => {
    const session = await (await make()).open()
    expect(session).toBeInstanceOf(OnnxSession)
    const onnx = session as OnnxSession
    expect(onnx.diagnostics()).toEqual({ weights: 'undecided', reason: 'No candidate has been scored yet.' })
    await onnx.score(randomModel(3), 'search')
    expect(onnx.diagnostics().weights).not.toBe('undecided')
    expect(onnx.diagnostics().reason).toMatch(/about [\d.]+ ms as inputs, [\d.]+ ms as initializers per candidate/)
    await onnx.close()
  })
})
