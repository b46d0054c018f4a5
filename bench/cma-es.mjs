// How many evaluations CMA-ES needs, beside the two Python reference implementations. Counts do not depend on the machine; run after
// `npm run build`: node bench/cma-es.mjs [seeds]
import { pathToFileURL } from 'node:url'
import { createRng } from '../dist/rng.js'
import { cmaEs } from '../dist/strategies/cma-es/cma-es.js'
import { CmaEsRun, cmaEsConstants, defaultPopulationSize } from '../dist/strategies/cma-es/cma-es-run.js'
import { nextSample } from '../dist/strategies/cma-es/orthogonal-sampling.js'

/**
 * Median evaluations to 1e-8 from x0 ~ U(-4, 4)^d, sigma0 = 2, no bounds: [pycma, cmaes], 11 seeds each (5 for d = 40), converged runs only.
 * pycma: github.com/CMA-ES/pycma at commit 8d16505. cmaes: github.com/CyberAgentAILab/cmaes at commit d4d96d9. Default settings.
 * @type {Record<string, Record<number, readonly [number, number]>>}
 */
const PEERS = {
  sphere: { 5: [695, 667], 10: [1444, 1465], 20: [2698, 2708], 40: [5184, 5165] },
  ellipsoid: { 5: [1506, 1532], 10: [4040, 4161], 20: [12674, 13282], 40: [48361, 49253] },
  cigar: { 5: [1709, 1743], 10: [3964, 3960], 20: [8068, 8248], 40: [16074, 15977] },
  discus: { 5: [1259, 1348], 10: [3050, 3095], 20: [7689, 7939], 40: [20317, 21355] },
  diffpow: { 5: [1365, 1407], 10: [3833, 3943], 20: [12405, 13000], 40: [45058, 48358] },
  rosenbrock: { 5: [1913, 1842], 10: [4987, 5321], 20: [17114, 18254], 40: [60822, 64705] },
}

const TARGET = 1e-8
const DIMENSIONS = [5, 10, 20, 40]

/**
 * @param {{ seeds?: number, log?: (line: string) => void }} [options]
 * @returns {Promise<{
 *   rows: { problem: string, d: number, median: number, converged: number, pycma: number, cmaes: number, ratio: number }[],
 *   geometricMean: number,
 *   timings: { d: number, msPerEvaluation: number }[],
 * }>}
 */
export async function benchCmaEs({ seeds = 21, log = () => {} } = {}) {
  const rows = []
  log(`median evaluations to ${TARGET}, ${seeds} seeds, converged runs only`)
  log('problem      d   amalgam   pycma   cmaes   ratio to the better   converged')
  for (const [problem, peers] of Object.entries(PEERS)) {
    for (const d of DIMENSIONS) {
      const evaluations = Array.from({ length: seeds }, (_, seed) => evaluationsToTarget(problem, d, seed))
      const converged = evaluations.filter(Number.isFinite)
      const [pycma, cmaes] = peers[d]
      const middle = median(converged)
      const ratio = middle / Math.min(pycma, cmaes)
      rows.push({ problem, d, median: middle, converged: converged.length, pycma, cmaes, ratio })
      log(
        `${problem.padEnd(10)} ${String(d).padStart(3)} ${middle.toFixed(0).padStart(9)} ${String(pycma).padStart(7)} ` +
          `${String(cmaes).padStart(7)} ${ratio.toFixed(3).padStart(21)} ${`${converged.length}/${seeds}`.padStart(11)}`,
      )
    }
  }
  const geometricMean = Math.exp(rows.reduce((sum, row) => sum + Math.log(row.ratio), 0) / rows.length)
  log(`geometric mean of the ratios: ${geometricMean.toFixed(3)}`)

  const timings = [5, 20, 100].map(d => ({ d, msPerEvaluation: timeStrategy(d) }))
  for (const { d, msPerEvaluation } of timings) log(`d = ${d}: ${msPerEvaluation.toFixed(4)} ms per ask and tell`)
  return { rows, geometricMean, timings }
}

/** One run of the algorithm alone; NaN if it ends in a local optimum. */
function evaluationsToTarget(problem, d, seed) {
  const loss = LOSSES[problem](d)
  const rng = createRng(1000 + seed)
  const start = Float64Array.from({ length: d }, () => 8 * rng.uniform() - 4)
  const constants = cmaEsConstants(d, defaultPopulationSize(d), true)
  const run = new CmaEsRun(start, 2, constants)
  for (let evaluations = 0; run.sigma * run.axisRange().longest > 1e-11; ) {
    const samples = []
    const losses = []
    for (let i = 0; i < constants.populationSize; i++) {
      samples.push(nextSample('orthogonal', rng, d, samples))
      losses.push(loss(run.point(samples[i])))
      evaluations++
      if (losses[i] <= TARGET) return evaluations
    }
    const order = samples.map((_, i) => i).sort((a, b) => losses[a] - losses[b])
    run.update(order.map(i => samples[i]))
  }
  return Number.NaN
}

/** The strategy as the search loop uses it, one candidate at a time, on the sphere in a box. */
function timeStrategy(d) {
  const genes = Array.from({ length: d }, (_, i) => ({
    kind: 'real',
    name: `x${i}`,
    low: -4,
    high: 4,
    scale: 'linear',
    initial: 1,
  }))
  const objectives = [{ name: 'sphere', direction: 'minimize', unit: '1', reference: 100 }]
  const domain = { genes, initial: new Float64Array(d).fill(1) }
  const context = { domain, objectives, rng: createRng(1), budget: undefined }
  const strategy = cmaEs.create(context, cmaEs.options.parse({}))
  const sphere = LOSSES.sphere(d)
  const step = id => {
    const [proposal] = strategy.ask(1)
    strategy.tell([{ id, genome: proposal.genome, parents: [], memo: null, losses: [sphere(proposal.genome)] }])
  }
  const warmUp = 1000
  const measured = 4000
  for (let id = 0; id < warmUp; id++) step(id)
  const start = performance.now()
  for (let id = warmUp; id < warmUp + measured; id++) step(id)
  return (performance.now() - start) / measured
}

const LOSSES = {
  sphere: () => x => x.reduce((sum, v) => sum + v * v, 0),
  ellipsoid: d => rotatedQuadratic(Array.from({ length: d }, (_, i) => 10 ** ((6 * i) / (d - 1)))),
  cigar: d => rotatedQuadratic(Array.from({ length: d }, (_, i) => (i === 0 ? 1 : 1e6))),
  discus: d => rotatedQuadratic(Array.from({ length: d }, (_, i) => (i === 0 ? 1e6 : 1))),
  diffpow: d => {
    const rotate = rotation(d)
    return x => Math.sqrt(rotate(x).reduce((sum, y, i) => sum + Math.abs(y) ** (2 + (4 * i) / (d - 1)), 0))
  },
  rosenbrock: d => x => {
    let sum = 0
    for (let i = 0; i + 1 < d; i++) sum += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    return sum
  },
}

/** Σ c_i (R x)_i². */
function rotatedQuadratic(curvatures) {
  const rotate = rotation(curvatures.length)
  return x => rotate(x).reduce((sum, y, i) => sum + curvatures[i] * y * y, 0)
}

/** x → R x for one random rotation R. */
function rotation(d) {
  const rng = createRng(7)
  const rows = []
  while (rows.length < d) {
    const row = Float64Array.from({ length: d }, () => rng.normal())
    for (const other of rows) {
      const overlap = other.reduce((sum, v, i) => sum + v * row[i], 0)
      for (let i = 0; i < d; i++) row[i] -= overlap * other[i]
    }
    const length = Math.hypot(...row)
    rows.push(row.map(v => v / length))
  }
  return x => rows.map(row => row.reduce((sum, v, j) => sum + v * x[j], 0))
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length / 2
  return Number.isInteger(half) ? (sorted[half - 1] + sorted[half]) / 2 : sorted[Math.floor(half)]
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await benchCmaEs({ seeds: Number(process.argv[2] ?? 21), log: line => console.log(line) })
}
