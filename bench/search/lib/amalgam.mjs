// The built project: dist/ of this repository, or a build elsewhere named by $AMALGAM_DIST (so that a bench outlives a rebuild).
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const dist = pathToFileURL(`${resolve(root, process.env.AMALGAM_DIST ?? 'dist')}/`)
export const load = path => import(new URL(path, dist).href)

export const { createRng } = await load('rng.js')
export const { STRATEGIES, strategyDefinition } = await load('strategies/registry.js')
export const { hypervolume } = await load('archive/hypervolume.js')

const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
// A build elsewhere may say in a file COMMIT what it was built from.
const note = fileURLToPath(new URL('COMMIT', dist))
const commit = existsSync(note)
  ? readFileSync(note, 'utf8')
  : execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' })

/** Package version and commit, for the results. */
export const VERSION = `${manifest.version}+${commit.trim()}`
