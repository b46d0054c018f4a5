import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import { describeEvaluator } from '../contracts/evaluator-contract.ts'
import { CommandSession } from '../helpers/command-session.ts'
import { temporaryFolder } from '../helpers/temporary-folders.ts'
import { rejectionOf } from '../helpers/thrown.ts'
import { runAmalgam } from '../helpers/tiny-project.ts'
import { csv, inOrder, mlpGraph, mlpLogits, randomModel, rows, tensor } from './onnx-fixture.ts'

// Three tasks with 2, 3 and 4 classes on one encoder: the first layer is merged, the second is each task's own.
const TASKS = [
  { name: 'two', classes: 2, seed: 21 },
  { name: 'three', classes: 3, seed: 22 },
  { name: 'four', classes: 4, seed: 23 },
]
const widths = (classes: number): number[] => [4, 5, classes]
const expert = ({ classes, seed }: (typeof TASKS)[number]): MergedModel => randomModel(seed, widths(classes))
const examples = ({ classes, seed }: (typeof TASKS)[number]) => rows(80, seed, 4, classes)

/** The first layer of a model. */
function encoder(seed: number, factor = 1): MergedModel {
  const { tensors } = randomModel(seed, [4, 5])
  return {
    tensors: new Map(
      [...tensors].map(([name, { shape, data }]) => [
        name,
        tensor(
          shape,
          data.map(x => x * factor),
        ),
      ]),
    ),
  }
}

async function writeFiles(into: string): Promise<void> {
  for (const task of TASKS) {
    const model = expert(task)
    await writeFile(join(into, `${task.name}.onnx`), mlpGraph(model, widths(task.classes)))
    await writeFile(join(into, `${task.name}.csv`), csv(examples(task)))
    writeSafetensors(
      join(into, `${task.name}.safetensors`),
      [...model.tensors].map(([name, { shape, data }]) => [
        name,
        { dtype: 'F32' as const, shape: [...shape], data: new Uint8Array(data.buffer) },
      ]),
    )
  }
}

const task = (name: string, more: object = {}) => ({
  name,
  data: `${name}.csv`,
  label: { column: 'label' },
  split: { column: 'split' },
  graph: `${name}.onnx`,
  ...more,
})
const DOCUMENT = {
  kind: 'onnx',
  id: 'heads',
  graph: 'two.onnx',
  heads: ['layers.1.*'],
  inputs: { pixels: { columns: 'p*', scale: 0.0625 } },
  tasks: TASKS.map(({ name }) => task(name, { head: `${name}.safetensors` })),
  objectives: TASKS.map(({ name }) => ({ task: name, metric: 'negative_log_likelihood' })),
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-heads-'))
  await writeFiles(folder)
})
afterAll(() => rm(folder, { recursive: true }))

const make = (change: Record<string, unknown> = {}, at = folder) =>
  createEvaluator(evaluatorReference({ ...DOCUMENT, ...change }, at, 'heads.yaml'))

/** Likelihoods by a plain model: the encoder, and the head of each task's expert. */
function twin(merged: MergedModel, split: string, heads: readonly (typeof TASKS)[number][] = TASKS): number[] {
  return TASKS.map((own, i) => {
    const head = [...expert(heads[i]!).tensors].filter(([name]) => name.startsWith('layers.1.'))
    const whole = { tensors: new Map([...merged.tensors, ...head]) }
    const chosen = inOrder(
      examples(own).filter(row => row.split === split),
      `${own.name}/${split}`,
    )
    const sum = chosen.reduce((total, { features, label }) => {
      const logits = mlpLogits(
        whole,
        features.map(x => x / 16),
      )
      return total + Math.log(logits.reduce((s, z) => s + Math.exp(z - logits[label]!), 0))
    }, 0)
    return sum / chosen.length
  })
}

async function valuesOf(change: Record<string, unknown>, model: MergedModel, split: 'search' | 'holdout' = 'search') {
  const session = await (await make(change)).open()
  try {
    return (await session.score(model, split)).values
  } finally {
    await session.close()
  }
}

describe('tasks with heads of their own', () => {
  it.each(['inputs', 'initializers'])(
    'run the merged encoder with each expert’s head, weights as %s',
    async weights => {
      for (const split of ['search', 'holdout'] as const) {
        const values = await valuesOf({ weights }, encoder(5), split)
        twin(encoder(5), split).forEach((value, i) => {
          expect(values[i]).toBeCloseTo(value, 5)
        })
      }
    },
  )

  it('take the heads that their graphs hold where no other is named', async () => {
    const tasks = TASKS.map(({ name }) => task(name))
    expect(await valuesOf({ tasks }, encoder(5))).toEqual(await valuesOf({ weights: 'inputs' }, encoder(5)))
  })

  it('leave out heads that a model brings along', async () => {
    const whole = { tensors: new Map([...randomModel(99, widths(2)).tensors, ...encoder(5).tensors]) }
    expect(await valuesOf({ weights: 'inputs' }, whole)).toEqual(await valuesOf({ weights: 'inputs' }, encoder(5)))
  })

  it('may share a graph and differ in the head', async () => {
    await writeFile(join(folder, 'other.onnx'), mlpGraph(randomModel(31, widths(2)), widths(2)))
    const tasks = [task('two', { head: 'two.safetensors' }), { ...task('two', { head: 'other.onnx' }), name: 'other' }]
    const objectives = tasks.map(({ name }) => ({ task: name, metric: 'negative_log_likelihood' }))
    const [first, second] = await valuesOf({ tasks, objectives, graph: 'two.onnx' }, encoder(5))
    expect(first).toBeCloseTo(twin(encoder(5), 'search')[0]!, 5)
    expect(Math.abs(second! - first!)).toBeGreaterThan(0.01)
    const [again] = await valuesOf({ tasks: [...tasks].reverse(), objectives: [...objectives].reverse() }, encoder(5))
    expect(again).toBeCloseTo(second!, 1) // the same examples in another order
  })

  it('have heads in the digest, by content', async () => {
    const { digest, inputs } = await make()
    expect(inputs[join(folder, 'four.safetensors')]).toMatch(/^[0-9a-f]{64}$/)
    const tasks = TASKS.map(({ name }) => task(name, { head: `./${name}.safetensors` }))
    expect((await make({ tasks })).digest).toBe(digest)
    expect((await make({ tasks: TASKS.map(({ name }) => task(name)) })).digest).not.toBe(digest)
  })
})

describe('heads that are refused', () => {
  it.each([
    ['without patterns', { heads: undefined }, /task "two" names a head, and nothing says what belongs to it/],
    ['that match nothing', { heads: ['classifier.*'] }, /no weight of .*two\.onnx matches "heads": "classifier\.\*"/],
    [
      'of another shape',
      { tasks: [task('two', { head: 'three.safetensors' })] },
      /task "two": the head .*three\.safetensors does not fit .*two\.onnx: "layers\.1\.bias" is \[3\], and \[2\] in the graph; "layers\.1\.weight" is \[3, 5\], and \[2, 5\] in the graph\./,
    ],
    ['that are not there', { tasks: [task('two', { head: 'gone.safetensors' })] }, /gone\.safetensors/],
    ['of a file that is none', { tasks: [task('two', { head: 'two.csv' })] }, /two\.csv/],
    [
      'of a model without them',
      { tasks: [task('two', { head: 'bare.safetensors' })] },
      /"layers\.1\.weight" \[2, 5\] is in the graph only/,
    ],
    ['with exported_from', { exported_from: 'two.safetensors' }, /has "heads", which are known by name, and "exported/],
  ])('%s', async (_, change, message) => {
    writeSafetensors(join(folder, 'bare.safetensors'), [
      ['layers.0.bias', { dtype: 'F32', shape: [1], data: new Uint8Array(4) }],
    ])
    const { objectives: _own, ...rest } = DOCUMENT
    const document = JSON.parse(
      JSON.stringify({ ...rest, ...change, heads: 'heads' in change ? change.heads : rest.heads }),
    )
    expect(await rejectionOf(createEvaluator(evaluatorReference(document, folder, 'heads.yaml')))).toMatch(message)
  })
})

it('a search merges experts whose heads differ in shape, writes what is merged, and names what is not', async () => {
  await writeFile(join(folder, 'heads.yaml'), JSON.stringify(DOCUMENT))
  const session = new CommandSession(folder)
  onTestFinished(() => session.close())
  const space = {
    genome: { merge_method: 'linear', models: TASKS.map(({ name }) => `${name}.safetensors`) },
    evaluator: 'heads.yaml',
    strategy: 'random',
    budget: 6,
    seed: 1,
  }
  await writeFile(join(folder, 'space.yaml'), JSON.stringify(space))
  expect(await session.amalgam('validate', 'space.yaml')).toMatchObject({ code: 0 })
  const searched = await runAmalgam(folder, ['search', 'space.yaml', '--run', 'runs/one', '--workers', '1'])
  expect(searched).toMatchObject({ code: 0 })
  const resumed = await runAmalgam(folder, ['resume', 'runs/one', '--budget', '8'])
  expect(resumed).toMatchObject({ code: 0 })

  const merged = await session.amalgam('merge', 'runs/one:winner', '--out', 'merged.safetensors', '--compare')
  expect(merged).toMatchObject({ code: 0, stderr: '' })
  const checkpoint = openCheckpoint(join(folder, 'merged.safetensors'))
  expect([...checkpoint.tensors.keys()].sort()).toEqual(['layers.0.bias', 'layers.0.weight'])
  checkpoint.close()

  // The file, and the recipe as it is shown, score as the winner did.
  const shown = JSON.parse((await session.amalgam('show', 'runs/one', 'winner', '--json')).stdout)
  const evaluated = await session.amalgam('evaluate', 'merged.safetensors', '--evaluator', 'heads.yaml', '--json')
  expect(evaluated).toMatchObject({ code: 0 })
  const { values } = JSON.parse(evaluated.stdout)
  for (const [name, value] of Object.entries(shown.values ?? shown.candidate.values))
    expect(values[name]).toBeCloseTo(value as number, 5)
  const recipe = await session.amalgam('show', 'runs/one', 'winner', '--recipe')
  expect(recipe.stdout).toMatch(/without:\s*\n\s*- layers\.1\.\*/)
  // An expert is scored without its own head too.
  const single = await session.amalgam('evaluate', 'four.safetensors', '--evaluator', 'heads.yaml', '--json')
  expect(single).toMatchObject({ code: 0 })
  expect(Object.keys(JSON.parse(single.stdout).values)).toHaveLength(3)

  // Without the evaluator's word, the shapes are an error.
  const { heads: _, ...plain } = DOCUMENT
  const tasks = [task('two')]
  const objectives = [{ task: 'two', metric: 'accuracy' }]
  await writeFile(join(folder, 'plain.yaml'), JSON.stringify({ ...plain, tasks, objectives }))
  await writeFile(join(folder, 'plain-space.yaml'), JSON.stringify({ ...space, evaluator: 'plain.yaml' }))
  const refused = await session.amalgam('validate', 'plain-space.yaml')
  expect(refused.code).not.toBe(0)
  expect(refused.stderr).toMatch(/must agree in the shape of every tensor: "layers\.1\.bias" is \[2\]/)
}, 120_000)

describeEvaluator('onnx, heads of three tasks', async () => {
  const own = temporaryFolder('heads-contract')
  await writeFiles(own)
  const chance = encoder(0, 0)
  return {
    create: () => make({}, own),
    model: seed => encoder(seed),
    means: [0, 1, 2],
    chance: { model: chance, values: split => twin(chance, split) },
    separating: { model: encoder(11, 1 / 8), objective: 2 },
  }
})
