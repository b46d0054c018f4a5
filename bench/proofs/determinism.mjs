// Same config and seed twice; 1 and 2 workers with the same slots; the worker host killed with SIGKILL twenty times: one table.
//   node bench/proofs/determinism.mjs
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createRng } from '../../dist/rng.js'
import { digest, trialTable } from './table.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'amalgam-determinism-'))
const rng = createRng(3)

/** Runs a search; `hostKills` > 0: kills its worker host that many times, at random moments while it lives. */
async function table(name, args, hostKills = 0) {
  const target = join(folder, name)
  const child = spawn(
    process.execPath,
    [
      'bin/amalgam.js',
      'search',
      'search-spaces/digits.yaml',
      '--budget',
      '300',
      '--seed',
      '7',
      '--no-progress',
      '--run',
      target,
      ...args,
    ],
    { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let text = ''
  child.stderr.on('data', data => {
    text += data
  })
  let done = false
  const closed = new Promise(resolve =>
    child.on('close', code => {
      done = true
      resolve(code)
    }),
  )
  let kills = 0
  let last
  while (!done && kills < hostKills) {
    await new Promise(resolve => setTimeout(resolve, 5))
    if (!existsSync(join(target, 'run.sqlite'))) continue // the search has not begun
    const host = childrenOf(child.pid).find(pid => pid !== last)
    if (host === undefined) continue
    // From before it is ready to well into its work.
    await new Promise(resolve => setTimeout(resolve, 100 + rng.uniform() * 900))
    try {
      process.kill(host, 'SIGKILL')
      kills++
    } catch {} // the run has ended
    last = host
  }
  const code = await closed
  if (code !== 0) throw new Error(`${name}: exit code ${code}\n${text}`)
  if (hostKills > 0) console.log(`${name}: ${kills} kills`)
  return trialTable(target)
}

/** Direct children of a process, from /proc (Linux). */
function childrenOf(pid) {
  return readdirSync('/proc')
    .filter(entry => /^\d+$/.test(entry))
    .filter(entry => {
      try {
        return readFileSync(`/proc/${entry}/stat`, 'utf8').split(') ')[1].split(' ')[1] === String(pid)
      } catch {
        return false
      }
    })
    .map(Number)
}

try {
  const tables = {
    first: await table('first', []),
    second: await table('second', []),
    'one worker': await table('one', ['--workers', '1']),
    'two workers': await table('two', ['--workers', '2']),
    'host killed': await table('killed', [], 20),
  }
  for (const [name, text] of Object.entries(tables))
    console.log(`${name.padEnd(12)} ${digest(text)}  ${text.split('\n').length} rows`)
  const same = new Set(Object.values(tables)).size === 1
  console.log(same ? 'identical' : 'DIFFERENT')
  process.exitCode = same ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
