import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readExpert } from '../../src/evaluation/onnx/expert-model.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import { rejectionOf } from '../helpers/thrown.ts'
import { csv, mlpGraph, mlpLogits, randomModel, rows, writeSmallEvaluator } from './onnx-fixture.ts'

let folder: string
let small: Record<string, unknown>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-unlabelled-'))
  small = await writeSmallEvaluator(folder)
  await writeFile(join(folder, 'expert.onnx'), mlpGraph(randomModel(9)))
  // No label anywhere in the file.
  const lines = csv(rows(80, 2)).split('\n')
  await writeFile(
    join(folder, 'bare.csv'),
    lines
      .map(line =>
        line
          .split(',')
          .filter((_, i) => i !== 4)
          .join(','),
      )
      .join('\n'),
  )
})
afterAll(() => rm(folder, { recursive: true }))

const TASK = { name: 'low', data: 'bare.csv', split: { column: 'split' }, expert: 'expert.onnx', hidden: 'h1' }
const METRICS = ['expert_divergence', 'expert_agreement', 'hidden_similarity', 'entropy']

async function open(task: object = TASK, metrics = METRICS) {
  const document = {
    ...small,
    weights: 'inputs',
    tasks: [task],
    objectives: metrics.map(metric => ({ task: 'low', metric, name: metric })),
  }
  return (await createEvaluator(evaluatorReference(document, folder, 'small.yaml'))).open()
}

describe('a task without labels', () => {
  it('is scored by what the expert says, as a plain computation has it', async () => {
    const session = await open()
    const [model, expert] = [randomModel(4), randomModel(9)]
    const softmax = (z: readonly number[]): number[] => {
      const e = z.map(value => Math.exp(value - Math.max(...z)))
      return e.map(value => value / e.reduce((a, b) => a + b, 0))
    }
    const own = rows(80, 2).filter(row => row.split === 'search')
    const twin = own.map(({ features }) => {
      const x = features.map(value => value / 16)
      const [p, q] = [softmax(mlpLogits(expert, x)), softmax(mlpLogits(model, x))]
      return {
        kl: p.reduce((sum, value, c) => sum + (value === 0 ? 0 : value * Math.log(value / q[c]!)), 0),
        same: p.indexOf(Math.max(...p)) === q.indexOf(Math.max(...q)) ? 1 : 0,
        entropy: -q.reduce((sum, value) => sum + (value === 0 ? 0 : value * Math.log(value)), 0),
      }
    })
    const mean = (of: (t: (typeof twin)[number]) => number): number =>
      twin.reduce((sum, t) => sum + of(t), 0) / twin.length
    const { values } = await session.score(model, 'search')
    expect(values[0]).toBeCloseTo(
      mean(t => t.kl),
      4,
    )
    expect(values[1]).toBe(mean(t => t.same))
    expect(values[3]).toBeCloseTo(
      mean(t => t.entropy),
      4,
    )
    await session.close()
  })

  it('is right where the model is the expert, on any part of the examples', async () => {
    const session = await open()
    const own = await session.score(randomModel(9), 'search')
    expect(own.values.slice(0, 2)).toEqual([0, 1])
    expect(own.values[2]).toBeGreaterThan(0) // 1, less the examples whose hidden units are all silent
    const all = await session.score(randomModel(4), 'holdout')
    const part = await session.score(
      randomModel(4),
      'holdout',
      METRICS.map(() => ({ begin: 3, end: 9 })),
    )
    expect(part.exampleScores).toEqual(all.exampleScores.map(scores => scores.slice(3, 9)))
    await session.close()
  })

  it('has no metric that needs labels or an expert it does not have', async () => {
    expect(await rejectionOf(open(TASK, ['accuracy']))).toMatch(/has no metric "accuracy"; it has entropy, expert_/)
    const { expert: _, hidden: __, ...alone } = TASK
    expect(await rejectionOf(open(alone))).toMatch(/has no metric "expert_divergence"; it has entropy\./)
    expect(await rejectionOf(open({ ...TASK, expert: 'gone.safetensors' }))).toMatch(/gone\.safetensors does not exist/)
  })
})

it('the shipped digits can be merged without a label: the divergence tells the experts’ average from the base', async () => {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  const { readFile } = await import('node:fs/promises')
  const text = await readFile(join(root, 'evaluators/digits-unlabelled.yaml'), 'utf8')
  const evaluator = await createEvaluator(evaluatorReference(parse(text), join(root, 'evaluators'), 'u.yaml'))
  const session = await evaluator.open()
  const models = ['low', 'high', 'shifted'].map(name => readExpert(join(root, `examples/digits/${name}.safetensors`)))
  for (const [i, model] of models.entries()) {
    const { values } = await session.score(model, 'select')
    expect(values[i]).toBeLessThan(1e-9)
    for (const [j, value] of values.entries()) if (j !== i) expect(value).toBeGreaterThan(0.5)
  }
  const average: MergedModel = {
    tensors: new Map(
      [...models[0]!.tensors].map(([name, view]) => [
        name,
        {
          ...view,
          data: view.data.map(
            (x, i) => (x + models[1]!.tensors.get(name)!.data[i]! + models[2]!.tensors.get(name)!.data[i]!) / 3,
          ),
        },
      ]),
    ),
  }
  const base = readExpert(join(root, 'examples/digits/base.safetensors'))
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
  expect(sum((await session.score(average, 'select')).values)).toBeLessThan(
    sum((await session.score(base, 'select')).values),
  )
  await session.close()
})
