import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { basename, extname, join, relative, resolve } from 'node:path'
import { loadSearchConfig } from '../../config/load.ts'
import { startRun } from '../../launch.ts'
import { RUNS_FOLDER } from '../../runs/run-reference.ts'
import { type ConductFlags, conductRun } from '../conduct.ts'
import { say } from '../output.ts'

export interface SearchFlags extends ConductFlags {
  readonly strategy?: string
  readonly budget?: number
  readonly seed?: number
  readonly workers?: number
  readonly slots?: number
  readonly evaluator?: string
  readonly warmStart?: string
  readonly guess?: readonly string[]
  readonly run?: string
  readonly async?: boolean
}

export async function searchCommand(file: string, flags: SearchFlags): Promise<void> {
  const config = loadSearchConfig(file, {
    strategy: flags.strategy,
    budget: flags.budget,
    seed: flags.seed,
    workers: flags.workers,
    slots: flags.slots,
    evaluator: flags.evaluator,
    warmStart: flags.warmStart,
    guesses: flags.guess,
    mode: flags.async ? 'async' : undefined,
  })
  for (const note of config.notes) say(`note: ${note}`)
  const folder = flags.run === undefined ? freeFolder(basename(file, extname(file))) : resolve(flags.run)
  const name = shownName(folder)
  await conductRun(
    options => {
      say(
        `Run ${name}: ${config.strategy.kind}, ${config.budget} evaluations, seed ${config.seed}, ${config.slots} slots`,
      )
      return startRun(config, folder, options)
    },
    { folder, name, flags },
  )
}

/** `runs/<name>-<n>` with the smallest n that no run has yet. */
function freeFolder(name: string): string {
  mkdirSync(RUNS_FOLDER, { recursive: true })
  const stem = name.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[.-]+/, '') || 'run'
  const taken = new Set(readdirSync(RUNS_FOLDER))
  let n = 1
  while (taken.has(`${stem}-${n}`)) n++
  return resolve(RUNS_FOLDER, `${stem}-${n}`)
}

/** What to type after `amalgam resume`: the name where that suffices. */
function shownName(folder: string): string {
  const inside = relative(resolve(RUNS_FOLDER), folder)
  if (inside !== '' && !inside.includes('..') && !inside.includes('/') && !existsSync(join(inside, 'run.sqlite')))
    return inside
  return relative(process.cwd(), folder).startsWith('..') ? folder : relative(process.cwd(), folder)
}
