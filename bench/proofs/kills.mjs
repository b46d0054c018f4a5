// Kills a search at random moments (SIGKILL by default, SIGINT with --interrupt) and resumes it until it is done; the trial table
// must equal the uninterrupted run's, bit by bit.
//   node bench/proofs/kills.mjs [--kills 50] [--seed 1] [--interrupt] [--racing]
// With --racing most candidates are stopped early, on some of the examples: kills strike between the rungs of a race too, and what was recorded of a
// candidate that was under way (rungs without an evaluation) is counted.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createRng } from '../../dist/rng.js'
import { readRun } from '../../dist/runs/run-folder.js'
import { digest, trialTable } from './table.mjs'

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    interrupt: { type: 'boolean', default: false },
    racing: { type: 'boolean', default: false },
  },
})
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'amalgam-kills-'))
const rng = createRng(Number(options.seed))
const signal = options.interrupt ? 'SIGINT' : 'SIGKILL'
const search = [
  'search',
  options.racing ? racingFile() : 'search-spaces/digits.yaml',
  '--budget',
  '300',
  '--seed',
  '7',
  '--no-progress',
]

/** The same search with `racing: true`; paths of its file made absolute. */
function racingFile() {
  const text = readFileSync(join(root, 'search-spaces/digits.yaml'), 'utf8')
  const file = join(folder, 'digits-racing.yaml')
  writeFileSync(file, `${text.replaceAll('../', root)}racing: true\n`)
  return file
}

/** @returns {Promise<{ code: number | null, killed: boolean, ms: number, text: string }>} */
function run(args, killAfterMs) {
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const child = spawn(process.execPath, ['bin/amalgam.js', ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    child.stdout.on('data', d => {
      text += d
    })
    child.stderr.on('data', d => {
      text += d
    })
    let killed = false
    const timer =
      killAfterMs === undefined
        ? undefined
        : setTimeout(() => {
            killed = child.kill(signal)
          }, killAfterMs)
    child.on('error', reject)
    child.on('close', code => {
      clearTimeout(timer)
      resolve({ code, killed, ms: performance.now() - started, text })
    })
  })
}

try {
  const reference = await run([...search, '--run', join(folder, 'reference')])
  if (reference.code !== 0) throw new Error(`The uninterrupted run ended with ${reference.code}:\n${reference.text}`)
  const expected = trialTable(join(folder, 'reference'))
  if (options.racing) console.log(`raced: ${partialCount(join(folder, 'reference'))} of 300 candidates stopped early`)
  console.log(
    `uninterrupted: ${(reference.ms / 1000).toFixed(1)} s, table ${digest(expected)}, ${expected.split('\n').length} rows`,
  )

  const wanted = Number(options.kills)
  let kills = 0
  let runs = 0
  let equal = 0
  let wrongExit = 0
  let midRace = 0
  while (kills < wanted) {
    const target = join(folder, `run-${runs++}`)
    let started = false
    for (;;) {
      // Moments spread over the whole life of a process: start-up, search, finalisation.
      const after = kills < wanted ? 100 + rng.uniform() * Math.min(reference.ms, 6000) : undefined
      const args = started ? ['resume', target, '--no-progress'] : [...search, '--run', target]
      const result = await run(args, after)
      if (result.killed && result.code !== 0) {
        kills++
        if (options.interrupt && result.code !== 130) {
          wrongExit++
          console.log(`exit code ${result.code} instead of 130:\n${result.text}`)
        }
        if (options.interrupt && started && !/amalgam resume/.test(result.text)) {
          wrongExit++
          console.log(`no resume line:\n${result.text}`)
        }
        started ||= exists(target)
        if (started && options.racing && isMidRace(target)) midRace++
        continue
      }
      if (result.code !== 0) throw new Error(`Exit code ${result.code} of ${args.join(' ')}:\n${result.text}`)
      break
    }
    const table = trialTable(target)
    if (table === expected) equal++
    else console.log(`run ${runs}: table ${digest(table)} differs`)
  }
  console.log(
    `${kills} ${signal} in ${runs} runs: ${equal} of ${runs} tables identical${options.interrupt ? `, ${wrongExit} wrong exits` : ''}${options.racing ? `; ${midRace} kills left races half run` : ''}`,
  )
  process.exitCode = equal === runs && wrongExit === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function exists(target) {
  // A run exists once its manifest is committed; before that the search starts anew in an empty folder.
  try {
    readRun(target).close()
    return true
  } catch {
    rmSync(target, { recursive: true, force: true })
    return false
  }
}

/** Whether rungs of a candidate are recorded that has no evaluation yet. */
function isMidRace(target) {
  const run = readRun(target)
  try {
    return run.candidates().some(({ id }) => run.evaluation(id) === undefined && run.rungs(id).length > 0)
  } finally {
    run.close()
  }
}

function partialCount(target) {
  const run = readRun(target)
  try {
    return run.trials().filter(({ evaluation }) => evaluation.partial !== undefined).length
  } finally {
    run.close()
  }
}
