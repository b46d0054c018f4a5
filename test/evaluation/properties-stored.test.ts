import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { EvaluatorSession } from '../../src/evaluation/evaluator.ts'
import { measureLatency } from '../../src/evaluation/properties/latency.ts'
import { storedBytes } from '../../src/evaluation/properties/stored-bytes.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { scoreJob } from '../../src/evaluation/score-job.ts'
import { openWorkerSession } from '../../src/evaluation/worker-session.ts'
import { decodeToFloat32, type WeightDtype } from '../../src/formats/dtype.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import type { Recipe } from '../../src/space/recipe.ts'
import { rejectionOf } from '../helpers/thrown.ts'
import { createTinyProject, EVALUATOR, SPACE, type TinyProject } from '../helpers/tiny-project.ts'
import { tensor } from './onnx-fixture.ts'

const BASE = '../models/base.safetensors'

let project: TinyProject
beforeAll(() => {
  project = createTinyProject()
})
afterAll(() => project.remove())

const recipe = (first: number, second: number): Recipe => ({
  kind: 'parameter-merge',
  method: 'task_arithmetic',
  base: 'base',
  sources: ['left', 'right'],
  parameters: { normalize: false, lambda: 1 },
  groups: [
    { layers: [0, 1], coefficients: { left: { weight: first }, right: { weight: 0 } } },
    { layers: [1, 2], coefficients: { left: { weight: second }, right: { weight: second } } },
  ],
})

function valuesOf(path: string, name: string): Float32Array {
  const checkpoint = openCheckpoint(path)
  const { dtype, shape } = checkpoint.tensors.get(name)!
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
  decodeToFloat32(checkpoint.read(name), dtype as WeightDtype, values)
  checkpoint.close()
  return values
}

describe('bytes', () => {
  it.each([
    [0, 0, 'F32', 0],
    [0.5, 0, 'F32', 16],
    [0, 0.5, 'BF16', 8],
    [1, 1, 'F16', 16],
    [1e-6, 0, 'BF16', 0], // rounded away: the written tensor is the base's
    [1e-6, 0, 'F32', 16],
  ] as const)('are those of the written model: weights %f and %f, %s', async (first, second, dtype, extra) => {
    const sources = ['base', 'left', 'right'].map(id => ({ id, path: project.path('models', `${id}.safetensors`) }))
    const word = { F32: 'float32', BF16: 'bfloat16', F16: 'float16' }[dtype]
    const text = `${EVALUATOR}properties:
  - { property: bytes, name: all, dtype: ${word}, reference: 100 }
  - { property: bytes, name: extra, dtype: ${word}, base: ${BASE}, reference: 100 }
`
    const reference = evaluatorReference(parse(text), project.path('evaluators'), 'sides.yaml')
    const worker = await openWorkerSession(
      { sources, evaluator: reference },
      loadSharedSources(sources, { threads: 1 }),
      0,
    )
    const evaluation = await scoreJob(worker, { label: 'one', recipe: recipe(first, second), split: 'search' })
    await worker.session.close()
    if (evaluation.status !== 'scored') throw new Error(evaluation.reason)

    const out = project.path(`written-${dtype}-${first}-${second}.safetensors`)
    await mergeToFiles(recipe(first, second), sources, out, { dtype })
    const bytes = readFileSync(out)
    const header = 8 + Number(bytes.readBigUInt64LE(0))
    expect(evaluation.values[2]).toBe(bytes.length - header)
    // The base written in the same type, and what of the model is not it.
    const plain = project.path(`base-${dtype}.safetensors`)
    await mergeToFiles(recipe(0, 0), sources, plain, { dtype })
    const names = ['layers.0.weight', 'layers.1.weight']
    const differing = names.filter(name => valuesOf(out, name).some((value, i) => value !== valuesOf(plain, name)[i]))
    expect(evaluation.values[3]).toBe((differing.length * (bytes.length - header)) / 2)
    expect(evaluation.values[3]).toBe(extra)
  })

  it('are no number for a broken model', () => {
    const tensors = new Map([['w', tensor([2], Float32Array.of(1, Number.POSITIVE_INFINITY))]])
    expect(storedBytes(tensors, () => 'F32')).toBeNaN()
    expect(storedBytes(new Map([['w', tensor([2], Float32Array.of(1, 2))]]), () => 'F16')).toBe(4)
  })
})

describe('latency', () => {
  const fake = (counts: readonly number[], times: readonly number[], scores = 1) => {
    const asked: unknown[] = []
    let call = 0
    const session: EvaluatorSession = {
      exampleCount: () => counts,
      score: async (_, __, ranges) => {
        asked.push(ranges)
        const exampleScores = ranges!.map(({ begin, end }) => new Float32Array(end - begin).fill(scores))
        return { values: counts.map(() => 0), exampleScores, inferenceMs: times[call++]! }
      },
      close: async () => {},
    }
    return { session, asked }
  }
  const model = { tensors: new Map() }

  it('is the median time per example, of as many of each objective', async () => {
    const { session, asked } = fake([10, 0, 4], [80, 8, 16, 800, 40])
    expect(await measureLatency(session, model, 'search', { examples: 8, repeats: 5, per: undefined })).toBe(40 / 4)
    expect(asked[0]).toEqual([
      { begin: 0, end: 4 },
      { begin: 0, end: 0 },
      { begin: 0, end: 4 },
    ])
  })

  it('is per unit of the scores of one objective, which alone is timed', async () => {
    const { session, asked } = fake([10, 6], [12, 24], 3)
    expect(await measureLatency(session, model, 'search', { examples: 2, repeats: 2, per: 1 })).toBe((2 + 4) / 2)
    expect(asked[0]).toEqual([
      { begin: 0, end: 0 },
      { begin: 0, end: 2 },
    ])
    const none = measureLatency(fake([3], [1], 0).session, model, 'search', { examples: 2, repeats: 1, per: 0 })
    expect(await rejectionOf(none)).toMatch(/per a count, and that is 0/)
    const empty = measureLatency(fake([0], [1]).session, model, 'search', { examples: 2, repeats: 1, per: undefined })
    expect(await rejectionOf(empty)).toMatch(/needs an objective with examples/)
  })

  it('is declared as measured, and keeps its run out of the cache of scores', async () => {
    const make = (more: string) =>
      createEvaluator(
        evaluatorReference(
          parse(`${EVALUATOR}properties: [{ property: latency, reference: 1000${more} }]\n`),
          project.path('evaluators'),
          'sides.yaml',
        ),
      )
    expect((await make('')).objectives.at(-1)).toEqual({
      name: 'latency',
      direction: 'minimize',
      unit: 'ms/example',
      reference: 1000,
      ideal: 0,
      isMeasured: true,
    })
    expect((await make(', repeats: 9')).digest).not.toBe((await make('')).digest)
    expect(await rejectionOf(make(', per: speed'))).toMatch(/latency is per "speed", and there is no such objective/)
    project.write('evaluators/sides.yaml', `${EVALUATOR}properties: [{ property: latency, reference: 1000 }]\n`)
    project.write('space.yaml', SPACE.replace('budget: 24', 'budget: 8'))
    const { code, stderr } = await project.amalgam('search', 'space.yaml', '--run', 'runs/measured', '--workers', '1')
    expect(stderr).toMatch(/latency: measured, so this run cannot be repeated bit by bit/)
    expect(code).toBe(0)
    expect(existsSync(project.path('runs/example-scores.sqlite'))).toBe(false)
    const front = JSON.parse((await project.amalgam('front', 'runs/measured', '--json')).stdout)
    for (const { values } of front.candidates) expect(values.latency).toBeGreaterThan(0)
  }, 60_000)
})
