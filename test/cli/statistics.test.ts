import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Matrix, solve } from 'ml-matrix'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import { recipeFileSchema } from '../../src/space/recipe-file.ts'
import { createTinyProject, type TinyProject } from '../helpers/tiny-project.ts'
import { gen, type Model, tensor } from '../merge/fixture.ts'

// Statistics from files, end to end: the built program merges and searches by Fisher information and Gram matrices.

const SPACE = `genome:
  merge_method: [fisher, regmean]
  models:
    - { path: models/left.safetensors, statistics: statistics/left.safetensors }
    - { path: models/right.safetensors, statistics: statistics/right.safetensors }
  layer_granularity: 1
  weight: { min: 0.1, max: 1 }
  parameters:
    delta: { min: 1.0e-8, max: 1.0e-2, scale: log }
    a: { min: 0, max: 1 }
    ridge: { min: 1.0e-8, max: 1.0e-2, scale: log }
evaluator: evaluators/sides.yaml
strategy: random
budget: 12
seed: 5
`

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

function floats(path: string, name: string): number[] {
  const checkpoint = openCheckpoint(path)
  const values = [...new Float32Array(checkpoint.read(name).buffer)]
  checkpoint.close()
  return values
}

let project: TinyProject
beforeAll(() => {
  project = createTinyProject()
  mkdirSync(project.path('statistics'))
  // Each model has seen more of the input that it answers for.
  for (const [id, a, b] of [
    ['left', 4, 0.1],
    ['right', 0.1, 4],
  ] as const) {
    const layers = ['layers.0.weight', 'layers.1.weight']
    writeSafetensors(
      project.path('statistics', `${id}.safetensors`),
      layers.flatMap(name => [
        [name, tensor([a, b, a, b], [2, 2])] as const,
        [`${name}.gram`, tensor([a, 0.05, 0.05, b], [2, 2])] as const,
      ]),
    )
  }
})
afterAll(() => project.remove())

describe('amalgam merge of a configuration', () => {
  // Two least-squares fits of y = W x to examples of their own; RegMean knows the one to all examples from Gram matrices alone.
  const tasks = [12, 18].map((rows, k) => {
    const X = Matrix.from1DArray(rows, 4, gen(300 + k, rows * 4))
    const Y = Matrix.from1DArray(rows, 3, gen(400 + k, rows * 3))
    return { X, Y, W: solve(X, Y).transpose(), G: X.transpose().mmul(X) }
  })
  const save = (folder: string, file: string, tensors: Model) => {
    mkdirSync(project.path('fits', folder), { recursive: true })
    writeSafetensors(project.path('fits', folder, file), Object.entries(tensors))
  }
  const config = (change: object = {}) =>
    stringify({
      merge_method: 'regmean',
      models: [
        { model: 'one', statistics: 'one/statistics.safetensors' },
        { model: 'two', statistics: 'two/statistics.safetensors' },
      ],
      parameters: { a: 1, ridge: 0 },
      ...change,
    })

  beforeAll(() => {
    for (const [k, { W, G }] of tasks.entries()) {
      const name = ['one', 'two'][k]!
      save(name, 'model.safetensors', { 'layers.0.weight': tensor(W.to1DArray(), [3, 4]), bias: tensor([k, 1, 2]) })
      save(name, 'statistics.safetensors', {
        'layers.0.weight.gram': tensor(G.to1DArray(), [4, 4]),
        // Fisher information of a linear regression is the same for every output: the energy of its input.
        'layers.0.weight': tensor(
          [0, 1, 2].flatMap(() => G.diagonal()),
          [3, 4],
        ),
        bias: tensor([1, 1, 1]),
      })
    }
    writeFileSync(project.path('fits', 'regmean.yml'), config())
  })

  it('is the least-squares fit to the examples of both models, and says of which files it was made', async () => {
    const { code, stderr } = await project.amalgam('merge', 'fits/regmean.yml', '--out', 'joint')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const [X, Y] = (['X', 'Y'] as const).map(of => new Matrix(tasks.flatMap(task => task[of].to2DArray())))
    const joint = solve(X!, Y!).transpose().to1DArray()
    const found = floats(project.path('joint'), 'layers.0.weight')
    for (const [i, value] of joint.entries()) expect(found[i]!).toBeCloseTo(value, 4)
    const card = readFileSync(project.path('joint', 'README.md'), 'utf8')
    for (const name of ['one', 'two']) {
      expect(card).toContain(sha256(project.path('fits', name, 'statistics.safetensors')))
      expect(card).toContain(sha256(project.path('fits', name, 'model.safetensors')))
      expect(card).toContain(`statistics: ${name}/statistics.safetensors`)
    }
  })

  it('averages by Fisher information, where a slice may name the file', async () => {
    const source = (model: string) => ({ model, layer_range: [0, 1], statistics: `${model}/statistics.safetensors` })
    const slices = { slices: [{ sources: [source('one'), source('two')] }], models: undefined }
    writeFileSync(project.path('fits', 'fisher.yml'), config({ merge_method: 'fisher', parameters: {}, ...slices }))
    expect((await project.amalgam('merge', 'fits/fisher.yml', '--out', 'averaged')).code).toBe(0)
    const found = floats(project.path('averaged'), 'layers.0.weight')
    const [one, two] = tasks.map(({ W, G }) => ({ W: W.to1DArray(), F: G.diagonal() }))
    for (const [i, value] of found.entries()) {
      const [f, h] = [one!.F[i % 4]!, two!.F[i % 4]!]
      expect(value).toBeCloseTo((f * one!.W[i]! + h * two!.W[i]!) / (f + h), 4)
    }
    expect(floats(project.path('averaged'), 'bias')).toEqual([0.5, 1, 2])
  })

  it.each([
    [{ models: [{ model: 'one' }, { model: 'two' }] }, 'source "one" names no file with statistics'],
    [{ merge_method: 'linear', parameters: {} }, 'linear merges without statistics, and "one" names'],
    [
      { models: [{ model: 'one', statistics: 'three.safetensors' }, { model: 'two' }] },
      'There are no statistics "three.safetensors" of "one"',
    ],
  ])('%j is refused', async (change, message) => {
    writeFileSync(project.path('fits', 'bad.yml'), config(change))
    const { code, stderr } = await project.amalgam('merge', 'fits/bad.yml', '--out', 'bad')
    expect(code).not.toBe(0)
    expect(stderr).toContain(message)
  })

  it('as a recipe gives the same, from the same files only', async () => {
    const model = (name: string) => ({
      path: `${name}/model.safetensors`,
      statistics: `${name}/statistics.safetensors`,
      sha256: Object.fromEntries(
        ['model', 'statistics'].map(file => [file, sha256(project.path('fits', name, `${file}.safetensors`))]),
      ),
    })
    const recipe = {
      ...{ kind: 'parameter-merge', method: 'regmean', sources: ['one', 'two'], parameters: { a: 1, ridge: 0 } },
      groups: [{ layers: 'all', coefficients: { one: {}, two: {} } }],
    }
    const file = { format: 1, models: { one: model('one'), two: model('two') }, recipe }
    writeFileSync(project.path('fits', 'recipe.yaml'), stringify(file))
    expect((await project.amalgam('merge', 'fits/recipe.yaml', '--out', 'again.safetensors', '--compare')).code).toBe(0)
    expect(floats(project.path('again.safetensors'), 'layers.0.weight')).toEqual(
      floats(project.path('joint'), 'layers.0.weight'),
    )
    const exported = await project.amalgam('export', 'fits/recipe.yaml')
    expect(exported.code).not.toBe(0)

    const other = {
      ...file,
      models: { ...file.models, two: { ...model('two'), statistics: 'one/statistics.safetensors' } },
    }
    writeFileSync(project.path('fits', 'recipe.yaml'), stringify(other))
    const { code, stderr } = await project.amalgam('merge', 'fits/recipe.yaml', '--out', 'other.safetensors')
    expect(code).not.toBe(0)
    expect(stderr).toContain('Model "two" is not the one this recipe was made with')

    writeFileSync(
      project.path('fits', 'recipe.yaml'),
      stringify({ ...file, recipe: { ...recipe, method: 'karcher', parameters: {} } }),
    )
    const idle = await project.amalgam('merge', 'fits/recipe.yaml', '--out', 'other.safetensors')
    expect(idle.stderr).toContain('Model "one" names statistics, and karcher merges without any.')
  })
})

const resultSchema = z.looseObject({ evaluations: z.number(), failed: z.number() })

describe('a search by Fisher information and Gram matrices', () => {
  beforeAll(async () => {
    project.write('statistics.yaml', SPACE)
    const options = ['--run', 'run', '--workers', '2', '--json', '--no-cache']
    const { stdout, stderr } = await project.amalgam('search', 'statistics.yaml', ...options)
    expect(stderr).not.toContain('failed')
    expect(resultSchema.parse(JSON.parse(stdout))).toMatchObject({ evaluations: 12, failed: 0 })
  })

  it('has both as genes, and validate says which files are used', async () => {
    const { stdout } = await project.amalgam('validate', 'statistics.yaml')
    expect(stdout).toContain('  method      fisher, regmean of left, right')
    expect(stdout).toContain(`  statistics  left: ${project.path('statistics', 'left.safetensors')}`)
    const front = JSON.parse((await project.amalgam('front', 'run', '--json')).stdout)
    expect(front.baselines.map(({ name }: { name: string }) => name)).toContain('uniform')
  })

  it('writes each candidate’s files into its recipe, which makes the model that was scored', async () => {
    const yaml = (await project.amalgam('show', 'run', 'winner', '--recipe')).stdout
    const file = recipeFileSchema.parse(parse(yaml))
    for (const id of ['left', 'right']) {
      const path = project.path('statistics', `${id}.safetensors`)
      expect(file.models[id]).toMatchObject({ statistics: path, sha256: { [path]: sha256(path) } })
    }
    project.write('winner.yaml', yaml)
    const made = await project.amalgam('merge', 'winner.yaml', '--out', 'winner', '--compare')
    expect(made.code).toBe(0)
    expect(made.stdout).toContain('Equal, bit for bit in float32, to the merge as a search scores it.')
    expect(readFileSync(project.path('winner', 'README.md'), 'utf8')).toContain('statistics: left.safetensors')
    const evaluate = async (what: string) => {
      const options = ['--evaluator', 'evaluators/sides.yaml', '--split', 'holdout', '--json']
      return JSON.parse((await project.amalgam('evaluate', what, ...options)).stdout).values
    }
    expect(await evaluate('winner')).toEqual(await evaluate('run:winner'))
  })

  it('is refused to be resumed with other statistics, and to begin without', async () => {
    const path = project.path('statistics', 'left.safetensors')
    const before = readFileSync(path)
    const changed = Buffer.from(before)
    changed.writeUInt8(changed.at(-1)! ^ 1, changed.length - 1)
    writeFileSync(path, changed)
    const resumed = await project.amalgam('resume', 'run', '--budget', '14')
    expect(resumed.code).toBe(3)
    expect(resumed.stderr).toContain(`${path}" is not the file this run was started with: expected SHA-256`)
    writeFileSync(path, before)
    expect((await project.amalgam('resume', 'run', '--budget', '14', '--json')).code).toBe(0)

    writeSafetensors(path, [['layers.0.weight', tensor([1, 1, 1, 1], [2, 2])]])
    const started = await project.amalgam('validate', 'statistics.yaml')
    expect(started.code).not.toBe(0)
    expect(started.stderr).toContain('fisher needs the Fisher information of tensor "layers.1.weight" of source "left"')
    writeFileSync(path, before)
  })
})
