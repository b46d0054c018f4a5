// mergekit in its own process, many merges each.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const python =
  process.env.AMALGAM_MERGEKIT_PYTHON ?? fileURLToPath(new URL('../peers/.venv-mergekit/bin/python', import.meta.url))
const runner = fileURLToPath(new URL('../peers/run_mergekit.py', import.meta.url))

/**
 * @param file where to put the list of jobs
 * @param jobs {config, out, seed}: a configuration merged to a folder
 * @returns per job, {seconds} or {error, seconds}
 */
export function runMergekit(file, jobs) {
  if (!existsSync(python)) {
    console.error(`There is no ${python}: run bench/peers/setup-mergekit.sh, or set AMALGAM_MERGEKIT_PYTHON.`)
    process.exit(2)
  }
  writeFileSync(file, JSON.stringify(jobs))
  const { stderr } = spawnSync(python, [runner, file], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, OMP_NUM_THREADS: '1' },
  })
  // It complains about tokenizers that the models do not have; only a program that broke down is worth reading.
  if (jobs.some(({ out }) => !existsSync(`${out}.json`))) console.error(stderr.slice(-2000))
  return jobs.map(({ out }) =>
    existsSync(`${out}.json`) ? JSON.parse(readFileSync(`${out}.json`, 'utf8')) : { error: 'no result' },
  )
}
