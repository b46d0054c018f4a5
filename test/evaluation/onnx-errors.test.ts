import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Evaluator } from '../../src/evaluation/evaluator.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { buildOnnxModel } from '../../src/formats/onnx-build.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import { rejectionOf, thrownBy } from '../helpers/thrown.ts'
import { mlpGraph, randomModel, tensor, WIDTHS, writeSmallEvaluator } from './onnx-fixture.ts'

let folder: string
let good: Record<string, unknown>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-onnx-errors-'))
  good = await writeSmallEvaluator(folder)
})
afterAll(() => rm(folder, { recursive: true }))

const TASK = { name: 'low', data: 'low.csv', label: { column: 'label' }, split: { column: 'split' } }
const PIXELS = { pixels: { columns: 'p*' } }

async function make(change: Record<string, unknown>): Promise<Evaluator> {
  return createEvaluator(evaluatorReference({ ...good, ...change }, folder, 'small.yaml'))
}

/** The message, with the folder of the files left out. */
async function problem(change: Record<string, unknown>): Promise<string> {
  return (await rejectionOf(make(change))).replaceAll(`${folder}/`, '')
}

describe('options that are refused before any file is read', () => {
  const cases: readonly (readonly [what: string, change: Record<string, unknown>, message: string])[] = [
    ['an unknown member', { batchsize: 3 }, 'small.yaml: Unrecognized key: "batchsize"'],
    ['a batch of nothing', { batch_size: 0 }, 'small.yaml: batch_size: Too small: expected number to be >=1'],
    [
      'an input from two places',
      { inputs: { pixels: { columns: 'p*', npy: 'x.npy' } } },
      'small.yaml: inputs.pixels: An input takes its values from either "columns" or "npy": give exactly one of them.',
    ],
    [
      'a label from nowhere',
      { tasks: [{ ...TASK, label: {} }] },
      'small.yaml: tasks.0.label: A label comes from either "column" or "npy": give exactly one of them.',
    ],
    [
      'a split by two ways',
      { tasks: [{ ...TASK, split: { column: 'split', npy: 's.npy' } }] },
      'small.yaml: tasks.0.split: A split is given by "column", "npy" or "rule": give exactly one of them.',
    ],
    [
      'fractions beyond one',
      { tasks: [{ ...TASK, split: { rule: { seed: 1, search: 0.6, select: 0.3, holdout: 0.3 } } }] },
      'small.yaml: tasks.0.split.rule: The fractions search + select + holdout must not exceed 1.',
    ],
    [
      'two problems, one line each',
      { graph: 3, output: '' },
      'small.yaml: graph: Invalid input: expected string, received number\nsmall.yaml: output: Too small: expected string to have >=1 characters',
    ],
    [
      'an unknown kind',
      { kind: 'onx' },
      'small.yaml: unknown evaluator kind "onx"; known are onnx, command, http, module.',
    ],
    ['an id that is a path', { id: '../x' }, 'small.yaml: id: An id has letters, digits, "_", "." and "-" only.'],
  ]
  it.each(cases)('refuses %s', (_, change, message) => {
    expect(thrownBy(() => evaluatorReference({ ...good, ...change }, folder, 'small.yaml'))).toBe(
      `ConfigError: ${message}`,
    )
  })

  it('makes paths absolute, fills defaults in, and survives being sent as JSON', () => {
    const reference = evaluatorReference(good, folder, 'small.yaml')
    expect(reference).toMatchObject({
      kind: 'onnx',
      id: 'small',
      options: {
        graph: join(folder, 'network.onnx'),
        batch_size: 256,
        weights: 'auto',
        tasks: [{ data: join(folder, 'low.csv') }],
        inputs: { pixels: { scale: 0.0625, offset: 0 } },
      },
    })
    expect(JSON.parse(JSON.stringify(reference))).toEqual(reference)
    expect(
      evaluatorReference({ kind: 'onnx', id: 'small', ...Object(reference.options) }, '/elsewhere', 'again'),
    ).toEqual(reference)
  })
})

describe('options that do not fit the graph', () => {
  const cases: readonly (readonly [what: string, change: Record<string, unknown>, message: string])[] = [
    ['a missing graph', { graph: 'gone.onnx' }, 'Evaluator "small": graph "gone.onnx" does not exist.'],
    ['a folder as graph', { graph: '.' }, 'Evaluator "small": graph "." is no regular file.'],
    ['a graph that is none', { graph: 'low.csv' }, 'damaged'],
    [
      'an unknown output',
      { output: 'logit' },
      'Evaluator "small", task "low": the graph has no output "logit"; it has "logits".',
    ],
    [
      'an unknown input',
      { inputs: { pixel: { columns: 'p*' } } },
      'Evaluator "small", task "low": the graph has no input "pixel"; it has "pixels".',
    ],
    [
      'an input that nothing fills',
      { inputs: {} },
      'Evaluator "small", task "low": graph input "pixels" has no entry under "inputs".',
    ],
    [
      'a different number of classes',
      { classes: 4 },
      'Evaluator "small", task "low": classes is 4, but graph output "logits" has 3.',
    ],
    [
      'too few columns',
      { inputs: { pixels: { columns: ['p0', 'p1', 'p2'] } } },
      'Task "low": graph input "pixels" needs 4 values per example for shape [4], but low.csv gives 3.',
    ],
    [
      'another shape',
      { inputs: { pixels: { columns: 'p*', shape: [2, 2] } } },
      'Task "low": graph input "pixels" takes examples of shape [4], got [2, 2].',
    ],
  ]
  it.each(cases)('refuses %s', async (_, change, message) => {
    const found = (await problem(change)).replaceAll(folder, '.')
    if (message === 'damaged') expect(found).toMatch(/^FormatError: low.csv is damaged at byte \d+: /)
    else expect(found).toBe(`ConfigError: ${message}`)
  })

  it('refuses a fixed batch that is not the batch size', async () => {
    await writeFile(join(folder, 'fixed.onnx'), mlpGraph(randomModel(1), WIDTHS, { batch: 16 }))
    expect(await problem({ graph: 'fixed.onnx' })).toBe(
      'ConfigError: Evaluator "small": the graph has a fixed batch of 16, but batch_size is 256.',
    )
  })

  it('asks for the number of classes where the graph leaves it open', async () => {
    const { tensors } = randomModel(1, [4, 3])
    const open = buildOnnxModel({
      inputs: [{ name: 'pixels', shape: ['batch', 4] }],
      outputs: [{ name: 'logits', shape: ['batch', 'classes'] }],
      nodes: [{ op: 'Gemm', inputs: ['pixels', 'w'], outputs: ['logits'], attributes: { transB: { int: 1 } } }],
      initializers: [{ name: 'w', ...tensors.get('layers.0.weight')! }],
    })
    await writeFile(join(folder, 'open.onnx'), open)
    expect(await problem({ graph: 'open.onnx' })).toBe(
      'ConfigError: Evaluator "small", task "low": the graph does not fix how many classes "logits" has.',
    )
    const wrong = await (await make({ graph: 'open.onnx', classes: 5, weights: 'inputs' })).open()
    const model: MergedModel = { tensors: new Map([['w', tensors.get('layers.0.weight')!]]) }
    expect(await rejectionOf(wrong.score(model, 'search'))).toBe(
      `EvaluatorError: Output "logits" of ${folder}/open.onnx must have shape [20, 5]; it has [20, 3].`,
    )
    await wrong.close()
  })
})

describe('data that is refused', () => {
  const header = 'p0,p1,p2,p3,label,split'
  const row = (cells = '1,2,3,4', label = '0', split = 'search'): string => `${cells},${label},${split}`
  const three = [row(), row('1,2,3,4', '1', 'select'), row('1,2,3,4', '2', 'holdout')]
  const cases: readonly (readonly [
    what: string,
    lines: readonly string[],
    change: Record<string, unknown>,
    message: string,
  ])[] = [
    [
      'a missing file',
      [],
      { tasks: [{ ...TASK, data: 'gone.csv' }] },
      'ConfigError: Evaluator "small", task "low": data file "gone.csv" does not exist.',
    ],
    [
      'an unknown label column',
      [header, ...three],
      { tasks: [{ ...TASK, data: 'bad.csv', label: { column: 'lable' } }] },
      'ConfigError: bad.csv has no column "lable"; it has "p0, p1, p2, p3, label, split".',
    ],
    [
      'a pattern that matches nothing',
      [header, ...three],
      { inputs: { pixels: { columns: ['p0', 'q*'] } } },
      'ConfigError: bad.csv has no column "q*"; it has "p0, p1, p2, p3, label, split".',
    ],
    [
      'a label that leaks into the inputs',
      [header, ...three],
      { inputs: { pixels: { columns: '*' } } },
      'ConfigError: bad.csv: column "label" is the label or split of a task and would also be part of graph input "pixels".',
    ],
    [
      'a cell that is no number',
      [header, ...three, row('1,x,3,4')],
      {},
      'FormatError: bad.csv: row 5, column "p1": a number is required, found "x".',
    ],
    [
      'an empty cell',
      [header, row('1,,3,4'), ...three],
      {},
      'FormatError: bad.csv: row 2, column "p1": a number is required, found "".',
    ],
    [
      'a hexadecimal cell',
      [header, row('1,0x10,3,4'), ...three],
      {},
      'FormatError: bad.csv: row 2, column "p1": a number is required, found "0x10".',
    ],
    [
      'a number beyond float32',
      [header, row('1,2,1e39,4'), ...three],
      {},
      'FormatError: bad.csv: row 2, column "p2": "1e+39" is no float32 value for graph input "pixels".',
    ],
    [
      'a label beyond the classes',
      [header, ...three, row('1,2,3,4', '3')],
      {},
      'FormatError: bad.csv: row 5, column "label": a class from 0 to 2 is required, found 3.',
    ],
    [
      'a label that is no whole number',
      [header, ...three, row('1,2,3,4', '1.5')],
      {},
      'FormatError: bad.csv: row 5, column "label": a class from 0 to 2 is required, found 1.5.',
    ],
    [
      'a split without examples',
      [header, three[0]!, three[1]!, row('1,2,3,4', '2', 'train')],
      {},
      'ConfigError: Task "low" has no example in the split "holdout".',
    ],
  ]
  it.each(cases)('refuses %s', async (_, lines, change, message) => {
    await writeFile(join(folder, 'bad.csv'), lines.join('\n'))
    const tasks = [{ ...TASK, data: 'bad.csv' }]
    expect(await problem({ inputs: PIXELS, tasks, ...change })).toBe(message)
  })

  it('refuses a gzip file that is none', async () => {
    await writeFile(join(folder, 'bad.csv.gz'), 'no gzip')
    expect(await problem({ tasks: [{ ...TASK, data: 'bad.csv.gz' }] })).toBe(
      'FormatError: Evaluator "small", task "low": data file "bad.csv.gz" is no valid gzip file (incorrect header check).',
    )
  })

  it('refuses columns without a table, and a table without columns', async () => {
    const { data: _, ...without } = TASK
    expect(await problem({ tasks: [without] })).toBe(
      'ConfigError: Evaluator "small", task "low" names columns and needs "data".',
    )
  })
})

describe('objectives that are refused', () => {
  it.each([
    [
      'an unknown task',
      { objectives: [{ task: 'lou', metric: 'accuracy' }] },
      'Evaluator "small": an objective names the task "lou"; there are low.',
    ],
    [
      'two of one name',
      {
        objectives: [
          { task: 'low', metric: 'accuracy' },
          { name: 'low', task: 'low', metric: 'negative_log_likelihood' },
        ],
      },
      'Evaluator "small" has two objectives named "low".',
    ],
    ['two tasks of one name', { tasks: [TASK, TASK] }, 'Evaluator "small" has two tasks named "low".'],
  ])('refuses %s', async (_, change, message) => {
    expect(await problem(change)).toBe(`ConfigError: ${message}`)
  })
})

describe('models that are refused', () => {
  it('lists what the graph and the model do not have in common', async () => {
    const session = await (await make({})).open()
    const { tensors } = randomModel(1)
    const renamed = new Map([...tensors].map(([name, view]) => [name.replace('layers.1', 'head'), view]))
    expect(await rejectionOf(session.score({ tensors: renamed }, 'search'))).toBe(
      `EvaluatorError: The weights of ${folder}/network.onnx do not match the merged model: only in the graph: "layers.1.weight", "layers.1.bias"; only in the merged model: "head.weight", "head.bias".`,
    )
    await session.close()
  })

  it('goes on with the next model after one that does not fit', async () => {
    const session = await (await make({})).open()
    const before = await session.score(randomModel(2), 'search')
    const { tensors } = randomModel(1)
    const short = new Map([...tensors].slice(1))
    expect(await rejectionOf(session.score({ tensors: short }, 'search'))).toMatch(
      /only in the graph: "layers.0.weight"/,
    )
    expect((await session.score(randomModel(2), 'search')).values).toEqual(before.values)
    await session.close()
  })

  it('takes a single number as a weight when the model has it', async () => {
    const scale = { name: 'scale', shape: [], data: Float32Array.of(1) }
    const { tensors } = randomModel(1, [4, 3])
    const graph = buildOnnxModel({
      inputs: [{ name: 'pixels', shape: ['batch', 4] }],
      outputs: [{ name: 'logits', shape: ['batch', 3] }],
      nodes: [
        { op: 'Gemm', inputs: ['pixels', 'w'], outputs: ['h'], attributes: { transB: { int: 1 } } },
        { op: 'Mul', inputs: ['h', 'scale'], outputs: ['logits'] },
      ],
      initializers: [{ name: 'w', ...tensors.get('layers.0.weight')! }, scale],
    })
    await writeFile(join(folder, 'scaled.onnx'), graph)
    const session = await (
      await make({ graph: 'scaled.onnx', objectives: [{ task: 'low', metric: 'negative_log_likelihood' }] })
    ).open()
    const w = tensors.get('layers.0.weight')!
    const plain = await session.score({ tensors: new Map([['w', w]]) }, 'search')
    const zero = {
      tensors: new Map([
        ['w', w],
        ['scale', tensor([], Float32Array.of(0))],
      ]),
    }
    const silenced = await session.score(zero, 'search')
    expect(silenced.values[0]).toBeCloseTo(Math.log(3), 6)
    expect((await session.score({ tensors: new Map([['w', w]]) }, 'search')).values).toEqual(plain.values)
    await session.close()
  })

  it('says what the runtime says when it cannot load the graph', async () => {
    const bad = buildOnnxModel({
      inputs: [{ name: 'pixels', shape: ['batch', 4] }],
      outputs: [{ name: 'logits', shape: ['batch', 3] }],
      nodes: [{ op: 'NoSuchOperator', inputs: ['pixels', 'w'], outputs: ['logits'] }],
      initializers: [{ name: 'w', shape: [3, 4], data: new Float32Array(12) }],
    })
    await writeFile(join(folder, 'bad.onnx'), bad)
    const evaluator = await make({ graph: 'bad.onnx' })
    expect(await rejectionOf(evaluator.open())).toMatch(
      /^EvaluatorError: onnxruntime cannot load .*bad\.onnx: .*NoSuchOperator/,
    )
  })
})
