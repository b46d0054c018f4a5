import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { ConfigError, nearest, RunStoreError, show } from '../errors.ts'
import { RUN_FILE } from './run-folder.ts'
import type { RunReader } from './run-store.ts'

/** Where runs live unless `--run` says otherwise, relative to the working directory. */
export const RUNS_FOLDER = 'runs'

/**
 * A run's folder from what a person types: a folder, a name under `runs/`, or `latest`.
 * @param folder what a relative path is relative to. Default: the working directory.
 * @throws {RunStoreError} naming what was looked for and the nearest name there is.
 */
export function resolveRun(name: string, folder = '.'): string {
  const path = resolve(folder, name)
  if (name !== 'latest' && existsSync(join(path, RUN_FILE))) return path
  if (basename(name) === RUN_FILE && existsSync(path)) return resolve(path, '..')
  const names = runNames()
  if (name === 'latest') {
    const latest = names
      .map(n => ({ n, time: statSync(join(RUNS_FOLDER, n, RUN_FILE)).birthtimeMs }))
      .sort((a, b) => b.time - a.time)[0]
    if (latest) return resolve(RUNS_FOLDER, latest.n)
    throw new RunStoreError(`There is no run under ${RUNS_FOLDER}/ yet.`, {
      hint: 'Start one: amalgam search <space.yaml>',
    })
  }
  if (names.includes(name)) return resolve(RUNS_FOLDER, name)
  const guess = nearest(name, names)
  throw new RunStoreError(
    `There is no run ${show(name)}: neither a folder with ${RUN_FILE} nor a name under ${RUNS_FOLDER}/.`,
    {
      hint: guess === undefined ? '"amalgam runs" lists the runs there are.' : `Did you mean "${guess}"?`,
    },
  )
}

function runNames(): string[] {
  if (!existsSync(RUNS_FOLDER)) return []
  return readdirSync(RUNS_FOLDER).filter(name => existsSync(join(RUNS_FOLDER, name, RUN_FILE)))
}

/** `<run>:<candidate>` as a person types it; `undefined` if the text has no such form. The last colon counts: paths may have others. */
export function splitCandidate(text: string): { readonly run: string; readonly candidate: string } | undefined {
  const match = /^(.+):(\d+|winner)$/.exec(text)
  return match ? { run: match[1]!, candidate: match[2]! } : undefined
}

/** @throws {ConfigError} if there is no such candidate, or no winner yet. */
export function candidateId(run: RunReader, text: string): number {
  if (text === 'winner') {
    const fact = run.fact('winner')
    if (typeof fact === 'object' && fact !== null && 'id' in fact && typeof fact.id === 'number') return fact.id
    throw new ConfigError('The run has no winner yet: one is named when the search has finished.', {
      hint: `Finish it: amalgam resume ${run.folder}`,
    })
  }
  const count = run.candidates().length
  const id = Number(text)
  if (/^\d+$/.test(text) && id < count) return id
  throw new ConfigError(`There is no candidate ${show(text)}: the run has candidates 0 to ${count - 1}.`, {
    hint: '"amalgam front <run>" lists the ones worth a look.',
  })
}
