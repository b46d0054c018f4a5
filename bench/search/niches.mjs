// Natural niches beside the authors' released program, in the authors' own experiment: node bench/search/niches.mjs <command>
//   run     [--method m2n2] [--start scratch|pretrained] [--pair FILE] [--seeds 42-51] [--passes 50000] [--threads 1] [--out FILE]
//           one line of JSON per finished run is appended to FILE; what FILE has already is not run again
//   report  [--out FILE] [--peer FILE]   test accuracy at each tenth of the passes, with standard errors, and times
// Methods: m2n2, its ablations (see VARIANTS), ga, map-elites, cma-es, and `pieces`, the strategy over recipes (from trained networks only).
// `--pair` starts from two networks in a file: those of the released program, so that both start from the same.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { createRng } from '../../dist/rng.js'
import { runCmaEs } from './niches-cma-es.mjs'
import { runMapElites, runNiches, VARIANTS } from './niches-dense.mjs'
import { createScorer, loadDigits, mean, onlyClasses, PARAMETERS, train } from './niches-digits.mjs'
import { runPieces } from './niches-pieces.mjs'

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
    pieces: { type: 'string', default: '64' },
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

function evolve(method, vectors, scores, digits, options) {
  if (method === 'map-elites') return runMapElites(vectors, scores, digits.train.y, options)
  if (method === 'cma-es') return runCmaEs(vectors[0], scores, options)
  if (method === 'pieces') return runPieces(vectors, scores, { ...options, pieces: Number(values.pieces) })
  if (VARIANTS[method] === undefined) throw new Error(`No method "${method}".`)
  return runNiches(vectors, scores, { ...options, ...VARIANTS[method] })
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
    const curve = await evolve(method, vectors, scores, digits, options)
    const { user, system } = process.cpuUsage(cpu)
    const wall_s = (performance.now() - begun) / 1000
    const environment = { node: process.version, cpu: cpus()[0].model, threads }
    const cpu_s = (user + system) / 1e6
    appendFileSync(out, `${JSON.stringify({ ...key, wall_s, cpu_s, ...curve, environment })}\n`)
    console.log(`${method}, ${key.start}, seed ${seed}: test ${curve.test.at(-1)?.toFixed(4)}, ${wall_s.toFixed(1)} s`)
  }
}

const deviation = sample =>
  Math.sqrt(mean(sample.map(v => (v - mean(sample)) ** 2)) * (sample.length / (sample.length - 1)))

/** Mean and standard error of the runs at one hundredth. */
function at(runs, hundredth) {
  const sample = runs.map(run => run.test[hundredth - 1])
  return { mean: mean(sample), error: runs.length > 1 ? deviation(sample) / Math.sqrt(runs.length) : Number.NaN }
}

/** The peer's names in ours. */
const PEER_METHODS = {
  natural_niches: 'm2n2',
  no_crossover: 'm2n2 without crossover',
  no_splitpoint: 'm2n2 without split point',
  no_matchmaker: 'm2n2 without attraction',
}

function report({ out, peer }) {
  const groups = new Map()
  for (const [who, file] of [
    ['ours', out],
    ['peer', peer],
  ]) {
    for (const run of read(file)) {
      const start = run.start === 'pretrained' && who === 'peer' ? 'given' : run.start
      const key = `${start} | ${PEER_METHODS[run.method] ?? run.method} | ${who} | ${run.passes}`
      groups.set(key, [...(groups.get(key) ?? []), run])
    }
  }
  const percent = value => (100 * value).toFixed(2)
  console.log('test accuracy in %, mean ± standard error at each tenth of the passes; median seconds per run\n')
  for (const [key, runs] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const seconds = runs.map(run => run.wall_s).sort((a, b) => a - b)[runs.length >> 1]
    const cells = Array.from({ length: 10 }, (_, k) => at(runs, 10 * (k + 1)))
    const text = cells.map(cell => `${percent(cell.mean)}±${percent(cell.error)}`).join('  ')
    console.log(`${key} | ${runs.length} runs | ${seconds.toFixed(0)} s\n  ${text}`)
    const other = groups.get(key.replace('| ours |', '| peer |'))
    if (!key.includes('| ours |') || other === undefined) continue
    const gaps = cells.map(({ mean: value }, k) => {
      const theirs = at(other, 10 * (k + 1))
      return (value - theirs.mean) / theirs.error
    })
    console.log(`  difference to the peer, in its standard errors: ${gaps.map(gap => gap.toFixed(1)).join('  ')}`)
  }
}

if (positionals[0] === 'run') await run(values)
else if (positionals[0] === 'report') report(values)
else throw new Error('Usage: node bench/search/niches.mjs run|report [options]')
