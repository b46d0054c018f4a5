// Runs as JSON lines that resume: bench/results/search/<proof>/<solver>.jsonl, one line a run. Fields: bench/search/README.md.
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'

export const RESULTS = fileURLToPath(new URL('../../results/search/', import.meta.url))

const keyOf = run => ['problem', 'd', 'm', 'instance', 'seed', 'budget', 'tells'].map(name => run[name]).join(' ')

function parse(path) {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
}

export class Lines {
  #path
  #seen

  /**
   * @param {string} proof
   * @param {string} solver
   * @param {{ fresh?: boolean }} [options] `fresh` forgets earlier runs of this solver
   */
  constructor(proof, solver, { fresh = false } = {}) {
    mkdirSync(`${RESULTS}${proof}`, { recursive: true })
    this.#path = `${RESULTS}${proof}/${solver}.jsonl`
    if (fresh) rmSync(this.#path, { force: true })
    this.#seen = new Set(existsSync(this.#path) ? parse(this.#path).map(keyOf) : [])
  }

  /**
   * Runs `results()`, unless a line with this head exists.
   * @param {Record<string, unknown>} head solver, version, settings, problem, d, [m], instance, seed, [budget]
   * @param {() => Record<string, unknown>} results
   */
  run(head, results) {
    if (this.#seen.has(keyOf(head))) return
    const start = performance.now()
    const cpu = process.cpuUsage()
    const found = results()
    const { user, system } = process.cpuUsage(cpu)
    const seconds = Number(((performance.now() - start) / 1000).toFixed(3))
    const line = { ...head, ...found, seconds, cpu: Number(((user + system) / 1e6).toFixed(3)) }
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`)
    this.#seen.add(keyOf(head))
  }
}

/** @returns {Map<string, Record<string, any>[]>} runs by solver, solvers in alphabetical order */
export function readLines(proof) {
  const folder = `${RESULTS}${proof}`
  if (!existsSync(folder)) return new Map()
  const files = readdirSync(folder).filter(name => name.endsWith('.jsonl'))
  return new Map(files.sort().map(name => [name.slice(0, -'.jsonl'.length), parse(`${folder}/${name}`)]))
}
