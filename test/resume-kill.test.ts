import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { createRng } from '../src/rng.ts'
import { readRun } from '../src/runs/run-folder.ts'
import { tableOf } from './helpers/fake-search.ts'
import { tempFolder } from './helpers/temp-run.ts'

const BUDGET = 40
const helper = (name: string): string => fileURLToPath(new URL(`./helpers/${name}`, import.meta.url))

/** Runs a search until it ends, or kills it `delayMs` after it has told `killAt` candidates. Returns its exit code; null: killed. */
function session(folder: string, seed: number, killAt: number, delayMs: number): Promise<number | null> {
  const child = spawn(
    process.execPath,
    ['--import', helper('typescript-loader.mjs'), helper('search-child.ts'), folder, String(BUDGET), String(seed)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (Number(text.trim().split('\n').at(-1)) >= killAt) setTimeout(() => child.kill('SIGKILL'), delayMs)
  })
  return new Promise(resolve => child.once('exit', resolve))
}

it('a search that is killed at random moments, again and again, ends with the table of one that is not', async () => {
  const root = tempFolder()
  const whole = join(root, 'whole')
  const killed = join(root, 'killed')
  expect(await session(whole, 1, Infinity, 0)).toBe(0)

  const rng = createRng(9)
  let kills = 0
  let told = 0
  while ((await session(killed, 100 + kills, told + rng.integer(4, 14), rng.integer(0, 12))) === null) {
    kills++
    const run = readRun(killed)
    told = run.events().reduce((sum, event) => sum + (event.type === 'told' ? event.ids.length : 0), 0)
    run.close()
  }
  expect(kills).toBeGreaterThan(2)

  const [one, other] = [readRun(whole), readRun(killed)]
  expect(tableOf(other)).toEqual(tableOf(one))
  expect(one.trials()).toHaveLength(BUDGET)
  one.close()
  other.close()
  expect(readdirSync(killed).sort()).toEqual(['lock.sqlite', 'run.sqlite'])
})
