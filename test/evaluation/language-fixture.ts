import { buildOnnxModel, type OnnxNodeSpec, type OnnxValueSpec } from '../../src/formats/onnx-build.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import { createRng } from '../../src/rng.ts'
import { normals, tensor } from './onnx-fixture.ts'

/** Texts of all lengths around a context of twelve tokens; letters of two bytes among them. */
export const TEXTS = [
  'a cat',
  'the quick brown fox jumps',
  'é and ü are two bytes each',
  'x',
  'one two\tthree\n four',
  'exactly 12 b',
  'thirteen byte',
  'a longer text that needs a good many windows of twelve tokens',
  'short',
  'and the last of them',
  'twenty-four bytes of it.',
  'more',
]

/** Bytes and a prefix token. */
export const VOCABULARY = 257
export const PREFIX = 256
const WIDTH = 8

/** Tensors of {@link languageGraph}. */
export function languageModel(seed: number): MergedModel {
  const rng = createRng(seed)
  const square = (name: string): [string, ReturnType<typeof tensor>] => [
    name,
    tensor([WIDTH, WIDTH], normals(rng, WIDTH * WIDTH)),
  ]
  return {
    tensors: new Map([
      ['embedding', tensor([VOCABULARY, WIDTH], normals(rng, VOCABULARY * WIDTH))],
      square('query'),
      square('key'),
      square('value'),
      ['head', tensor([WIDTH, VOCABULARY], normals(rng, VOCABULARY * WIDTH))],
    ]),
  }
}

/** A causal language model: embedding, one attention head with a residual connection, and a linear head. */
export function languageGraph(
  model: MergedModel,
  options: { readonly batch?: number | string; readonly length?: number | string; readonly mask?: boolean } = {},
): Uint8Array {
  const shape = [options.batch ?? 'batch', options.length ?? 'length']
  return buildOnnxModel({
    inputs: [
      { name: 'input_ids', dtype: 'int64', shape },
      ...(options.mask ? [{ name: 'attention_mask', dtype: 'int64' as const, shape }] : []),
    ],
    outputs: [{ name: 'logits', shape: [...shape, VOCABULARY] }],
    nodes: [
      { op: 'Gather', inputs: ['embedding', 'input_ids'], outputs: ['x'] },
      { op: 'MatMul', inputs: ['x', 'query'], outputs: ['q'] },
      { op: 'MatMul', inputs: ['x', 'key'], outputs: ['k'] },
      { op: 'MatMul', inputs: ['x', 'value'], outputs: ['v'] },
      { op: 'Transpose', inputs: ['k'], outputs: ['kt'], attributes: { perm: { ints: [0, 2, 1] } } },
      { op: 'MatMul', inputs: ['q', 'kt'], outputs: ['products'] },
      { op: 'Shape', inputs: ['input_ids'], outputs: ['shape'] },
      { op: 'Gather', inputs: ['shape', 'one'], outputs: ['length'] },
      { op: 'Concat', inputs: ['length', 'length'], outputs: ['square'], attributes: { axis: { int: 0 } } },
      { op: 'Expand', inputs: ['far', 'square'], outputs: ['all'] },
      { op: 'Trilu', inputs: ['all', 'above'], outputs: ['causal'], attributes: { upper: { int: 1 } } },
      { op: 'Add', inputs: ['products', 'causal'], outputs: ['scores'] },
      { op: 'Softmax', inputs: ['scores'], outputs: ['weights'], attributes: { axis: { int: -1 } } },
      { op: 'MatMul', inputs: ['weights', 'v'], outputs: ['mixed'] },
      { op: 'Add', inputs: ['x', 'mixed'], outputs: ['h'] },
      ...(options.mask
        ? [
            {
              op: 'Cast',
              inputs: ['attention_mask'],
              outputs: ['mask'],
              attributes: { to: { int: 1 } },
            },
            { op: 'Unsqueeze', inputs: ['mask', 'last'], outputs: ['column'] },
            { op: 'Mul', inputs: ['h', 'column'], outputs: ['masked'] },
          ]
        : []),
      { op: 'MatMul', inputs: [options.mask ? 'masked' : 'h', 'head'], outputs: ['logits'] },
    ],
    initializers: [
      ...[...model.tensors].map(([name, { shape, data }]) => ({ name, shape, data })),
      { name: 'one', shape: [1], data: BigInt64Array.of(1n) },
      { name: 'above', shape: [], data: BigInt64Array.of(1n) },
      { name: 'last', shape: [1], data: BigInt64Array.of(-1n) },
      { name: 'far', shape: [], data: Float32Array.of(-1e9) },
    ],
  })
}

/** Plain float64 twin: ln p of every token at every position, shape (length, vocabulary). */
export function logProbabilities(model: MergedModel, ids: readonly number[]): readonly (readonly number[])[] {
  const row = (name: string, i: number): number[] => {
    const { data, shape } = model.tensors.get(name)!
    return [...data.subarray(i * shape[1]!, (i + 1) * shape[1]!)]
  }
  const times = (x: readonly number[], name: string): number[] => {
    const width = model.tensors.get(name)!.shape[1]!
    const result = new Array<number>(width).fill(0)
    x.forEach((value, i) => {
      row(name, i).forEach((weight, j) => {
        result[j]! += value * weight
      })
    })
    return result
  }
  const softmax = (z: readonly number[]): number[] => {
    const max = Math.max(...z)
    const e = z.map(value => Math.exp(value - max))
    const sum = e.reduce((a, b) => a + b, 0)
    return e.map(value => value / sum)
  }
  const x = ids.map(id => row('embedding', id))
  const [q, k, v] = ['query', 'key', 'value'].map(name => x.map(vector => times(vector, name)))
  return x.map((own, t) => {
    const weights = softmax(k!.slice(0, t + 1).map(key => key.reduce((sum, value, i) => sum + value * q![t]![i]!, 0)))
    const h = own.map((value, i) => value + weights.reduce((sum, weight, s) => sum + weight * v![s]![i]!, 0))
    return softmax(times(h, 'head')).map(Math.log)
  })
}

/** Tensors of {@link cachedGraph}: those of {@link languageModel}, and a vector for each of `positions` places. */
export function cachedModel(seed: number, positions = 64): MergedModel {
  const { tensors } = languageModel(seed)
  const rng = createRng(seed + 1000)
  return { tensors: new Map([...tensors, ['places', tensor([positions, WIDTH], normals(rng, positions * WIDTH))]]) }
}

/** {@link languageGraph} with places, an attention mask and a key-value cache, its inputs and outputs named as Optimum exports them. */
export function cachedGraph(
  model: MergedModel,
  change: (inputs: readonly OnnxValueSpec[]) => readonly OnnxValueSpec[] = inputs => inputs,
): Uint8Array {
  const cache = ['batch', 1, 'past', WIDTH]
  const present = ['batch', 1, 'total', WIDTH]
  const node = (op: string, inputs: string[], output: string, attributes: OnnxNodeSpec['attributes'] = {}) => ({
    op,
    inputs,
    outputs: [output],
    attributes,
  })
  const kept = (kind: 'key' | 'value'): OnnxNodeSpec[] => [
    node('MatMul', ['x', kind], `${kind}.rows`),
    node('Unsqueeze', [`${kind}.rows`, 'one'], `${kind}.new`),
    node('Concat', [`past_key_values.0.${kind}`, `${kind}.new`], `present.0.${kind}`, { axis: { int: 2 } }),
  ]
  return buildOnnxModel({
    inputs: [
      ...change([
        { name: 'input_ids', dtype: 'int64', shape: ['batch', 'length'] },
        { name: 'attention_mask', dtype: 'int64', shape: ['batch', 'total'] },
        { name: 'position_ids', dtype: 'int64', shape: ['batch', 'length'] },
        { name: 'past_key_values.0.key', shape: cache },
        { name: 'past_key_values.0.value', shape: cache },
      ]),
    ],
    outputs: [
      { name: 'logits', shape: ['batch', 'length', VOCABULARY] },
      { name: 'present.0.key', shape: present },
      { name: 'present.0.value', shape: present },
    ],
    nodes: [
      node('Gather', ['embedding', 'input_ids'], 'e'),
      node('Gather', ['places', 'position_ids'], 'p'),
      node('Add', ['e', 'p'], 'x'),
      node('MatMul', ['x', 'query'], 'q.rows'),
      node('Unsqueeze', ['q.rows', 'one'], 'q'),
      ...kept('key'),
      ...kept('value'),
      node('Transpose', ['present.0.key'], 'kt', { perm: { ints: [0, 1, 3, 2] } }),
      node('MatMul', ['q', 'kt'], 'products'),
      node('Shape', ['products'], 'shape'),
      node('Slice', ['shape', 'two', 'four'], 'square'), // new tokens, all tokens
      node('Expand', ['far', 'square'], 'all'),
      node('Shape', ['past_key_values.0.key'], 'past.shape'),
      node('Gather', ['past.shape', 'second'], 'past'),
      node('Add', ['past', 'above'], 'diagonal'),
      node('Trilu', ['all', 'diagonal'], 'causal', { upper: { int: 1 } }),
      node('Cast', ['attention_mask'], 'seen', { to: { int: 1 } }),
      node('Sub', ['ones', 'seen'], 'unseen'),
      node('Mul', ['unseen', 'far'], 'hidden.rows'),
      node('Unsqueeze', ['hidden.rows', 'both'], 'hidden'),
      node('Add', ['products', 'causal'], 'partly'),
      node('Add', ['partly', 'hidden'], 'scores'),
      node('Softmax', ['scores'], 'weights', { axis: { int: -1 } }),
      node('MatMul', ['weights', 'present.0.value'], 'mixed.heads'),
      node('Squeeze', ['mixed.heads', 'one'], 'mixed'),
      node('Add', ['x', 'mixed'], 'h'),
      node('MatMul', ['h', 'head'], 'logits'),
    ],
    initializers: [
      ...[...model.tensors].map(([name, { shape, data }]) => ({ name, shape, data })),
      { name: 'one', shape: [1], data: BigInt64Array.of(1n) },
      { name: 'two', shape: [1], data: BigInt64Array.of(2n) },
      { name: 'four', shape: [1], data: BigInt64Array.of(4n) },
      { name: 'both', shape: [2], data: BigInt64Array.of(1n, 2n) },
      { name: 'second', shape: [], data: BigInt64Array.of(2n) },
      { name: 'above', shape: [], data: BigInt64Array.of(1n) },
      { name: 'ones', shape: [], data: Float32Array.of(1) },
      { name: 'far', shape: [], data: Float32Array.of(-1e9) },
    ],
  })
}
