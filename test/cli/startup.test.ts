import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTinyProject, type TinyProject } from '../helpers/tiny-project.ts'

// Commands that read answer quickly because they load nothing that they do not use. What they load is counted, not how long it takes.

const LAUNCHER = fileURLToPath(new URL('../../bin/amalgam.js', import.meta.url))
const HOOK = new URL('../helpers/loaded-modules.mjs', import.meta.url).href

/** Libraries of merging, of scoring and of files that people write, for which a command that reads has no use. */
const LIBRARIES = [
  /\/node_modules\/(onnxruntime-node|onnxruntime-common|sharp|piscina|ml-matrix)\//,
  /\/node_modules\/(hyparquet|hyparquet-compressors|csv-parse|@huggingface|yaml)\//,
]
/** Code of ours that works on models or proposes candidates, rather than read what was recorded. */
const WORKING = [
  /\/node_modules\/@bufbuild\//,
  /\/dist\/strategies\/(registry|.*\/(search|gp|map|tpe|forest|auto|cma-es|m2n2|grid|nsga2))\.js$/,
  /\/dist\/evaluation\/.*(create|plan|session)\.js$/,
  /\/dist\/(launch|search|executors\/.*|merge\/(fast|stream|kernel)\/.*)\.js$/,
]

let project: TinyProject

beforeAll(async () => {
  project = createTinyProject()
  const search = await project.amalgam('search', 'space.yaml', '--budget', '9', '--run', 'good')
  expect(search.code).toBe(0)
})
afterAll(() => project.remove())

/** Everything that a command loads, as paths with forward slashes. */
function loadedBy(...args: string[]): string[] {
  const list = join(project.folder, 'loaded.txt')
  rmSync(list, { force: true })
  const { status, stderr } = spawnSync(process.execPath, ['--import', HOOK, LAUNCHER, ...args], {
    cwd: project.folder,
    encoding: 'utf8',
    env: { ...process.env, LOADED_MODULES: list, NO_COLOR: '1' },
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  const loaded = readFileSync(list, 'utf8').replaceAll('\\', '/').trim().split('\n')
  expect(loaded.some(file => file.endsWith('/dist/cli/main.js'))).toBe(true)
  return loaded
}

describe('a command that reads', () => {
  it.each([
    [['front', 'good']],
    [['front', 'good', '--json']],
    [['front', 'good', '--csv']],
    [['report', 'good']],
    [['show', 'good']],
    [['show', 'good', 'winner']],
    [['runs']],
    [['strategies', 'cma-es']],
  ])('%j loads nothing that merges, scores or searches', args => {
    const unwanted = [...LIBRARIES, ...WORKING]
    expect(loadedBy(...args).filter(file => unwanted.some(pattern => pattern.test(file)))).toEqual([])
  })

  it('inspects headers without the libraries of merging and scoring', () => {
    const loaded = loadedBy('inspect', '--headers', 'models/left.safetensors')
    expect(loaded.filter(file => LIBRARIES.some(pattern => pattern.test(file)))).toEqual([])
  })

  it('opens the run’s database, which the count would show', () => {
    expect(loadedBy('front', 'good').some(file => /\/node_modules\/@libsql\/.*\.node$/.test(file))).toBe(true)
  })

  it.each([[['--help']], [['--version']], [['front', '--help']]])('%j loads the command line alone', args => {
    const own = loadedBy(...args).filter(file => !file.includes('/node_modules/commander/'))
    const [modules] = [
      own.filter(file => /\/(dist|node_modules)\//.test(file)).map(file => file.replace(/.*\/dist\//, '')),
    ]
    expect(modules.sort()).toEqual(['cli/main.js', 'errors.js', 'version.js'])
  })
})
