import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Evaluator } from '../../src/evaluation/evaluator.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { buildOnnxModel } from '../../src/formats/onnx-build.ts'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import { mlpGraph, randomModel, tensor, WIDTHS, writeSmallEvaluator } from './onnx-fixture.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-names-'))
})
afterAll(() => rm(folder, { recursive: true }))

const BASE = randomModel(1)

function save(name: string, { tensors }: MergedModel): void {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength)
  writeSafetensors(
    join(folder, name),
    [...tensors].map(([key, { shape, data }]) => [key, { dtype: 'F32', shape, data: bytes(data) }]),
  )
}

function transposed({ tensors }: MergedModel, name: string): { shape: readonly number[]; data: Float32Array } {
  const { shape, data } = tensors.get(name)!
  const [rows, columns] = [shape[0]!, shape[1]!]
  return { shape: [columns, rows], data: data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!) }
}

/** The network of `mlpGraph` as an exporter writes it: matrices stored as (inputs, outputs) under numbers. `asInput`: one is an input. */
function exported(model: MergedModel, asInput = false): Uint8Array {
  const [m0, m1] = ['layers.0.weight', 'layers.1.weight'].map(name => transposed(model, name))
  const bias = (n: number) => model.tensors.get(`layers.${n}.bias`)!
  const inputs = [{ name: 'pixels', shape: ['batch', WIDTHS[0]] }]
  return buildOnnxModel({
    inputs: asInput ? [...inputs, { name: 'onnx::MatMul_9', shape: [...m1!.shape] }] : inputs,
    outputs: [{ name: 'logits', shape: ['batch', WIDTHS[2]] }],
    nodes: [
      { op: 'MatMul', inputs: ['pixels', 'onnx::MatMul_7'], outputs: ['m0'] },
      { op: 'Add', inputs: ['m0', 'b0'], outputs: ['a0'] },
      { op: 'Relu', inputs: ['a0'], outputs: ['h0'] },
      { op: 'MatMul', inputs: ['h0', 'onnx::MatMul_9'], outputs: ['m1'] },
      { op: 'Add', inputs: ['m1', 'net.layers.1.bias'], outputs: ['logits'] },
    ],
    initializers: [
      { name: 'onnx::MatMul_7', ...m0! },
      ...(asInput ? [] : [{ name: 'onnx::MatMul_9', ...m1! }]),
      { name: 'b0', ...bias(0) },
      { name: 'net.layers.1.bias', ...bias(1) },
    ],
  })
}

async function make(graph: Uint8Array, change: Record<string, unknown> = {}): Promise<Evaluator> {
  const document = {
    ...(await writeSmallEvaluator(folder, { graph })),
    objectives: [
      { task: 'low', metric: 'accuracy' },
      { task: 'low', metric: 'negative_log_likelihood' },
    ],
    ...change,
  }
  return createEvaluator(evaluatorReference(document, folder, 'small.yaml'))
}

describe('a graph that names its weights otherwise', () => {
  it.each(['inputs', 'initializers', 'auto'])(
    'scores as the graph of the models’ names does, weights: %s',
    async weights => {
      save('base.safetensors', BASE)
      const plain = await (await make(mlpGraph(BASE), { weights: 'inputs' })).open()
      const other = await (await make(exported(BASE), { weights, exported_from: 'base.safetensors' })).open()
      // Nothing near the base, and the same buffers filled again, as a merger does.
      const model = randomModel(7)
      for (const seed of [7, 8]) {
        for (const [name, { data }] of randomModel(seed).tensors) model.tensors.get(name)!.data.set(data)
        const [a, b] = [await plain.score(model, 'search'), await other.score(model, 'search')]
        expect(b.values[0]).toBe(a.values[0])
        expect(b.values[1]).toBeCloseTo(a.values[1]!, 5)
      }
      await plain.close()
      await other.close()
    },
  )

  it('is refused with both lists where its values are not those of the model named', async () => {
    save('stranger.safetensors', randomModel(5))
    await expect(make(exported(BASE), { exported_from: 'stranger.safetensors' })).rejects.toThrow(
      /cannot be told to be the same.*"onnx::MatMul_7" \[4, 5\].*"layers\.0\.weight" \[5, 4\]/,
    )
  })

  it('has no values to compare where weights are inputs', async () => {
    save('base.safetensors', BASE)
    await expect(make(exported(BASE, true), { exported_from: 'base.safetensors' })).rejects.toThrow(
      /cannot be told to be the same/,
    )
  })

  it('says what a merged model lacks, and what it has besides', async () => {
    save('base.safetensors', BASE)
    const session = await (await make(exported(BASE), { exported_from: 'base.safetensors' })).open()
    const { tensors } = randomModel(3)
    const lacking = new Map([...tensors].filter(([name]) => name !== 'layers.0.weight'))
    await expect(session.score({ tensors: lacking }, 'search')).rejects.toThrow(/only in the graph: "onnx::MatMul_7"/)
    const besides = new Map([...tensors, ['extra', tensor([2], Float32Array.of(1, 2))]])
    await expect(session.score({ tensors: besides }, 'search')).rejects.toThrow(/only in the merged model: "extra"/)
    const taken = new Map([...tensors, ['b0', tensor([2], Float32Array.of(1, 2))]])
    await expect(session.score({ tensors: taken }, 'search')).rejects.toThrow(
      /The weight "b0" of .* takes the tensor "layers\.0\.bias"/,
    )
    await session.close()
  })

  it('is another evaluator with another model to tell its names', async () => {
    save('base.safetensors', BASE)
    const evaluator = await make(mlpGraph(BASE), { exported_from: 'base.safetensors' })
    expect(Object.keys(evaluator.inputs)).toContain(join(folder, 'base.safetensors'))
    expect(evaluator.digest).not.toBe((await make(mlpGraph(BASE))).digest)
  })
})
