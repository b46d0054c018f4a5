// How fast the command line answers: milliseconds from start to end of a process, the median and the fastest, and how many modules it loads.
// Usage: npm run build && node bench/cli/startup.mjs [repeats] [run], a run of the demo ("npm run demo"); default: 9 latest
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [repeats = '9', run = 'latest'] = process.argv.slice(2)
const root = fileURLToPath(new URL('../..', import.meta.url))
const hook = new URL('../../test/helpers/loaded-modules.mjs', import.meta.url).href
const folder = mkdtempSync(join(tmpdir(), 'amalgam-startup-'))
const commands = [
  ['--version'],
  ['--help'],
  ['runs'],
  ['front', run],
  ['front', run, '--json'],
  ['show', run],
  ['report', run],
  ['strategies'],
  ['inspect', '--headers', 'examples/digits/base.safetensors'],
  ['validate', 'search-spaces/digits.yaml'],
]

function node(args, env = {}) {
  const start = performance.now()
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  const elapsed = performance.now() - start
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}: ${stderr}`)
  return elapsed
}

function loadedModules(args) {
  const list = join(folder, 'loaded.txt')
  rmSync(list, { force: true })
  node(['--import', hook, ...args], { LOADED_MODULES: list })
  const files = readFileSync(list, 'utf8').trim().split('\n')
  return new Set(files.map(file => file.replace(/^file:\/\//, ''))).size
}

function row(label, args, modules) {
  node(args) // the files are in memory from here on
  const times = Array.from({ length: Number(repeats) }, () => node(args)).sort((a, b) => a - b)
  const [median, fastest] = [times[times.length >> 1], times[0]].map(ms => ms.toFixed(0).padStart(6))
  console.log(`${label.padEnd(56)}${median}   ${fastest}   ${String(modules).padStart(7)}`)
}

console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0].model}, ${repeats} repeats; milliseconds`)
console.log(`${''.padEnd(56)}median  fastest   modules`)
row('node alone', ['--eval', '0'], '')
try {
  for (const args of commands) {
    const all = ['bin/amalgam.js', ...args]
    row(`amalgam ${args.join(' ')}`, all, loadedModules(all))
  }
  row('node alone, again: was the machine quiet?', ['--eval', '0'], '')
} finally {
  rmSync(folder, { recursive: true })
}
