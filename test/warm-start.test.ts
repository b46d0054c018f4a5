import { spawn } from 'node:child_process'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonValue } from '../src/candidate.ts'
import { loadSearchConfig } from '../src/config/load.ts'
import type { ConfigOverrides } from '../src/config/overrides.ts'
import { viewRun } from '../src/run-config.ts'
import { readRun } from '../src/runs/run-folder.ts'
import { createSearchSpace } from '../src/space/build-space.ts'
import { startOf, startOrigin } from '../src/start.ts'
import { toToldTrial } from '../src/told-trial.ts'
import { gatherStart, type Target } from '../src/warm-start.ts'
import { tableOf } from './helpers/fake-search.ts'
import { thrownBy } from './helpers/thrown.ts'
import { createTinyProject, SPACE, type TinyProject } from './helpers/tiny-project.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/amalgam.js', import.meta.url))

describe('a warm start', () => {
  let project: TinyProject
  const runFolder = (name: string): string => project.path('runs', name)

  beforeAll(async () => {
    project = createTinyProject()
    const first = await project.amalgam('search', 'space.yaml', '--strategy', 'random', '--budget', '30')
    expect(first.code, first.stderr).toBe(0)
    const shown = await project.amalgam('show', 'space-1', 'winner', '--recipe')
    project.write('winner.yaml', shown.stdout)
  })
  afterAll(() => project.remove())

  /** What a search over this file would begin with. */
  function gathered(
    text: string,
    overrides: ConfigOverrides = {},
    target: Partial<Target> = {},
  ): Record<string, JsonValue> {
    const config = loadSearchConfig(project.write('other.yaml', text), overrides)
    const run = readRun(runFolder('space-1'))
    const { manifest } = run
    const { tensors } = viewRun(run).config
    run.close()
    const space = createSearchSpace(config.genome, tensors, config.models, config.base)
    return gatherStart(config, { space, objectives: manifest.objectives, digests: manifest.digests, ...target })
  }
  const reader = (facts: Record<string, JsonValue>) => ({ folder: 'runs/new', fact: (name: string) => facts[name] })

  it('hands on the trials of a run exactly, in the order they were learned from', () => {
    const run = readRun(runFolder('space-1'))
    const trials = run.trials().map(trial => toToldTrial(trial, run.manifest.objectives))
    const { objectives } = run.manifest
    run.close()
    const facts = JSON.parse(JSON.stringify(gathered(`${SPACE}warm_start: runs/space-1\n`)))
    const { prior } = startOf(reader(facts), 4, objectives.length)
    expect(prior).toEqual(
      trials.map(({ id, genome, losses, exampleScores }) => ({
        id,
        genome,
        parents: [],
        memo: null,
        losses,
        exampleScores,
      })),
    )
    expect(startOrigin(reader(facts))).toEqual({ warmStart: { run: 'space-1', trials: 30, leftOut: 0 } })
  })

  it('takes objectives by name, and leaves out trials outside the new bounds', () => {
    const run = readRun(runFolder('space-1'))
    const [left, right] = run.manifest.objectives
    const inside = run.trials().filter(({ genome }) => genome.every(weight => weight <= 0.9))
    run.close()
    expect(inside.length).toBeGreaterThan(0)
    expect(inside.length).toBeLessThan(30)
    const text = SPACE.replace('layer_granularity: 1', 'layer_granularity: 1\n  weight: { min: 0, max: 0.9 }')
    const facts = gathered(`${text}warm_start: runs/space-1\n`, {}, { objectives: [right!] })
    const { prior } = startOf(reader(facts), 4, 1)
    expect(prior.map(({ id }) => id)).toEqual(inside.map(({ id }) => id))
    expect(prior[0]!.losses).toHaveLength(1)
    expect(left!.name).not.toBe(right!.name)
    expect(startOrigin(reader(facts)).warmStart?.leftOut).toBe(30 - inside.length)
  })

  it('refuses a run over other genes, other objectives, other models or another meaning of the genes', () => {
    const warm = `${SPACE}warm_start: runs/space-1\n`
    const refused = 'ConfigError: Run "space-1" cannot warm-start this search: '
    expect(thrownBy(() => gathered(warm.replace('granularity: 1', 'granularity: 2')))).toBe(
      `${refused}it has no gene "all/left/weight".`,
    )
    const other = { name: 'cost', direction: 'minimize', unit: 's', reference: 1 } as const
    expect(thrownBy(() => gathered(warm, {}, { objectives: [other] }))).toBe(
      `${refused}it has no objective "cost", only "left", "right_nll".`,
    )
    const turned = { ...other, name: 'left' }
    expect(thrownBy(() => gathered(warm, {}, { objectives: [turned] }))).toMatch(
      `${refused}its objective "left" is another one (maximize, `,
    )
    expect(thrownBy(() => gathered(warm, {}, { digests: { 'models/left.safetensors': '0'.repeat(64) } }))).toBe(
      `${refused}"models/left.safetensors" is not among its input files, or has changed.`,
    )
    expect(thrownBy(() => gathered(warm.replace('genome:', 'genome:\n  normalize: true')))).toBe(
      `${refused}the genes of its candidate 0 stand for another recipe in this space.`,
    )
    expect(
      thrownBy(() =>
        gathered(warm.replace('layer_granularity: 1', 'layer_granularity: 1\n  weight: { min: 4, max: 5 }')),
      ),
    ).toBe(`${refused}no trial lies inside the bounds of this space.`)
  })

  it('encodes known recipes, each once, and refuses one that does not fit', () => {
    const text = `${SPACE}guesses: [winner.yaml, runs/space-1:winner, space-1:3]\n`
    const run = readRun(runFolder('space-1'))
    const winner = JSON.parse(JSON.stringify(run.fact('winner'))).id
    const expected = [winner, 3].map(id => [...run.candidate(id)!.genome])
    run.close()
    // "space-1:3" is a name under runs/ of the working directory, which these tests do not have: a path does.
    const facts = gathered(text.replace('space-1:3', 'runs/space-1:3'))
    expect(startOf(reader(facts), 4, 2).guesses.map(genome => [...genome])).toEqual(expected)
    expect(startOrigin(reader(facts)).guesses).toEqual([project.path('winner.yaml'), `${runFolder('space-1')}:3`])
    const narrow = SPACE.replace('layer_granularity: 1', 'layer_granularity: 1\n  weight: { min: 4, max: 5 }')
    expect(thrownBy(() => gathered(`${narrow}guesses: [winner.yaml]\n`))).toMatch(
      /^ConfigError: The known recipe ".*winner.yaml" does not fit this search space: Expected a weight in \[4, 5\], got /,
    )
  })

  it('names what it cannot find, with its line', () => {
    expect(
      thrownBy(() => gathered(`${SPACE}warm_start: runs/space-9\nguesses: [winner.yml, runs/nothing:winner]\n`)),
    ).toBe(
      [
        `ConfigError: ${project.path('other.yaml')}:10:13: warm_start: There is no run "runs/space-9": neither a folder with run.sqlite nor a name under runs/. "amalgam runs" lists the runs there are.`,
        `${project.path('other.yaml')}:11:11: guesses[0]: found no recipe file "winner.yml": there is no "${project.path('winner.yml')}", and it is not of the form RUN:CANDIDATE`,
        `${project.path('other.yaml')}:11:23: guesses[1]: There is no run "runs/nothing": neither a folder with run.sqlite nor a name under runs/. "amalgam runs" lists the runs there are.`,
      ].join('\n'),
    )
  })

  it('is checked and shown by validate', async () => {
    project.write('warm.yaml', `${SPACE}warm_start: space-1\nguesses: [winner.yaml, 'space-1:3']\n`)
    const { code, stdout, stderr } = await project.amalgam('validate', 'warm.yaml')
    expect(code, stderr).toBe(0)
    expect(stdout).toContain('warm start  30 trials of space-1\n')
    expect(stdout).toContain(`guesses     ${project.path('winner.yaml')}, ${runFolder('space-1')}:3`)
  })

  it('is part of the run: killed and resumed without the files it began with, it ends as if nothing had happened', async () => {
    const args = ['--strategy', 'tpe', '--budget', '60', '--warm-start', 'space-1', '--guess', 'winner.yaml']
    const whole = await project.amalgam('search', 'space.yaml', '--run', 'runs/whole', ...args)
    expect(whole.code, whole.stderr).toBe(0)

    const child = spawn(process.execPath, [LAUNCHER, 'search', 'space.yaml', '--run', 'runs/killed', ...args], {
      cwd: project.folder,
      stdio: 'ignore',
    })
    const ended = new Promise(resolve => child.once('close', resolve))
    while (!existsSync(project.path('runs/killed/run.sqlite')) || told('killed') < 10) {
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    child.kill('SIGKILL')
    await ended
    expect(told('killed')).toBeLessThan(60)
    renameSync(runFolder('space-1'), project.path('elsewhere'))
    renameSync(project.path('winner.yaml'), project.path('elsewhere.yaml'))
    const resumed = await project.amalgam('resume', 'killed')
    renameSync(project.path('elsewhere'), runFolder('space-1'))
    renameSync(project.path('elsewhere.yaml'), project.path('winner.yaml'))
    expect(resumed.code, resumed.stderr).toBe(0)

    const [one, other] = [readRun(runFolder('whole')), readRun(runFolder('killed'))]
    expect(tableOf(other)).toEqual(tableOf(one))
    const guess = readRun(runFolder('space-1'))
    const winner = JSON.parse(JSON.stringify(guess.fact('winner'))).id
    expect(
      one
        .candidates()
        .slice(0, 2)
        .map(({ genome }) => genome),
    ).toContainEqual(guess.candidate(winner)!.genome)
    for (const run of [one, other, guess]) run.close()
    expect(readFileSync(project.path('runs/killed/report.md'), 'utf8')).toContain(
      'The search began with 30 trials of space-1 and 1 known recipe.',
    )

    function told(name: string): number {
      const run = readRun(runFolder(name))
      const count = run.events().reduce((sum, event) => sum + (event.type === 'told' ? event.ids.length : 0), 0)
      run.close()
      return count
    }
  })
})
