import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exampleOrder } from '../../src/evaluation/example-order.ts'
import { buildOnnxModel, type OnnxInitializerSpec, type OnnxNodeSpec } from '../../src/formats/onnx-build.ts'
import type { MergedModel, TensorView } from '../../src/merge/model.ts'
import { createRng, type Rng } from '../../src/rng.ts'

/** Layer widths of a small classifier: 4 features, 5 hidden units, 3 classes. */
export const WIDTHS = [4, 5, 3] as const

/** Tensors `layers.N.weight` [out, in] and `layers.N.bias` [out] with normal values. */
export function randomModel(seed: number, widths: readonly number[] = WIDTHS): MergedModel {
  const rng = createRng(seed)
  const tensors = new Map<string, TensorView>()
  for (let n = 0; n + 1 < widths.length; n++) {
    const [width, out] = [widths[n]!, widths[n + 1]!]
    tensors.set(`layers.${n}.weight`, tensor([out, width], normals(rng, out * width)))
    tensors.set(`layers.${n}.bias`, tensor([out], normals(rng, out)))
  }
  return { tensors }
}

export function tensor(shape: readonly number[], data: Float32Array): TensorView {
  return { dtype: 'float32', shape, data }
}

export function normals(rng: Rng, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => rng.normal())
}

/** Gemm, Relu, Gemm, ... as a graph whose initializers are `model`'s tensors. */
export function mlpGraph(
  model: MergedModel,
  widths: readonly number[] = WIDTHS,
  options: { readonly batch?: number | string; readonly extra?: readonly OnnxInitializerSpec[] } = {},
): Uint8Array {
  const batch = options.batch ?? 'batch'
  const layers = widths.length - 1
  const nodes: OnnxNodeSpec[] = []
  for (let n = 0; n < layers; n++) {
    const last = n === layers - 1
    nodes.push({
      op: 'Gemm',
      inputs: [n === 0 ? 'pixels' : `h${n}`, `layers.${n}.weight`, `layers.${n}.bias`],
      outputs: [last ? 'logits' : `a${n}`],
      attributes: { transB: { int: 1 } },
    })
    if (!last) nodes.push({ op: 'Relu', inputs: [`a${n}`], outputs: [`h${n + 1}`] })
  }
  return buildOnnxModel({
    inputs: [{ name: 'pixels', shape: [batch, widths[0]!] }],
    outputs: [{ name: 'logits', shape: [batch, widths[layers]!] }],
    nodes,
    initializers: [
      ...[...model.tensors].map(([name, { shape, data }]) => ({ name, shape, data })),
      ...(options.extra ?? []),
    ],
  })
}

/** Plain float64 twin of {@link mlpGraph}: logits of one example. */
export function mlpLogits(model: MergedModel, features: readonly number[]): readonly number[] {
  let h = [...features]
  const layers = model.tensors.size / 2
  for (let n = 0; n < layers; n++) {
    const weight = model.tensors.get(`layers.${n}.weight`)!
    const bias = model.tensors.get(`layers.${n}.bias`)!
    const [out, width] = [weight.shape[0]!, weight.shape[1]!]
    h = Array.from({ length: out }, (_, o) => {
      let sum = bias.data[o]!
      for (let i = 0; i < width; i++) sum += weight.data[o * width + i]! * h[i]!
      return n < layers - 1 ? Math.max(0, sum) : sum
    })
  }
  return h
}

export interface Row {
  readonly features: readonly number[]
  readonly label: number
  readonly split: string
}

/** Rows with whole-number features 0..16, labels in turn, and splits search, select, holdout, train in turn of four. */
export function rows(
  count: number,
  seed: number,
  features: number = WIDTHS[0],
  classes: number = WIDTHS[2],
): readonly Row[] {
  const rng = createRng(seed)
  const splits = ['search', 'select', 'holdout', 'train']
  return Array.from({ length: count }, (_, i) => ({
    features: Array.from({ length: features }, () => rng.integer(0, 17)),
    label: rng.integer(0, classes),
    split: splits[i % 4]!,
  }))
}

export function csv(examples: readonly Row[]): string {
  const header = [...examples[0]!.features.map((_, i) => `p${i}`), 'label', 'split']
  const lines = examples.map(({ features, label, split }) => [...features, label, split].join(','))
  return `${[header.join(','), ...lines].join('\n')}\n`
}

/** A folder with `network.onnx` and `low.csv`, and the options that use them. */
export async function writeSmallEvaluator(
  folder: string,
  files: { readonly graph?: Uint8Array; readonly data?: string } = {},
): Promise<Record<string, unknown>> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'network.onnx'), files.graph ?? mlpGraph(randomModel(1)))
  await writeFile(join(folder, 'low.csv'), files.data ?? csv(rows(80, 2)))
  return {
    kind: 'onnx',
    id: 'small',
    graph: 'network.onnx',
    inputs: { pixels: { columns: 'p*', scale: 0.0625 } },
    output: 'logits',
    tasks: [{ name: 'low', data: 'low.csv', label: { column: 'label' }, split: { column: 'split' } }],
  }
}

/** Tensors of {@link convolutionGraph}: `channels` channels, images of 4 x 4, 3 classes. */
export function convolutionModel(seed: number, channels = 16): MergedModel {
  const rng = createRng(seed)
  const scaled = (count: number, fan: number): Float32Array => normals(rng, count).map(x => x / Math.sqrt(fan))
  return {
    tensors: new Map([
      ['first.weight', tensor([channels, 1, 3, 3], scaled(channels * 9, 9))],
      ['second.weight', tensor([channels, channels, 3, 3], scaled(channels * channels * 9, channels * 9))],
      ['head.weight', tensor([3, channels * 16], scaled(3 * channels * 16, channels * 16))],
    ]),
  }
}

/** Two 3 x 3 convolutions and a linear layer over 16 features read as an image. */
export function convolutionGraph(model: MergedModel): Uint8Array {
  const convolution = { kernel_shape: { ints: [3, 3] }, pads: { ints: [1, 1, 1, 1] } }
  return buildOnnxModel({
    inputs: [{ name: 'pixels', shape: ['batch', 16] }],
    outputs: [{ name: 'logits', shape: ['batch', 3] }],
    nodes: [
      { op: 'Reshape', inputs: ['pixels', 'image'], outputs: ['x'] },
      { op: 'Conv', inputs: ['x', 'first.weight'], outputs: ['a'], attributes: convolution },
      { op: 'Relu', inputs: ['a'], outputs: ['b'] },
      { op: 'Conv', inputs: ['b', 'second.weight'], outputs: ['c'], attributes: convolution },
      { op: 'Flatten', inputs: ['c'], outputs: ['d'] },
      { op: 'Gemm', inputs: ['d', 'head.weight'], outputs: ['logits'], attributes: { transB: { int: 1 } } },
    ],
    initializers: [
      ...[...model.tensors].map(([name, { shape, data }]) => ({ name, shape, data })),
      { name: 'image', shape: [4], data: BigInt64Array.of(-1n, 1n, 4n, 4n) },
    ],
  })
}

/** Rows of one split as an evaluator orders them. */
export function inOrder(examples: readonly Row[], name: string): Row[] {
  const order = exampleOrder(
    examples.map(({ label }) => label),
    name,
  )
  return Array.from(order, position => examples[position]!)
}
