// Natural niches against the authors' released program, in the authors' own experiment: node bench/search/niches.mjs <command>
//   run     [--method m2n2] [--start scratch|pretrained] [--seeds 42-51] [--passes 50000] [--threads 1] [--out FILE]
//           one line of JSON per finished run is appended to FILE; what FILE has already is not run again
//   report  [--ours FILE] [--peer FILE]   test accuracy at each tenth of the passes, with standard errors and differences
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { createRng } from '../../dist/rng.js'
import { runMapElites, runNiches, VARIANTS } from './niches-dense.mjs'
import { createScorer, loadDigits, onlyClasses, PARAMETERS, train } from './niches-digits.mjs'

const RESULTS = 'bench/results/search/niches.jsonl'
const PEER = 'bench/results/search/niches-peer.jsonl'
const INITIAL_DEVIATION = 0.01

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    method: { type: 'string', default: 'm2n2' },
    start: { type: 'string', default: 'scratch' },
    seeds: { type: 'string', default: '42-51' },
    passes: { type: 'string', default: '50000' },
    threads: { type: 'string', default: '1' },
    out: { type: 'string', default: RESULTS },
    pair: { type: 'string' },
    ours: { type: 'string', default: RESULTS },
    peer: { type: 'string', default: PEER },
  },
})

const read = file =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .filter(Boolean)
        .map(line => JSON.parse(line))
    : []

/** Two networks of noise. */
function randomPair(seed) {
  const rng = createRng(seed).split('start')
  return [0, 1].map(() => Float32Array.from({ length: PARAMETERS }, () => INITIAL_DEVIATION * rng.normal()))
}

/** Two networks, one trained on the digits 0-4, one on 5-9: ten steps, far from finished. */
function trainedPair(seed, images) {
  const halves = [
    [0, 1, 2, 3, 4],
    [5, 6, 7, 8, 9],
  ]
  return randomPair(seed).map((weights, i) => train(weights, onlyClasses(images, halves[i])))
}

/** The two vectors of a file of float32, for a start that another program made. */
function readPair(file) {
  const bytes = readFileSync(file)
  const all = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
  return [all.slice(0, PARAMETERS), all.slice(PARAMETERS)]
}

async function run({ method, start, out, pair }) {
  const [first, last = first] = values.seeds.split('-').map(Number)
  const [passes, threads] = [Number(values.passes), Number(values.threads)]
  const digits = loadDigits()
  const scores = { train: await createScorer(digits.train, threads), test: await createScorer(digits.test, threads) }
  for (let seed = first; seed <= last; seed++) {
    const key = { method, start: pair === undefined ? start : 'given', passes, seed }
    const same = other => Object.entries(key).every(([name, value]) => other[name] === value)
    if (read(out).some(same)) continue
    const vectors =
      pair !== undefined ? readPair(pair) : start === 'scratch' ? randomPair(seed) : trainedPair(seed, digits.train)
    const options = { passes, seed, mutate: start === 'scratch' && pair === undefined }
    const [begun, cpu] = [performance.now(), process.cpuUsage()]
    const curve =
      method === 'map-elites'
        ? await runMapElites(vectors, scores, digits.train.y, options)
        : await runNiches(vectors, scores, { ...options, ...VARIANTS[method] })
    const { user, system } = process.cpuUsage(cpu)
    const wall_s = (performance.now() - begun) / 1000
    const environment = { node: process.version, cpu: cpus()[0].model, threads }
    const cpu_s = (user + system) / 1e6
    appendFileSync(out, `${JSON.stringify({ ...key, wall_s, cpu_s, ...curve, environment })}\n`)
    console.log(`${method}, ${key.start}, seed ${seed}: test ${curve.test.at(-1)?.toFixed(4)}, ${wall_s.toFixed(1)} s`)
  }
}

if (positionals[0] === 'run') await run(values)
else throw new Error('Usage: node bench/search/niches.mjs run|report [options]')
