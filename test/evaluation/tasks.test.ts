import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { averagePrecision, averageRanks } from '../../src/evaluation/onnx/ranks.ts'
import { classificationMetrics, unlabelledMetrics } from '../../src/evaluation/onnx/tasks/classification.ts'
import { multiLabelMetrics } from '../../src/evaluation/onnx/tasks/multi-label.ts'
import { regressionMetrics, spearman } from '../../src/evaluation/onnx/tasks/regression.ts'
import { countPixels, segmentationMetrics } from '../../src/evaluation/onnx/tasks/segmentation.ts'
import type { Facts, TaskMetric } from '../../src/evaluation/onnx/tasks/task.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { buildOnnxModel } from '../../src/formats/onnx-build.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import { createRng } from '../../src/rng.ts'
import { describeEvaluator } from '../contracts/evaluator-contract.ts'
import { temporaryFolder } from '../helpers/temporary-folders.ts'
import { rejectionOf } from '../helpers/thrown.ts'
import { mlpGraph, mlpLogits, randomModel, tensor, WIDTHS } from './onnx-fixture.ts'

const SPLITS = ['search', 'select', 'holdout'] as const

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-tasks-'))
  await writeData(folder)
})
afterAll(() => rm(folder, { recursive: true }))

interface Row {
  readonly x: readonly number[]
  readonly y: readonly number[]
  readonly bits: readonly number[]
  readonly item: string
  readonly set: string
  readonly split: string
}
const ROWS: readonly Row[] = (() => {
  const rng = createRng(5)
  return Array.from({ length: 60 }, (_, i) => ({
    x: Array.from({ length: WIDTHS[0] }, () => rng.normal()),
    y: Array.from({ length: WIDTHS[2] }, () => rng.normal()),
    bits: Array.from({ length: WIDTHS[2] }, () => rng.integer(0, 2)),
    item: `item ${i % 6}`,
    set: i < 18 ? 'gallery' : 'query',
    split: SPLITS[i % 3]!,
  }))
})()

async function writeData(into: string): Promise<void> {
  await writeFile(join(into, 'network.onnx'), mlpGraph(randomModel(1)))
  await writeFile(join(into, 'rows.jsonl'), ROWS.map(row => `${JSON.stringify(row)}\n`).join(''))
}

const TASKS = {
  regression: { kind: 'regression', name: 'r', target: { columns: 'y' } },
  multi_label: { kind: 'multi_label', name: 'm', labels: { columns: 'bits' } },
  retrieval: { kind: 'retrieval', name: 'e', label: { column: 'item' }, gallery: { column: 'set' } },
}

function document(tasks: readonly object[], objectives?: readonly object[]): Record<string, unknown> {
  return {
    kind: 'onnx',
    id: 'tasks',
    graph: 'network.onnx',
    inputs: { pixels: { columns: 'x' } },
    tasks: tasks.map(task => ({ data: 'rows.jsonl', split: { column: 'split' }, ...task })),
    ...(objectives === undefined ? {} : { objectives }),
  }
}

async function open(tasks: readonly object[], objectives: readonly object[], at = folder) {
  return (await createEvaluator(evaluatorReference(document(tasks, objectives), at, 'tasks.yaml'))).open()
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

describe('regression', () => {
  it('has errors, R² and rank correlation as a plain computation has them', async () => {
    const metrics = ['mean_squared_error', 'mean_absolute_error', 'r_squared', 'spearman']
    const session = await open(
      [TASKS.regression],
      metrics.map(metric => ({ task: 'r', metric })),
    )
    const model = randomModel(3)
    const own = ROWS.filter(row => row.split === 'search')
    const found = own.map(row => mlpLogits(model, row.x))
    const residuals = own.map((row, i) => row.y.map((y, k) => found[i]![k]! - y))
    const r2 = [0, 1, 2].map(k => {
      const m = mean(own.map(row => row.y[k]!))
      const total = own.reduce((sum, row) => sum + (row.y[k]! - m) ** 2, 0)
      return 1 - residuals.reduce((sum, r) => sum + r[k]! ** 2, 0) / total
    })
    const rank = (values: readonly number[]): number[] =>
      values.map(v => values.filter(w => w < v).length + values.filter(w => w === v).length / 2)
    const correlation = (a: readonly number[], b: readonly number[]): number => {
      const [p, q] = [mean(a), mean(b)]
      const sum = (of: (i: number) => number): number => a.reduce((total, _, i) => total + of(i), 0)
      return sum(i => (a[i]! - p) * (b[i]! - q)) / Math.sqrt(sum(i => (a[i]! - p) ** 2) * sum(i => (b[i]! - q) ** 2))
    }
    const rho = [0, 1, 2].map(k => correlation(rank(found.map(f => f[k]!)), rank(own.map(row => row.y[k]!))))
    const { values } = await session.score(model, 'search')
    const expected = [mean(residuals.flat().map(r => r * r)), mean(residuals.flat().map(Math.abs)), mean(r2), mean(rho)]
    values.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 5)
    })
    await session.close()
  })

  it('gives tied ranks the mean of theirs, and no correlation to a constant', () => {
    expect([...averageRanks(Float64Array.of(3, 1, 3, 2))]).toEqual([2.5, 0, 2.5, 1])
    expect(spearman(Float64Array.of(1, 2, 3), Float64Array.of(5, 5, 5))).toBe(0)
    expect(spearman(Float64Array.of(1, 2, 3), Float64Array.of(1, 10, 100))).toBeCloseTo(1, 12)
    expect(spearman(Float64Array.of(1, Number.NaN), Float64Array.of(1, 2))).toBeNaN()
  })

  it('has the guess of the mean as reference, which scores R² 0', () => {
    const targets = Float64Array.of(1, 2, 6)
    const all = { search: targets, select: targets, holdout: targets }
    const metrics = regressionMetrics(all, 1, 'here')
    expect(metrics.mean_squared_error!({ metric: '' }).reference).toBeCloseTo(14 / 3, 12)
    const facts: Facts = { examples: Int32Array.of(0, 1, 2), width: 1, values: Float64Array.of(3, 3, 3) }
    expect(mean([...metrics.r_squared!({ metric: '' }).scores(facts, 'search')])).toBeCloseTo(0, 6)
  })
})

describe('multi-label', () => {
  const truth = Uint8Array.of(1, 0, 1, 0, 1, 0, 0, 0, 0)
  const all = { search: truth, select: truth, holdout: truth }
  const metrics = multiLabelMetrics(all, 3, 0)
  // Given: {0, 1}, {1}, {}; true: {0, 2}, {1}, {}.
  const facts: Facts = {
    examples: Int32Array.of(0, 1, 2),
    width: 3,
    values: Float64Array.of(2, 1, -1, -1, 3, -2, -1, -3, -1),
  }
  const value = (name: string): number => {
    const metric: TaskMetric = metrics[name]!({ metric: name })
    return metric.value?.(facts, 'search') ?? mean([...metric.scores(facts, 'search')])
  }
  it.each([
    ['example_f1', (0.5 + 1 + 1) / 3],
    ['subset_accuracy', 2 / 3],
    ['label_accuracy', (1 / 3 + 1 + 1) / 3],
    ['micro_f1', (2 * 2) / (2 * 2 + 1 + 1)],
    ['macro_f1', (1 + 2 / 3 + 0) / 3],
    // Label 0: the first, hit. Label 1: logits 1, 3, -3, the second is right. Label 2: -1, -2, -1: tied with one that is wrong.
    ['mean_average_precision', (1 + 1 + 1 / 2) / 3],
  ])('%s', (name, expected) => {
    expect(value(name)).toBeCloseTo(expected, 6)
  })

  it('is ln 2 per label for a model that knows nothing, and never overflows', () => {
    const nll = (values: Float64Array): number =>
      mean([...metrics.negative_log_likelihood!({ metric: '' }).scores({ ...facts, values }, 'search')])
    expect(nll(new Float64Array(9))).toBeCloseTo(Math.LN2, 6)
    expect(nll(Float64Array.from(truth, t => (t === 1 ? 1000 : -1000)))).toBe(0)
    expect(nll(Float64Array.from(truth, t => (t === 1 ? -1000 : 1000)))).toBe(1000)
  })

  it('ranks whatever order the items come in', () => {
    const scores = Float64Array.of(0.9, 0.5, 0.5, 0.1)
    expect(averagePrecision(scores, [true, true, false, false])).toBeCloseTo((1 + 2 / 3) / 2, 12)
    expect(averagePrecision(scores, [true, false, true, false])).toBeCloseTo((1 + 2 / 3) / 2, 12)
    expect(averagePrecision(Float64Array.of(1, 1, 1, 1), [true, false, false, false])).toBe(0.25)
  })
})

describe('retrieval', () => {
  it('finds what a plain search finds', async () => {
    const objectives = [
      { task: 'e', metric: 'recall_at_k', k: 3 },
      { task: 'e', metric: 'mean_reciprocal_rank' },
    ]
    const session = await open([TASKS.retrieval], objectives)
    const model = randomModel(3)
    const embed = (row: Row): readonly number[] => mlpLogits(model, row.x)
    const cosine = (a: readonly number[], b: readonly number[]): number => {
      const dot = (p: readonly number[], q: readonly number[]): number => p.reduce((sum, v, i) => sum + v * q[i]!, 0)
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
    }
    const gallery = ROWS.filter(row => row.set === 'gallery')
    for (const split of SPLITS) {
      const ranks = ROWS.filter(row => row.set === 'query' && row.split === split).map(query => {
        const near = gallery.map(item => ({ item: item.item, s: cosine(embed(query), embed(item)) }))
        const best = Math.max(...near.filter(({ item }) => item === query.item).map(({ s }) => s))
        return near.filter(({ item, s }) => item !== query.item && s > best - 1e-7).length
      })
      const { values } = await session.score(model, split)
      expect(values[0]).toBeCloseTo(ranks.filter(rank => rank < 3).length / ranks.length, 6)
      expect(values[1]).toBeCloseTo(mean(ranks.map(rank => 1 / (rank + 1))), 5)
    }
    await session.close()
  })

  it('draws a split among the queries alone', async () => {
    const rule = { seed: 1, search: 0.5, select: 0.25, holdout: 0.25 }
    const session = await open([{ ...TASKS.retrieval, split: { rule } }], [{ task: 'e', metric: 'recall_at_k' }])
    expect(SPLITS.reduce((sum, split) => sum + session.exampleCount(split)[0]!, 0)).toBe(42)
    await session.close()
  })

  it.each([
    [{ gallery: { column: 'set', value: 'index' } }, /has no record whose "set" is "index"/],
    [{ label: { column: 'x' } }, /nothing in the gallery has the query's label/],
  ])('refuses %j', async (change, message) => {
    expect(
      await rejectionOf(open([{ ...TASKS.retrieval, ...change }], [{ task: 'e', metric: 'recall_at_k' }])),
    ).toMatch(message)
  })
})

describe('segmentation', () => {
  const metrics = segmentationMetrics(3, 'here')
  const facts = (truth: readonly number[], said: readonly number[], nan = false): Facts => {
    const pixels = truth.length
    const data = new Float32Array(3 * pixels)
    said.forEach((c, p) => {
      data[c * pixels + p] = 4
    })
    if (nan) data[0] = Number.NaN
    const values = new Float64Array(11)
    countPixels({ dims: [1, 3, 1, pixels], data }, 0, 3, Uint8Array.from(truth), values, 0)
    return { examples: Int32Array.of(0), width: 11, values }
  }
  const score = (name: string, own: Facts, spec: object = {}): number =>
    metrics[name]!({ metric: name, ...spec }).scores(own, 'search')[0]!

  it('is the overlap of what is there and what is said', () => {
    const own = facts([0, 1, 1, 2, 2, 2], [0, 1, 0, 2, 2, 1])
    expect(score('dice', own, { class: 1 })).toBeCloseTo((2 * 1) / (2 + 2), 6)
    expect(score('dice', own, { class: 2 })).toBeCloseTo((2 * 2) / (2 + 3), 6)
    expect(score('dice', own)).toBeCloseTo((0.5 + 0.8) / 2, 6)
    expect(score('iou', own)).toBeCloseTo((1 / 3 + 2 / 3) / 2, 6)
    expect(score('pixel_accuracy', own)).toBeCloseTo(4 / 6, 6)
    const p = Math.exp(4) / (Math.exp(4) + 2)
    expect(score('negative_log_likelihood', own)).toBeCloseTo(-(4 * Math.log(p) + 2 * Math.log((1 - p) / 2)) / 6, 5)
  })

  it('counts classes that are there or said to be, and 1 where there is nothing', () => {
    expect(score('dice', facts([0, 0, 1], [0, 0, 1]))).toBe(1)
    expect(score('dice', facts([0, 0, 1], [0, 2, 1]))).toBe(0.5)
    expect(score('dice', facts([0, 0, 0], [0, 0, 0]))).toBe(1)
    expect(score('dice', facts([0, 0, 0], [0, 0, 2]))).toBe(0)
  })

  it('leaves out pixels that are to be ignored', () => {
    expect(score('pixel_accuracy', facts([0, 255, 1], [0, 2, 1]))).toBe(1)
  })

  it('is NaN where a logit is NaN', () => {
    for (const name of Object.keys(metrics)) expect(score(name, facts([0, 1, 2], [0, 1, 2], true))).toBeNaN()
  })

  it('of all images together adds up their pixels', () => {
    const [a, b] = [facts([0, 1], [0, 1]), facts([1, 1], [0, 1])]
    const both: Facts = { examples: Int32Array.of(0, 1), width: 11, values: Float64Array.of(...a.values, ...b.values) }
    expect(metrics.dataset_iou!({ metric: '', class: 1 }).value!(both, 'search')).toBeCloseTo(2 / 3, 12)
    expect(metrics.dataset_dice!({ metric: '', class: 1 }).value!(both, 'search')).toBeCloseTo(4 / 5, 12)
  })

  it('reads images and masks from files, and refuses a class that is not there', async () => {
    await mkdir(join(folder, 'pictures'), { recursive: true })
    const lines: string[] = []
    const rng = createRng(3)
    for (let i = 0; i < 6; i++) {
      const pixels = Buffer.from(Array.from({ length: 12 }, () => rng.integer(0, 256)))
      const mask = Buffer.from(pixels.map(value => (value > 128 ? 1 : 0)))
      const raw = { width: 4, height: 3, channels: 1 as const }
      await sharp(pixels, { raw })
        .png()
        .toFile(join(folder, `pictures/${i}.png`))
      await sharp(mask, { raw })
        .png()
        .toFile(join(folder, `pictures/${i}-mask.png`))
      lines.push(JSON.stringify({ image: `pictures/${i}.png`, mask: `pictures/${i}-mask.png`, split: SPLITS[i % 3] }))
    }
    await writeFile(join(folder, 'pictures.jsonl'), lines.join('\n'))
    // Two classes: a pixel's logit of class 1 is weight × (value - mean).
    const graph = buildOnnxModel({
      inputs: [{ name: 'x', shape: ['batch', 1, 3, 4] }],
      outputs: [{ name: 'logits', shape: ['batch', 2, 3, 4] }],
      nodes: [{ op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['logits'] }],
      initializers: [
        { name: 'w', shape: [2, 1, 1, 1], data: Float32Array.of(0, 1) },
        { name: 'b', shape: [2], data: Float32Array.of(0, 0) },
      ],
    })
    await writeFile(join(folder, 'pixel.onnx'), graph)
    const task = {
      kind: 'segmentation',
      name: 's',
      data: 'pictures.jsonl',
      inputs: { x: { columns: 'image', image: { channels: 'grey', mean: 128.5 / 255, std: 1 / 255 } } },
      mask: { column: 'mask' },
      split: { column: 'split' },
    }
    const make = (change: object = {}) =>
      createEvaluator(
        evaluatorReference(
          { kind: 'onnx', id: 's', graph: 'pixel.onnx', tasks: [{ ...task, ...change }], weights: 'inputs' },
          folder,
          's.yaml',
        ),
      )
    const evaluator = await make()
    const session = await evaluator.open()
    const model = (w: number): MergedModel => ({
      tensors: new Map([
        ['w', tensor([2, 1, 1, 1], Float32Array.of(0, w))],
        ['b', tensor([2], Float32Array.of(0, 0))],
      ]),
    })
    expect((await session.score(model(1), 'search')).values).toEqual([1])
    expect((await session.score(model(-1), 'search')).values[0]).toBeLessThan(0.1)
    await session.close()

    await sharp(Buffer.alloc(12, 7), { raw: { width: 4, height: 3, channels: 1 } })
      .png()
      .toFile(join(folder, 'pictures/5-mask.png'))
    expect(await rejectionOf(make())).toMatch(
      /line 6, column "mask", value 0: a class from 0 to 1 is required, found 7/,
    )
    const ignoring = await make({ ignore: 7 })
    expect(ignoring.digest).not.toBe(evaluator.digest)
  })
})

describe('classification', () => {
  const labels = Int32Array.of(0, 0, 0, 1)
  const metrics = {
    ...classificationMetrics({ search: labels, select: labels, holdout: labels }, 3),
    ...unlabelledMetrics(3),
  }
  const facts: Facts = {
    examples: Int32Array.of(0, 1, 2, 3),
    width: 3,
    values: Float64Array.of(5, 1, 0, 1, 5, 0, 5, 0, 1, 2, 3, 1),
  }
  const score = (name: string, spec: object = {}): number =>
    mean([...metrics[name]!({ metric: name, ...spec }).scores(facts, 'search')])

  it('has top-k, balanced accuracy and entropy in closed form', () => {
    expect(score('accuracy')).toBe(3 / 4)
    expect(score('top_k_accuracy', { k: 2 })).toBe(1)
    expect(score('balanced_accuracy')).toBeCloseTo((2 / 3 + 1) / 2, 6)
    // Hidden values behind the logits belong to no class.
    const wide = Float64Array.of(5, 1, 0, 7, 7, 1, 5, 0, 7, 7, 5, 0, 1, 7, 7, 2, 3, 1, 7, 7)
    const scores = metrics.balanced_accuracy!({ metric: '' }).scores({ ...facts, width: 5, values: wide }, 'search')
    expect(mean([...scores])).toBeCloseTo((2 / 3 + 1) / 2, 6)
    const flat: Facts = { ...facts, values: new Float64Array(12) }
    expect(mean([...metrics.entropy!({ metric: '' }).scores(flat, 'search')])).toBeCloseTo(Math.log(3), 6)
    const sure: Facts = { ...facts, values: Float64Array.from(facts.values, z => z * 1000) }
    expect(mean([...metrics.entropy!({ metric: '' }).scores(sure, 'search')])).toBeCloseTo(0, 6)
  })

  it('refuses a k that is always right', () => {
    expect(() => metrics.top_k_accuracy!({ metric: '', k: 3 })).toThrow(/always 1: there are 3 classes/)
  })
})

const CONTRACT = [
  { task: 'r', metric: 'mean_squared_error' },
  { task: 'r', metric: 'r_squared' },
  { task: 'm', metric: 'example_f1' },
  { task: 'm', metric: 'negative_log_likelihood' },
  { task: 'e', metric: 'mean_reciprocal_rank' },
]
describeEvaluator('onnx, regression, multi-label and retrieval', async () => {
  const own = temporaryFolder('tasks-contract')
  await writeData(own)
  const chance = randomModel(0)
  for (const { data } of chance.tensors.values()) data.fill(0)
  const options = document(Object.values(TASKS), CONTRACT)
  const of = (split: string): readonly Row[] => ROWS.filter(row => row.split === split)
  return {
    create: () => createEvaluator(evaluatorReference(options, own, 'tasks.yaml')),
    model: seed => randomModel(seed),
    means: [0, 1, 2, 3, 4],
    chance: {
      model: chance,
      values: split => {
        const y = of(split).map(row => row.y)
        const variance = [0, 1, 2].map(k => {
          const m = mean(y.map(row => row[k]!))
          return mean(y.map(row => (row[k]! - m) ** 2))
        })
        // A logit of 0 is a probability of 0.5: every label is given.
        const f1 = of(split).map(({ bits }) => {
          const right = bits.filter(bit => bit === 1).length
          return (2 * right) / (right + 3)
        })
        return [
          mean(y.flat().map(v => v * v)),
          mean([0, 1, 2].map(k => 1 - mean(y.map(row => row[k]! ** 2)) / variance[k]!)),
          mean(f1),
          Math.LN2,
          1 / 16, // 15 of 18 items are of another kind, and all are equally near
        ]
      },
    },
    separating: { model: randomModel(11), objective: 0 },
  }
})
