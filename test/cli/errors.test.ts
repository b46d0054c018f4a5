import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRun } from '../../src/runs/run-folder.ts'
import { CommandSession } from '../helpers/command-session.ts'
import { type CommandResult, createTinyProject, EVALUATOR, SPACE, type TinyProject } from '../helpers/tiny-project.ts'

// The obvious mistakes, made as a person makes them: each ends with its exit code and a sentence that names the thing, what was
// required, what was found and what to do; none leaves a run behind or loses one.

let project: TinyProject
let session: CommandSession

beforeAll(async () => {
  project = createTinyProject()
  session = new CommandSession(project.folder)
  const search = await project.amalgam('search', 'space.yaml', '--budget', '9', '--run', 'good')
  expect(search.code).toBe(0)
})
afterAll(async () => {
  await session.close()
  project.remove()
})

/** Most mistakes are made in one process, which saves loading the program for each; some in a process of their own, for its exit. */
async function refused(code: number, message: RegExp, ...args: string[]): Promise<void> {
  isRefusal(await session.amalgam(...args), code, message)
}

function isRefusal(result: CommandResult, code: number, message: RegExp): void {
  expect(result.stderr).toMatch(message)
  expect(result.stderr).not.toMatch(/\n\s+at /) // no stack: this is expected, not a bug
  expect(result.stdout).toBe('')
  expect(result.code).toBe(code)
}

describe('usage', () => {
  it.each([
    [['serach'], /unknown command 'serach'[\s\S]*Did you mean search\?/],
    [['search'], /missing required argument 'space\.yaml'/],
    [['search', 'space.yaml', '--bugdet', '3'], /unknown option '--bugdet'[\s\S]*--budget/],
    [['search', 'space.yaml', '--budget', '0'], /--budget takes a whole number of at least 1, got "0"/],
    [['search', 'space.yaml', '--seed', '1.5'], /--seed takes a whole number .* got "1\.5"/],
    [['merge', 'good:winner'], /required option '--out <path>'/],
    [
      ['evaluate', 'good:winner', '--split', 'holdot'],
      /--split takes search, select, holdout, got "holdot"[\s\S]*holdout/,
    ],
    [['evaluate', 'models/left.safetensors'], /Nothing says how to score[\s\S]*--evaluator/],
    [
      ['merge', 'nowhere.yaml', '--out', 'x'],
      /There is no "nowhere\.yaml": expected a recipe file or <run>:<candidate>/,
    ],
    [['show', 'good', '99'], /There is no candidate "99": the run has candidates 0 to 8/],
    [['show', 'good', '--recipe'], /--recipe needs a candidate/],
  ])('%j exits with 2', async (args, message) => {
    await refused(2, message, ...args)
  })

  it('the process of a command that is refused exits with its code', async () => {
    isRefusal(await project.amalgam('serach'), 2, /unknown command 'serach'/)
    isRefusal(await project.amalgam('show', 'good', '99'), 2, /There is no candidate "99"/)
  })
})

describe('files', () => {
  const broken: readonly [what: string, edit: (p: TinyProject) => string, message: RegExp][] = [
    ['a missing search file', () => 'nowhere.yaml', /nowhere\.yaml: no such file[\s\S]*Looked for/],
    [
      'a missing model',
      p => p.write('a.yaml', SPACE.replace('models/right', 'models/wrong')),
      /a\.yaml:4:\d+: genome\.models\[1\].*wrong\.safetensors/,
    ],
    ['an unknown key', p => p.write('b.yaml', `${SPACE}bugdet: 3\n`), /b\.yaml:10:1: .*bugdet.*did you mean "budget"/i],
    [
      'a wrong type',
      p => p.write('c.yaml', SPACE.replace('budget: 24', 'budget: many')),
      /c\.yaml:8:9: budget: .*"many"/,
    ],
    [
      'an unknown strategy',
      p => p.write('d.yaml', SPACE.replace('cma-es', 'cma-se')),
      /d\.yaml:7:\d+: strategy.*"cma-se".*cma-es/,
    ],
    [
      'a filter that fits no tensor',
      p => p.write('e.yaml', SPACE.replace('layer_granularity: 1', 'layer_granularity: 1\n  filters: [wieght]')),
      /wieght/,
    ],
    [
      'a duplicate objective',
      p => {
        p.write('evaluators/twice.yaml', EVALUATOR.replace('name: right_nll', 'name: left'))
        return p.write('f.yaml', SPACE.replace('sides.yaml', 'twice.yaml'))
      },
      /"left"/,
    ],
    [
      'a truncated model',
      p => {
        writeFileSync(p.path('models/short.safetensors'), readFileSync(p.path('models/left.safetensors')))
        truncateSync(p.path('models/short.safetensors'), 200)
        return p.write('g.yaml', SPACE.replace('models/left', 'models/short'))
      },
      /short\.safetensors/,
    ],
    [
      'a model whose header claims more than the file holds',
      p => {
        const bytes = Buffer.from(readFileSync(p.path('models/left.safetensors')))
        bytes.writeBigUInt64LE(2n ** 60n, 0)
        p.write('models/hostile.safetensors', bytes)
        return p.write('h.yaml', SPACE.replace('models/left', 'models/hostile'))
      },
      /hostile\.safetensors.*header/i,
    ],
    ['a YAML bomb', p => p.write('i.yaml', `${'['.repeat(100_000)}`), /i\.yaml/],
  ]
  it.each(broken)('%s exits with 2 and names it', async (_what, edit, message) => {
    const file = edit(project)
    await refused(2, message, 'search', file, '--run', 'never')
    await refused(3, /There is no run "never"/, 'front', 'never')
  })

  it('experts of another shape or dtype exit with 2, both sides named', async () => {
    const { writeSafetensors } = await import('../../src/formats/write-file.ts')
    const save = (name: string, dtype: 'F32' | 'F64', rows: number): void =>
      writeSafetensors(project.path('models', name), [
        ['layers.0.weight', { dtype, shape: [2, 2], data: new Uint8Array(dtype === 'F32' ? 16 : 32) }],
        ['layers.1.weight', { dtype: 'F32', shape: [rows, 2], data: new Uint8Array(rows * 8) }],
      ])
    save('tall.safetensors', 'F32', 3)
    save('double.safetensors', 'F64', 2)
    project.write('j.yaml', SPACE.replace('models/right', 'models/tall'))
    await refused(2, /layers\.1\.weight.*\[2, 2\].*\[3, 2\]/, 'search', 'j.yaml', '--run', 'never')
    project.write('k.yaml', SPACE.replace('models/right', 'models/double'))
    await refused(2, /layers\.0\.weight.*F32.*F64/, 'search', 'k.yaml', '--run', 'never')
  })
})

describe('runs', () => {
  it('an unknown run exits with 3 and suggests the nearest', async () => {
    await refused(3, /There is no run "latest"|There is no run under runs/, 'front', 'latest')
    isRefusal(await project.amalgam('resume', 'godo'), 3, /There is no run "godo"/)
  })

  it('a folder that already holds a run is not overwritten', async () => {
    await refused(3, /already holds a run[\s\S]*amalgam resume/, 'search', 'space.yaml', '--run', 'good')
  })

  it('a locked run exits with 75 and names the holder; reading it works meanwhile', async () => {
    const run = openRun(project.path('good'))
    try {
      const locked = await project.amalgam('resume', 'good')
      isRefusal(locked, 75, new RegExp(`process ${process.pid}|pid ${process.pid}`))
      expect((await session.amalgam('front', 'good', '--json')).code).toBe(0)
    } finally {
      run.close()
    }
  })

  it('a damaged or foreign run exits with 3', async () => {
    mkdirSync(project.path('noise'))
    project.write('noise/run.sqlite', 'this is no database'.repeat(100))
    await refused(3, /noise/, 'front', 'noise')
    mkdirSync(project.path('cut'))
    const whole = readFileSync(project.path('good/run.sqlite'))
    project.write('cut/run.sqlite', whole.subarray(0, whole.length >> 1))
    await refused(3, /cut/, 'resume', 'cut')
  })

  it('a run of a newer format exits with 3 and says so', async () => {
    mkdirSync(project.path('newer'))
    const bytes = Buffer.from(readFileSync(project.path('good/run.sqlite')))
    bytes.writeUInt32BE(99, 60) // user_version
    project.write('newer/run.sqlite', bytes)
    await refused(3, /newer/i, 'front', 'newer')
  })

  it('changed weights stop a resume with 3, and the results stay readable', async () => {
    const model = project.path('models/left.safetensors')
    const original = readFileSync(model)
    const changed = Buffer.from(original)
    changed[changed.length - 1]! ^= 1
    writeFileSync(model, changed)
    try {
      await refused(
        3,
        /left\.safetensors" is not the file this run was started with/,
        'resume',
        'good',
        '--budget',
        '12',
      )
    } finally {
      writeFileSync(model, original)
    }
    expect(JSON.parse((await session.amalgam('front', 'good', '--json')).stdout).evaluations).toBe(9)
    expect((await project.amalgam('resume', 'good', '--budget', '12')).code).toBe(0)
  })

  it('missing weights stop a resume with 2 and lose nothing', async () => {
    rmSync(project.path('models/right.safetensors'))
    await refused(2, /right\.safetensors/, 'resume', 'good', '--budget', '14')
    expect((await session.amalgam('front', 'good', '--json')).code).toBe(0)
  })
})
