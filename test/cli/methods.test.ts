import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createTinyProject, type TinyProject } from '../helpers/tiny-project.ts'

// Methods, their parameters and which models take part as genes, end to end: the built program, real files, real inference.

const SPACE = `genome:
  merge_method: { choices: [linear, ties, dare_ties, karcher], per: group }
  base_model: models/base.safetensors
  models: [models/left.safetensors, models/right.safetensors]
  layer_granularity: 1
  density: { min: 0.5, max: 1 }
  subset: true
  parameters:
    lambda: { min: 0.5, max: 1.5, per: model }
    flavor: mergekit
    rescale: { choices: [true, false], per: model }
    max_iter: { min: 1, max: 10 }
evaluator: evaluators/sides.yaml
budget: 16
seed: 5
`

const resultSchema = z.looseObject({
  evaluations: z.number(),
  failed: z.number(),
})

describe('a search over methods', () => {
  let project: TinyProject
  beforeAll(() => {
    project = createTinyProject()
    project.write('methods.yaml', SPACE)
  })
  afterAll(() => project.remove())

  it.each(['random', 'forest', 'cma-es'])('%s runs, and goes on where it stopped', async strategy => {
    const started = await project.amalgam(
      ...['search', 'methods.yaml', '--strategy', strategy, '--run', strategy, '--workers', '1', '--json'],
    )
    const first = resultSchema.parse(JSON.parse(started.stdout))
    expect(first.evaluations).toBe(16)
    const resumed = await project.amalgam('resume', strategy, '--budget', '24', '--json')
    const second = resultSchema.parse(JSON.parse(resumed.stdout))
    expect(second.evaluations).toBe(24)
    expect(second.failed).toBeGreaterThanOrEqual(first.failed)
    expect(second.failed).toBeLessThan(12)
  })

  it('validate names the methods to choose from', async () => {
    const { stdout } = await project.amalgam('validate', 'methods.yaml')
    expect(stdout).toContain(
      '  method      linear, ties, dare_ties, karcher (per layer group) of left, right, base base',
    )
  })

  it('what is written from a winner scores as the winner did', async () => {
    expect((await project.amalgam('merge', 'random:winner', '--out', 'winner.safetensors')).code).toBe(0)
    const evaluate = async (what: string) => {
      const options = ['--evaluator', 'evaluators/sides.yaml', '--split', 'holdout', '--json']
      return JSON.parse((await project.amalgam('evaluate', what, ...options)).stdout).values
    }
    expect(await evaluate('winner.safetensors')).toEqual(await evaluate('random:winner'))
  })
})
