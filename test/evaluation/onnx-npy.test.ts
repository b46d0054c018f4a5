import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { buildOnnxModel } from '../../src/formats/onnx-build.ts'
import { rejectionOf } from '../helpers/thrown.ts'
import { inOrder, randomModel, rows, tensor, writeSmallEvaluator } from './onnx-fixture.ts'

let folder: string
let good: Record<string, unknown>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-onnx-npy-'))
  good = await writeSmallEvaluator(folder)
})
afterAll(() => rm(folder, { recursive: true }))

const EXAMPLES = rows(80, 2) // what the table of the small evaluator holds

async function writeNpy(name: string, descr: string, shape: readonly number[], data: NodeJS.TypedArray): Promise<void> {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.map(dim => `${dim},`).join(' ')}), }\n`
  const head = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length & 255, text.length >> 8])
  const values = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  await writeFile(join(folder, name), Buffer.concat([head, Buffer.from(text), values]))
}

function open(change: Record<string, unknown>) {
  return createEvaluator(evaluatorReference({ ...good, ...change }, folder, 'small.yaml')).then(e => e.open())
}

describe('inputs, labels and splits from .npy files', () => {
  const ARRAYS = {
    inputs: { pixels: { npy: 'x.npy', scale: 0.0625 } },
    tasks: [{ name: 'low', label: { npy: 'y.npy' }, split: { npy: 's.npy' } }],
  }

  it('give the same scores as the table they were made from', async () => {
    await writeNpy(
      'x.npy',
      '<i8',
      [80, 4],
      BigInt64Array.from(EXAMPLES.flatMap(({ features }) => features.map(BigInt))),
    )
    await writeNpy(
      'y.npy',
      '|u1',
      [80],
      Uint8Array.from(EXAMPLES, ({ label }) => label),
    )
    const numbers = ['search', 'select', 'holdout', 'train']
    await writeNpy(
      's.npy',
      '|i1',
      [80],
      Int8Array.from(EXAMPLES, ({ split }) => numbers.indexOf(split)),
    )
    const words = EXAMPLES.flatMap(({ split }) => [...split.padEnd(7, '\0')].map(c => c.codePointAt(0)!))
    await writeNpy('words.npy', '<U7', [80], Uint32Array.from(words))

    const table = await open({})
    const arrays = await open(ARRAYS)
    const texts = await open({ ...ARRAYS, tasks: [{ ...ARRAYS.tasks[0], split: { npy: 'words.npy' } }] })
    const mixed = await open({ inputs: ARRAYS.inputs })
    for (const split of ['search', 'select', 'holdout'] as const) {
      const expected = (await table.score(randomModel(5), split)).exampleScores
      for (const session of [arrays, texts, mixed])
        expect((await session.score(randomModel(5), split)).exampleScores).toEqual(expected)
    }
    for (const session of [table, arrays, texts, mixed]) await session.close()
  })

  it('must be as many as there are labels', async () => {
    await writeNpy('short.npy', '<f4', [79, 4], new Float32Array(79 * 4))
    expect(await rejectionOf(open({ inputs: { pixels: { npy: 'short.npy' } } }))).toBe(
      `ConfigError: Task "low" has 80 labels, but ${folder}/short.npy has 79 examples for graph input "pixels".`,
    )
    await writeNpy('split79.npy', '|u1', [79], new Uint8Array(79))
    expect(await rejectionOf(open({ tasks: [{ ...Object(good.tasks)[0], split: { npy: 'split79.npy' } }] }))).toBe(
      'ConfigError: Task "low" has 80 labels and 79 split entries; one each is required.',
    )
  })

  it('refuse labels of another shape', async () => {
    await writeNpy('y2.npy', '|u1', [80, 1], new Uint8Array(80))
    expect(await rejectionOf(open({ tasks: [{ ...Object(good.tasks)[0], label: { npy: 'y2.npy' } }] }))).toBe(
      `ConfigError: ${folder}/y2.npy must hold one number per example; each of its examples has shape [1].`,
    )
  })

  it('fill int64 inputs with whole numbers only', async () => {
    const embedding = tensor(
      [17, 3],
      Float32Array.from({ length: 51 }, (_, i) => Math.sin(i)),
    )
    const graph = buildOnnxModel({
      inputs: [{ name: 'ids', dtype: 'int64', shape: ['batch'] }],
      outputs: [{ name: 'logits', shape: ['batch', 3] }],
      nodes: [{ op: 'Gather', inputs: ['embedding', 'ids'], outputs: ['logits'] }],
      initializers: [{ name: 'embedding', ...embedding }],
    })
    await writeFile(join(folder, 'ids.onnx'), graph)
    const session = await open({ graph: 'ids.onnx', inputs: { ids: { columns: 'p0', shape: [] } } })
    const { exampleScores } = await session.score({ tensors: new Map([['embedding', embedding]]) }, 'search')
    const searched = inOrder(
      EXAMPLES.filter(({ split }) => split === 'search'),
      'low/search',
    )
    const expected = searched.map(({ features, label }) => {
      const row = embedding.data.subarray(features[0]! * 3, features[0]! * 3 + 3)
      return row.indexOf(Math.max(...row)) === label ? 1 : 0
    })
    expect([...exampleScores[0]!]).toEqual(expected)
    await session.close()

    const halves = open({ graph: 'ids.onnx', inputs: { ids: { columns: 'p0', shape: [], scale: 0.5 } } })
    expect(await rejectionOf(halves)).toMatch(
      /row \d+, column "p0": "\d+\.5" is no int64 value for graph input "ids"\.$/,
    )
  })
})

describe('the split rule in an evaluator', () => {
  it('splits a table without a split column, the same way every time', async () => {
    const tasks = [{ ...Object(good.tasks)[0], split: { rule: { seed: 4, search: 0.5, select: 0.25, holdout: 0.25 } } }]
    const [a, b] = [await open({ tasks }), await open({ tasks })]
    const counts = ['search', 'select', 'holdout'] as const
    const total = counts.reduce((sum, split) => sum + a.exampleCount(split)[0]!, 0)
    expect(total).toBe(80)
    expect(Math.abs(a.exampleCount('search')[0]! - 40)).toBeLessThanOrEqual(2)
    expect(await a.score(randomModel(1), 'holdout')).toMatchObject({
      exampleScores: (await b.score(randomModel(1), 'holdout')).exampleScores,
    })
    await Promise.all([a.close(), b.close()])
  })
})
