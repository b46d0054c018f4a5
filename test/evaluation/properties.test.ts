import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadEvaluatorFile } from '../../src/config/load.ts'
import { Difference } from '../../src/evaluation/properties/difference.ts'
import { countExpertModules } from '../../src/evaluation/properties/expert-modules.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { scoreJob } from '../../src/evaluation/score-job.ts'
import { openWorkerSession } from '../../src/evaluation/worker-session.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import type { ParameterMerge, PiecewiseMerge, Recipe } from '../../src/space/recipe.ts'
import { describeEvaluator } from '../contracts/evaluator-contract.ts'
import { rejectionOf, thrownBy } from '../helpers/thrown.ts'
import { createTinyProject, EVALUATOR, type TinyProject } from '../helpers/tiny-project.ts'
import { csv, mlpGraph, randomModel, rows, tensor, writeSmallEvaluator } from './onnx-fixture.ts'

describe('Difference', () => {
  it('adds up over tensors', () => {
    const difference = new Difference()
    difference.add(Float32Array.of(1, 2, 3), Float32Array.of(1, 2, 0))
    difference.add(Float32Array.of(-4, -0), Float32Array.of(0, 0))
    expect(difference.changedShare).toBe(2 / 5)
    expect(difference.distance).toBe(5)
    expect(difference.relativeDistance).toBe(5 / Math.sqrt(5))
  })

  it('is 0 for the base itself, and no number for a broken model', () => {
    const same = new Difference()
    same.add(Float32Array.of(1, -2), Float32Array.of(1, -2))
    expect([same.changedShare, same.distance, same.relativeDistance]).toEqual([0, 0, 0])
    for (const broken of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const difference = new Difference()
      difference.add(Float32Array.of(1, broken), Float32Array.of(1, -2))
      expect([difference.changedShare, difference.distance, difference.relativeDistance]).toEqual(
        Array(3).fill(Number.NaN),
      )
    }
  })
})

describe('countExpertModules', () => {
  const { tensors } = randomModel(1) // layers.0 and layers.1, a weight and a bias each

  const merge = (groups: ParameterMerge['groups'], method = 'task_arithmetic'): ParameterMerge => ({
    kind: 'parameter-merge',
    method,
    base: method === 'linear' ? undefined : 'base',
    sources: ['a', 'b'],
    parameters: method === 'ties' ? {} : { normalize: false },
    groups,
  })
  const weights = (a: number, b: number) => ({ a: { weight: a }, b: { weight: b } })

  it.each<[string, Recipe, number]>([
    ['one group, both sources', merge([{ layers: 'all', coefficients: weights(0.5, 1) }]), 4],
    ['one group, one source', merge([{ layers: 'all', coefficients: weights(0, 1) }]), 2],
    ['nothing but the base', merge([{ layers: 'all', coefficients: weights(0, 0) }]), 0],
    [
      'a group per layer, with the weights of one group for all',
      merge([
        { layers: [0, 1], coefficients: weights(0.5, 1) },
        { layers: [1, 2], coefficients: weights(0.5, 1) },
      ]),
      4,
    ],
    [
      'a source in one layer only',
      merge([
        { layers: [0, 1], coefficients: weights(0, 1) },
        { layers: [1, 2], coefficients: weights(0.5, 1) },
      ]),
      3,
    ],
    [
      'a source in the weights only, which are the module too',
      merge([
        { layers: 'all', filter: 'weight', coefficients: weights(1, 0) },
        { layers: 'all', coefficients: weights(0, 1) },
      ]),
      4,
    ],
    ['a method of task vectors', merge([{ layers: 'all', coefficients: weights(0, 1) }], 'ties'), 2],
    ['a weighted sum', merge([{ layers: 'all', coefficients: weights(2, 0) }], 'linear'), 2],
  ])('%s', (_, recipe, count) => {
    expect(countExpertModules(recipe, tensors)).toBe(count)
  })

  it('counts pieces by the modules that they reach into', () => {
    const recipe: PiecewiseMerge = {
      kind: 'piecewise-merge',
      method: 'linear',
      base: undefined,
      sources: ['a', 'b'],
      parameters: { normalize: false },
      pieces: [
        { from: { tensor: 'layers.0.bias', element: 0 }, weights: { a: 1, b: 0 } },
        { from: { tensor: 'layers.1.weight', element: 3 }, weights: { a: 0, b: 1 } },
      ],
    }
    expect(countExpertModules(recipe, tensors)).toBe(3) // a in both layers, b in the second
  })
})

const BASE = '../models/base.safetensors'
const PROPERTIES = `${EVALUATOR}properties:
  - { property: changed_parameters, base: ${BASE} }
  - { property: distance, base: ${BASE}, reference: 10, name: far }
  - { property: relative_distance, base: ${BASE} }
  - { property: expert_modules, reference: 4 }
`

describe('properties of an evaluator file', () => {
  let project: TinyProject
  beforeAll(() => {
    project = createTinyProject()
    project.write('evaluators/sides.yaml', PROPERTIES)
  })
  afterAll(() => project.remove())

  const reference = (text = PROPERTIES) => evaluatorReference(parse(text), project.path('evaluators'), 'sides.yaml')
  const sources = ['base', 'left', 'right'].map(id => ({ id, path: '' }))

  it('follow the own objectives, and tell how far a candidate is from its base', async () => {
    const own = sources.map(({ id }) => ({ id, path: project.path('models', `${id}.safetensors`) }))
    const setup = { sources: own, evaluator: reference() }
    const worker = await openWorkerSession(setup, loadSharedSources(own, { threads: 1 }), 0)
    try {
      expect(worker.evaluator.objectives.map(({ name }) => name)).toEqual([
        'left',
        'right_nll',
        'changed_parameters',
        'far',
        'relative_distance',
        'expert_modules',
      ])
      expect(worker.session.exampleCount('search').slice(2)).toEqual([0, 0, 0, 0])
      const recipe: Recipe = {
        kind: 'parameter-merge',
        method: 'task_arithmetic',
        base: 'base',
        sources: ['left', 'right'],
        parameters: { normalize: false, lambda: 1 },
        groups: [{ layers: 'all', coefficients: { left: { weight: 0.5 }, right: { weight: 0 } } }],
      }
      const evaluation = await scoreJob(worker, { label: 'half', recipe, split: 'search' })
      if (evaluation.status !== 'scored') throw new Error(evaluation.reason)
      // left - base: 0.9 and -0.1 on a diagonal, then -0.9, 0.1, 0.9, -0.1; the norm of the base is √2.46 too.
      const [changed, far, relative, modules] = evaluation.values.slice(2)
      expect(changed).toBe(6 / 8)
      expect(far).toBeCloseTo(Math.sqrt(2.46) / 2, 6)
      expect(relative).toBeCloseTo(0.5, 6)
      expect(modules).toBe(2)
      const part = [...worker.session.exampleCount('search')].map(() => ({ begin: 0, end: 0 }))
      part[0] = { begin: 0, end: 5 }
      const some = await scoreJob(worker, { label: 'half', recipe, split: 'search', ranges: part })
      expect(some.status === 'scored' && some.values.slice(2)).toEqual(evaluation.values.slice(2))
    } finally {
      await worker.session.close()
    }
  })

  it('are part of the digest, with the content of the base and not its place', async () => {
    const digest = async (text: string) => (await createEvaluator(reference(text))).digest
    const plain = await digest(EVALUATOR)
    const first = await digest(PROPERTIES)
    expect(first).not.toBe(plain)
    expect(await digest(PROPERTIES.replace('name: far', 'name: further'))).toBe(first)
    expect(await digest(PROPERTIES.replaceAll(BASE, '../models/../models/base.safetensors'))).toBe(first)
    expect(await digest(PROPERTIES.replaceAll(BASE, '../models/left.safetensors'))).not.toBe(first)
    const { inputs } = await createEvaluator(reference())
    expect(inputs[project.path('models', 'base.safetensors')]).toMatch(/^[0-9a-f]{64}$/)
  })

  it.each([
    ['{ property: relative_distance }', /properties\.0\.base/],
    [`{ property: distance, base: ${BASE} }`, /properties\.0\.reference/],
    ['{ property: expert_modules }', /properties\.0\.reference/],
    [`{ property: changed_parameters, base: ${BASE}, reference: 2 }`, /A share is at most 1/],
    ['{ property: bytes }', /properties\.0\.reference/],
    ['{ property: latency, reference: 1, repeats: 0 }', /properties\.0\.repeats/],
    ['{ property: size, reference: 1 }', /properties\.0/],
    ['{ property: expert_modules, reference: 4, base: x }', /base/],
  ])('refuses %s', (property, message) => {
    expect(thrownBy(() => reference(`${EVALUATOR}properties: [${property}]\n`))).toMatch(message)
  })

  it('refuses two objectives of one name, and a base that is not there or is another model', async () => {
    const make = (property: string) => createEvaluator(reference(`${EVALUATOR}properties: [${property}]\n`))
    expect(await rejectionOf(make('{ property: expert_modules, reference: 4, name: left }'))).toMatch(
      'Evaluator "sides" has two objectives named "left".',
    )
    expect(await rejectionOf(make('{ property: relative_distance, base: nowhere.safetensors }'))).toMatch(
      /nowhere\.safetensors/,
    )
    const other = join(project.folder, 'other.onnx')
    await writeFile(other, mlpGraph(randomModel(1, [2, 2]), [2, 2]))
    const evaluator = await make(`{ property: relative_distance, base: ${other} }`)
    const context = { workerIndex: 0, workers: 1, sources: [], others: [] }
    expect(
      await rejectionOf(evaluator.open({ ...context, dtypes: new Map([['layers.1.weight', 'F32' as const]]) })),
    ).toBe(`EvaluatorError: The base ${other} has no float tensor "layers.1.weight", which the candidates have.`)
    const session = await evaluator.open()
    const wrong = { tensors: new Map([['layers.0.weight', tensor([4], new Float32Array(4))]]) }
    expect(await rejectionOf(session.score(wrong, 'search'))).toBe(
      `EvaluatorError: Tensor "layers.0.weight" of the base ${other} has shape [2, 2], the candidate's has [4].`,
    )
    await session.close()
  })

  it('are refused with the place in the file, what was expected, and what was probably meant', () => {
    const path = project.write('evaluators/misspelt.yaml', PROPERTIES.replace('expert_modules', 'expert_module'))
    expect(thrownBy(() => loadEvaluatorFile(path))).toBe(
      `ConfigError: ${path}:17:17: properties[3].property: expected "changed_parameters" or "distance" or "relative_distance" or "expert_modules" or "bytes" or "latency", got "expert_module"; did you mean "expert_modules"?`,
    )
  })

  it('score single models on the command line', async () => {
    const { code, stdout, stderr } = await project.amalgam(
      'evaluate',
      'models/left.safetensors',
      '--evaluator',
      'evaluators/sides.yaml',
      '--json',
    )
    expect(stderr).toMatch(/^evaluator: weights .+\nevaluator: threads .+\n$/) // of the inner session, and nothing else
    expect(code).toBe(0)
    const { values } = JSON.parse(stdout)
    expect(values).toMatchObject({ left: 1, changed_parameters: 0.75, expert_modules: 2 })
    expect(values.relative_distance).toBeCloseTo(1, 6)
  })
})

const folders: string[] = []
afterAll(() => Promise.all(folders.map(folder => rm(folder, { recursive: true }))))

describeEvaluator('onnx with properties', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'amalgam-properties-'))
  folders.push(folder)
  const examples = rows(240, 2)
  const base = randomModel(77)
  await writeFile(join(folder, 'base.onnx'), mlpGraph(base))
  const document = {
    ...(await writeSmallEvaluator(folder, { data: csv(examples) })),
    objectives: [{ task: 'low', metric: 'negative_log_likelihood' }],
    properties: [
      { property: 'changed_parameters', base: 'base.onnx' },
      { property: 'relative_distance', base: 'base.onnx' },
      { property: 'bytes', base: 'base.onnx', reference: 1000 },
    ],
  }
  const zero = randomModel(0)
  for (const { data } of zero.tensors.values()) data.fill(0)
  const { tensors } = randomModel(11)
  const eighth = [...tensors].map(
    ([name, { shape, data }]) =>
      [
        name,
        tensor(
          shape,
          data.map(x => x / 8),
        ),
      ] as const,
  )
  return {
    create: () => createEvaluator(evaluatorReference(document, folder, 'small.yaml')),
    model: seed => randomModel(seed),
    means: [0],
    withoutExamples: [1, 2, 3],
    chance: { model: zero, values: () => [Math.log(3), 1, 1, 4 * (4 * 5 + 5 + 5 * 3 + 3)] },
    separating: { model: { tensors: new Map(eighth) }, objective: 0 },
  }
})
