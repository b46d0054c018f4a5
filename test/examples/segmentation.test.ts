import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadEvaluatorFile, loadSearchConfig } from '../../src/config/load.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import type { Executor } from '../../src/executors/executor.ts'
import { createInlineExecutor } from '../../src/executors/inline.ts'
import { decodeToFloat32 } from '../../src/formats/dtype.ts'
import type { NpyArray } from '../../src/formats/npy.ts'
import { parseNpz } from '../../src/formats/npz.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import type { MergedModel, TensorView } from '../../src/merge/model.ts'
import { spaceOf } from '../../src/run-config.ts'
import { holdoutValues } from '../helpers/holdout-values.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const HOME = join(root, 'examples/segmentation')
const KINDS = ['noisy', 'faint', 'striped'] as const
const SIDE = 32
const PIXELS = SIDE * SIDE
const data = parseNpz(readFileSync(join(HOME, 'data/images.npz')), 'images.npz')
const column = (name: string): NpyArray => data.get(name)!

function load(name: string): MergedModel {
  const checkpoint = openCheckpoint(join(HOME, `${name}.safetensors`))
  const tensors = new Map<string, TensorView>()
  for (const [tensor, { shape }] of checkpoint.tensors) {
    const values = new Float32Array(shape.reduce((product, dim) => product * dim, 1))
    decodeToFloat32(checkpoint.read(tensor), 'F32', values)
    tensors.set(tensor, { dtype: 'float32', shape, data: values })
  }
  checkpoint.close()
  return { tensors }
}

it('images are all different, masks say object or background, and have both', () => {
  const pictures = column('image').data as Uint8Array
  const masks = column('mask').data as Uint8Array
  const count = pictures.length / PIXELS
  const seen = new Set<string>()
  for (let i = 0; i < count; i++) {
    seen.add(Buffer.from(pictures.subarray(i * PIXELS, (i + 1) * PIXELS)).toString('latin1'))
    expect([...new Set(masks.subarray(i * PIXELS, (i + 1) * PIXELS))].sort()).toEqual([0, 1])
  }
  expect(seen.size).toBe(count)
})

it('both evaluators have the same examples: all at once, and by kind', async () => {
  const counts = async (file: string) => {
    const session = await (await createEvaluator(loadEvaluatorFile(join(root, 'evaluators', file)))).open()
    const found = (['search', 'select', 'holdout'] as const).map(split => session.exampleCount(split))
    await session.close()
    return found
  }
  expect(await counts('segmentation.yaml')).toEqual([[96], [96], [384]])
  expect(await counts('segmentation-kinds.yaml')).toEqual([32, 32, 128].map(n => [n, n, n]))
})

it('every block chooses its method, and density matters where that is ties', () => {
  for (const name of ['segmentation', 'segmentation-front']) {
    const resolved = loadSearchConfig(join(root, 'search-spaces', `${name}.yaml`))
    const { genes } = spaceOf({ resolved, tensors: [...load('base').tensors.keys()] })
    for (let block = 0; block < 5; block++) {
      const at = `layers.${block}`
      const method = genes.find(gene => gene.name === `${at}/method`)
      if (method?.kind !== 'categorical') throw new Error(`${at}/method is no choice`)
      const ties = method.choices.indexOf('ties')
      const densities = genes.filter(gene => gene.name.startsWith(`${at}/`) && gene.name.endsWith('/density'))
      expect(densities.length).toBeGreaterThan(0)
      for (const { activeWhen } of densities) expect(activeWhen).toEqual({ gene: method.name, oneOf: [ties] })
    }
  }
})

it('unet.onnx is what graph.ts writes', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'amalgam-unet-'))
  const file = join(folder, 'unet.onnx')
  const options = { cwd: root, encoding: 'utf8' } as const
  const compiler = ['node_modules/typescript/bin/tsc', '-p', 'examples/tsconfig.json']
  expect(spawnSync(process.execPath, compiler, options).stdout).toBe('')
  expect(spawnSync(process.execPath, ['dist/examples/segmentation/graph.js', file], options).stderr).toBe('')
  expect(readFileSync(file).equals(readFileSync(join(HOME, 'unet.onnx')))).toBe(true)
  rmSync(folder, { recursive: true })
})

it('the graph computes what the architecture says: cross-entropy as a plain twin has it', async () => {
  const document = {
    kind: 'onnx',
    id: 'twin',
    graph: 'unet.onnx',
    inputs: { image: { columns: 'image', scale: 1 / 255, shape: [1, SIDE, SIDE] } },
    tasks: [
      {
        kind: 'segmentation',
        name: 'faint',
        data: 'data/images.npz',
        mask: { column: 'mask' },
        split: { column: 'split_faint' },
      },
    ],
    objectives: [{ task: 'faint', metric: 'negative_log_likelihood' }],
  }
  const session = await (await createEvaluator(evaluatorReference(document, HOME, 'twin.yaml'))).open()
  const model = load('noisy')
  const { exampleScores } = await session.score(model, 'search')
  await session.close()
  const splits = column('split_faint').data as readonly string[]
  const records = [...splits.keys()].filter(i => splits[i] === 'search')
  const scores = [...exampleScores![0]!].sort((a, b) => a - b)
  expect(scores).toHaveLength(records.length)
  // Examples come in an order of their own, so values are looked for.
  for (const record of records.slice(0, 2)) {
    const nats = crossEntropy(model, record)
    const nearest = scores.reduce((best, score) => (Math.abs(score - nats) < Math.abs(best - nats) ? score : best))
    expect(Math.abs(nearest - nats)).toBeLessThan(1e-5 * nats)
  }
})

describe('its models', () => {
  let executor: Executor
  const config = loadSearchConfig(join(root, 'search-spaces/segmentation-front.yaml'))
  beforeAll(async () => {
    executor = await createInlineExecutor({ sources: config.sources, evaluator: config.evaluator })
  })
  afterAll(() => executor.close())

  const holdout = (weights: Readonly<Record<string, number>>) => holdoutValues(executor, weights)

  it.each(KINDS)('the expert for %s images finds their objects and misses the others', async kind => {
    const values = await holdout({ [kind]: 1 })
    KINDS.forEach((other, i) => {
      if (other === kind) expect(values[i]).toBeGreaterThan(0.85)
      else expect(values[i]).toBeLessThan(0.6)
    })
  })

  it('average to a model that is far from every expert on its kind: merging them is a problem', async () => {
    const average = await holdout({ noisy: 1, faint: 1, striped: 1 })
    const experts = await Promise.all(KINDS.map(async (kind, i) => (await holdout({ [kind]: 1 }))[i]!))
    const gap = experts.reduce((sum, dice, i) => sum + dice - average[i]!, 0) / 3
    expect(gap).toBeGreaterThan(0.1)
  })
})

/** Channels of an image, each row by row. */
interface Planes {
  readonly channels: number
  readonly side: number
  readonly at: (channel: number, y: number, x: number) => number
}

/** Mean cross-entropy of a record's pixels, nats, by the network of train.py written out in float64. */
function crossEntropy({ tensors }: MergedModel, record: number): number {
  const weight = (name: string): TensorView => tensors.get(name)!
  const planes = (channels: number, side: number, value: (c: number, y: number, x: number) => number): Planes => {
    const values = new Float64Array(channels * side * side)
    for (let c = 0; c < channels; c++)
      for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) values[(c * side + y) * side + x] = value(c, y, x)
    const inside = (k: number): boolean => k >= 0 && k < side
    return {
      channels,
      side,
      at: (c, y, x) => (inside(y) && inside(x) ? values[(c * side + y) * side + x]! : 0),
    }
  }
  const convolve = (from: Planes, name: string, rectify: boolean): Planes => {
    const { shape, data: w } = weight(`${name}.weight`)
    const [outputs, inputs, size] = [shape[0]!, shape[1]!, shape[2]!]
    const bias = weight(`${name}.bias`).data
    return planes(outputs, from.side, (o, y, x) => {
      let sum = bias[o]!
      for (let c = 0; c < inputs; c++)
        for (let dy = 0; dy < size; dy++)
          for (let dx = 0; dx < size; dx++)
            sum +=
              w[((o * inputs + c) * size + dy) * size + dx]! * from.at(c, y + dy - (size >> 1), x + dx - (size >> 1))
      return rectify ? Math.max(0, sum) : sum
    })
  }
  const block = (number: number, x: Planes): Planes =>
    convolve(convolve(x, `blocks.${number}.conv1`, true), `blocks.${number}.conv2`, true)
  const pool = (from: Planes): Planes =>
    planes(from.channels, from.side / 2, (c, y, x) =>
      Math.max(
        from.at(c, 2 * y, 2 * x),
        from.at(c, 2 * y, 2 * x + 1),
        from.at(c, 2 * y + 1, 2 * x),
        from.at(c, 2 * y + 1, 2 * x + 1),
      ),
    )
  /** Transposed convolution of 2 × 2, step 2: every pixel becomes four. */
  const enlarge = (from: Planes, name: string, skipped: Planes): Planes => {
    const { shape, data: w } = weight(`${name}.weight`)
    const [inputs, outputs] = [shape[0]!, shape[1]!]
    const bias = weight(`${name}.bias`).data
    return planes(outputs + skipped.channels, 2 * from.side, (o, y, x) => {
      if (o >= outputs) return skipped.at(o - outputs, y, x)
      let sum = bias[o]!
      for (let c = 0; c < inputs; c++)
        sum += from.at(c, y >> 1, x >> 1) * w[((c * outputs + o) * 2 + (y & 1)) * 2 + (x & 1)]!
      return sum
    })
  }
  const pictures = column('image').data as Uint8Array
  const masks = column('mask').data as Uint8Array
  const image = planes(1, SIDE, (_, y, x) => pictures[record * PIXELS + y * SIDE + x]! / 255)
  const first = block(0, image)
  const second = block(1, pool(first))
  const third = block(3, enlarge(block(2, pool(second)), 'blocks.3.up', second))
  const logits = convolve(block(4, enlarge(third, 'blocks.4.up', first)), 'head', false)
  let nats = 0
  for (let p = 0; p < PIXELS; p++) {
    const z = logits.at(0, Math.floor(p / SIDE), p % SIDE)
    const margin = masks[record * PIXELS + p] === 1 ? z : -z
    nats += Math.max(-margin, 0) + Math.log1p(Math.exp(-Math.abs(margin)))
  }
  return nats / PIXELS
}
