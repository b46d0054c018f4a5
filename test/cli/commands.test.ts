import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { STRATEGIES } from '../../src/strategies/registry.ts'
import { CommandSession } from '../helpers/command-session.ts'
import { createTinyProject, type TinyProject } from '../helpers/tiny-project.ts'

// The command contract, end to end: the built program, real files, real inference. Searches and what they resume have a process
// of their own; what only reads or rebuilds shares one.

const frontSchema = z.looseObject({
  run: z.string(),
  seed: z.number(),
  strategy: z.string(),
  evaluations: z.number(),
  objectives: z.array(z.strictObject({ name: z.string(), direction: z.enum(['minimize', 'maximize']) })),
  hypervolume: z.number(),
  candidates: z.array(
    z.looseObject({
      id: z.number(),
      genome: z.array(z.number()),
      values: z.record(z.string(), z.number()),
      select: z.record(z.string(), z.number()).optional(),
      holdout: z.record(z.string(), z.number()).optional(),
      recipe: z.looseObject({ kind: z.literal('parameter-merge') }),
    }),
  ),
  baselines: z.array(
    z.looseObject({
      name: z.string(),
      values: z.record(z.string(), z.number()),
      holdout: z.record(z.string(), z.number()).optional(),
    }),
  ),
  winner: z.looseObject({ id: z.number() }),
})

describe('the command line, end to end', () => {
  let project: TinyProject
  let session: CommandSession
  let front: z.infer<typeof frontSchema>

  beforeAll(async () => {
    project = createTinyProject()
    session = new CommandSession(project.folder)
    const search = await project.amalgam('search', 'space.yaml', '--json', '--workers', '2')
    expect(search.stderr).toContain('Run space-1: cma-es, 24 evaluations, seed 5, 8 slots')
    for (const option of ['weights', 'threads'])
      expect(search.stderr.split(`evaluator: ${option} `)).not.toHaveLength(1)
    expect(search.code).toBe(0)
    front = frontSchema.parse(JSON.parse(search.stdout))
  })
  afterAll(async () => {
    await session.close()
    project.remove()
  })

  it('search prints the front in the form that other tools rely on', () => {
    expect(front).toMatchObject({ run: 'space-1', seed: 5, strategy: 'cma-es', evaluations: 24 })
    expect(front.objectives).toEqual([
      { name: 'left', direction: 'maximize' },
      { name: 'right_nll', direction: 'minimize' },
    ])
    expect(front.candidates.length).toBeGreaterThan(0)
    for (const { genome, values } of front.candidates) {
      expect(genome).toHaveLength(4)
      expect(Object.keys(values)).toEqual(['left', 'right_nll'])
    }
    expect(front.baselines.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['base', 'left', 'right', 'uniform']),
    )
    expect(front.candidates.find(({ id }) => id === front.winner.id)?.holdout).toBeDefined()
  })

  it('front, show and runs read the same run, and "latest" finds it', async () => {
    const json = await session.amalgam('front', 'latest', '--json')
    expect(frontSchema.parse(JSON.parse(json.stdout))).toEqual(front)
    const csv = await session.amalgam('front', 'space-1', '--csv')
    expect(csv.stdout.trim().split('\n')).toHaveLength(front.candidates.length + 1)
    const table = await session.amalgam('front', project.path('runs', 'space-1'))
    expect(table.stdout).toContain('Run space-1')
    const shown = await session.amalgam('show', 'space-1', 'winner', '--json')
    expect(JSON.parse(shown.stdout)).toMatchObject({ id: front.winner.id })
    const whole = await session.amalgam('show', 'space-1')
    expect(whole.stdout).toContain('How candidates were scored, as decided on the machine:\nworkers 2. As asked, 2')
    expect(whole.stdout).toMatch(/^weights (inputs|initializers)\. /m)
    expect(whole.stdout).toMatch(/^threads \d+\. /m)
    const runs = await session.amalgam('runs', '--json')
    expect(JSON.parse(runs.stdout)).toMatchObject([{ id: 'space-1', state: 'finished', told: 24, budget: 24 }])
  })

  it('the report is written, offline and whole', () => {
    const html = readFileSync(project.path('runs/space-1/report.html'), 'utf8')
    expect(html).toMatch(/default-src (?:'|&#39;)none/)
    expect(html).toContain('</html>')
    expect(readFileSync(project.path('runs/space-1/report.md'), 'utf8')).toContain('space-1')
  })

  it('a merged model scores, from its file, exactly what the run recorded, on every split', async () => {
    const merged = await project.amalgam('merge', 'space-1:winner', '--out', 'merged/', '--json')
    expect(merged.code).toBe(0)
    expect(JSON.parse(merged.stdout).files).toEqual(
      ['model.safetensors', 'README.md'].map(name => project.path('merged', name)),
    )
    const winner = front.candidates.find(({ id }) => id === front.winner.id)!
    for (const [split, recorded] of Object.entries({
      search: winner.values,
      select: winner.select,
      holdout: winner.holdout,
    })) {
      const evaluated = await session.amalgam(
        'evaluate',
        'merged/',
        '--evaluator',
        'evaluators/sides.yaml',
        '--split',
        split,
        '--json',
      )
      expect(JSON.parse(evaluated.stdout).values).toEqual(recorded)
    }
    const again = await session.amalgam('evaluate', 'space-1:winner', '--split', 'holdout', '--json')
    expect(JSON.parse(again.stdout).values).toEqual(winner.holdout)
    expect(again.stderr).toMatch(/^evaluator: weights (inputs|initializers)\. .+\nevaluator: threads \d+\. .+\n$/)
  })

  it('a recipe on its own rebuilds the same bytes, and refuses other weights', async () => {
    const recipe = await session.amalgam('show', 'space-1', 'winner', '--recipe')
    project.write('recipe.yaml', recipe.stdout)
    expect((await session.amalgam('merge', 'recipe.yaml', '--out', 'again.safetensors')).code).toBe(0)
    await session.amalgam('merge', `space-1:${front.winner.id}`, '--out', 'first.safetensors')
    const bytes = (file: string): Buffer => readFileSync(project.path(file))
    expect(bytes('again.safetensors').equals(bytes('first.safetensors'))).toBe(true)
    const checkpoint = openCheckpoint(project.path('again.safetensors'))
    expect([...checkpoint.tensors.keys()].sort()).toEqual(['layers.0.weight', 'layers.1.weight'])
    checkpoint.close()

    project.write('other.yaml', recipe.stdout.replace(/[0-9a-f]{64}/, 'f'.repeat(64)))
    const refused = await session.amalgam('merge', 'other.yaml', '--out', 'no.safetensors')
    expect(refused.code).toBe(2)
    expect(refused.stderr).toMatch(/Model "\w+" is not the one this recipe was made with: expected SHA-256 f{64}/)
    expect(existsSync(project.path('no.safetensors'))).toBe(false)
  })

  it('the same seed gives the same front; more budget goes on from where the run stopped', async () => {
    const twin = await project.amalgam('search', 'space.yaml', '--json', '--workers', '1', '--run', 'twin')
    const twinFront = frontSchema.parse(JSON.parse(twin.stdout))
    expect(twinFront.candidates).toEqual(front.candidates)
    const more = await project.amalgam('resume', 'twin', '--budget', '40', '--json')
    expect(more.code).toBe(0)
    expect(frontSchema.parse(JSON.parse(more.stdout)).evaluations).toBe(40)
    const less = await project.amalgam('resume', 'twin', '--budget', '30')
    expect(less).toMatchObject({ code: 2 })
    expect(less.stderr).toContain('The budget can only be raised: the run has 40, got 30.')
  })

  it('sobol and random search the same space', async () => {
    for (const strategy of ['sobol', 'random']) {
      const result = await project.amalgam('search', 'space.yaml', '--strategy', strategy, '--budget', '8', '--json')
      expect(frontSchema.parse(JSON.parse(result.stdout))).toMatchObject({ strategy, evaluations: 8 })
    }
    expect(readdirSync(project.path('runs')).sort()).toEqual(['example-scores.sqlite', 'space-1', 'space-2', 'space-3'])
  })

  it('a mergekit configuration is merged as it is', async () => {
    const tiny = createTinyProject()
    const models = ['left', 'right'].map(
      name => `  - model: models/${name}.safetensors\n    parameters: {weight: 0.5}\n`,
    )
    tiny.write('config.yml', `merge_method: linear\nmodels:\n${models.join('')}dtype: float32\n`)
    const merged = await tiny.amalgam('merge', 'config.yml', '--out', 'merged', '--json')
    expect(merged.stderr).toBe('')
    expect(JSON.parse(merged.stdout).files[0]).toBe(tiny.path('merged', 'model.safetensors'))
    expect(readFileSync(tiny.path('merged', 'mergekit_config.yml'), 'utf8')).toContain('merge_method: linear')
    const idle = await tiny.amalgam('merge', 'space-1:0', '--out', 'x', '--seed', '3')
    expect(idle).toMatchObject({ code: 2 })
    expect(idle.stderr).toContain('--seed is for mergekit configurations')
    tiny.remove()
  })

  it('an unchanged mergekit-evolve file runs with an evaluator in place of its tasks', async () => {
    project.write(
      'evolve.yml',
      `genome:
  models:
    - models/left.safetensors
    - models/right.safetensors
  merge_method: task_arithmetic
  base_model: models/base.safetensors
  layer_granularity: 1
  allow_negative_weights: true
tasks:
  - name: some_task_train
    weight: 1.0
    metric: "acc,none"
limit: 100
`,
    )
    const refused = await project.amalgam('search', 'evolve.yml')
    expect(refused.code).toBe(2)
    expect(refused.stderr).toMatch(/evolve\.yml:9:\d+: tasks/)
    const accepted = await project.amalgam(
      'search',
      'evolve.yml',
      '--evaluator',
      'evaluators/sides.yaml',
      '--budget',
      '6',
      '--json',
    )
    expect(accepted.stderr).toContain('note: ')
    expect(accepted.code).toBe(0)
  })

  it('validate says what a file means without reading weights', async () => {
    const result = await project.amalgam('validate', 'space.yaml')
    expect(result).toMatchObject({ code: 0, stderr: '' })
    expect(result.stdout).toContain('genes       4')
  })

  it('strategies lists every strategy, and the options of one with their defaults', async () => {
    const listed = await session.amalgam('strategies')
    expect(listed).toMatchObject({ code: 0, stderr: '' })
    for (const { kind, summary } of Object.values(STRATEGIES)) {
      expect(listed.stdout).toMatch(new RegExp(`^${kind} `, 'm'))
      expect(listed.stdout.replaceAll(/\s+/g, ' ')).toContain(summary)
    }
    const grid = await session.amalgam('strategies', 'grid')
    expect(grid.stdout).toContain('\npoints: "auto"\n  Values per gene, both ends included')
    const json = await session.amalgam('strategies', 'grid', '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ v: 1, strategies: [{ kind: 'grid', options: { points: {} } }] })
    expect(await session.amalgam('strategies', 'gird')).toMatchObject({
      code: 2,
      stderr: 'error: Unknown strategy "gird".\n  Did you mean "grid"?\n',
    })
  })
})
