import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { createInlineExecutor } from '../../src/executors/inline.ts'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import { mlpGraph, randomModel, writeSmallEvaluator } from './onnx-fixture.ts'

it('a merge of an .onnx and a .safetensors source scores as the same weights made by hand', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'amalgam-onnx-merge-'))
  const [a, b] = [randomModel(21), randomModel(22)]
  await writeFile(join(folder, 'a.onnx'), mlpGraph(a))
  writeSafetensors(
    join(folder, 'b.safetensors'),
    [...b.tensors].map(([name, { shape, data }]) => [
      name,
      { dtype: 'F32', shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) },
    ]),
  )
  const evaluator = evaluatorReference(await writeSmallEvaluator(folder), folder, 'small.yaml')
  const sources = ['a.onnx', 'b.safetensors'].map(file => ({ id: file[0]!, path: join(folder, file) }))
  const executor = await createInlineExecutor({ sources, evaluator })
  const session = await (await createEvaluator(evaluator)).open()

  for (const [wa, wb] of [
    [1, 0],
    [0, 1],
    [0.25, 0.75],
  ] as const) {
    const evaluation = await executor.submit({
      label: `weights ${wa}, ${wb}`,
      split: 'search',
      recipe: {
        kind: 'parameter-merge',
        method: 'linear',
        base: undefined,
        sources: ['a', 'b'],
        parameters: { normalize: false },
        groups: [{ layers: 'all', coefficients: { a: { weight: wa }, b: { weight: wb } } }],
      },
    })
    const merged: MergedModel = {
      tensors: new Map(
        [...a.tensors].map(([name, { dtype, shape, data }]) => {
          const other = b.tensors.get(name)!.data
          return [name, { dtype, shape, data: data.map((value, i) => Math.fround(wa * value) + wb * other[i]!) }]
        }),
      ),
    }
    const { values, exampleScores } = await session.score(merged, 'search')
    expect(evaluation).toMatchObject({ status: 'scored', values, exampleScores })
  }
  await executor.close()
  await session.close()
  await rm(folder, { recursive: true })
})
