// Archive and hypervolume: node bench/archive.mjs. Median of the repeats, one process, after a warm-up.

import { hypervolume } from '../dist/archive/hypervolume.js'
import { hypervolumeContributions } from '../dist/archive/hypervolume-contributions.js'
import { createParetoArchive } from '../dist/archive/pareto-archive.js'
import { createRng } from '../dist/rng.js'

const REPEATS = 7

function median(run) {
  run()
  const times = Array.from({ length: REPEATS }, () => {
    const start = performance.now()
    run()
    return performance.now() - start
  })
  return times.sort((a, b) => a - b)[(REPEATS - 1) / 2]
}

const objectives = m =>
  Array.from({ length: m }, (_, i) => ({ name: `f${i}`, direction: 'minimize', unit: '1', reference: 1.1 }))
const timing = { totalMs: 0, mergeMs: 0, inferenceMs: 0 }
const trialOf = (values, id) => ({
  id,
  genome: new Float64Array(1),
  parents: [],
  memo: null,
  evaluation: { status: 'scored', values, timing },
})

/** Points on the part of the unit sphere where all losses are positive: none dominates another. */
function front(n, m, seed) {
  const rng = createRng(seed)
  return Array.from({ length: n }, () => {
    const raw = Array.from({ length: m }, () => Math.abs(rng.normal()))
    return raw.map(v => v / Math.hypot(...raw))
  })
}

function insertions(label, points) {
  const trials = points.map(trialOf)
  let size = 0
  const ms = median(() => {
    const archive = createParetoArchive(objectives(2))
    for (const trial of trials) archive.add(trial)
    size = archive.size
  })
  console.log(`${label}: 100,000 insertions, ${size} kept, ${ms.toFixed(0)} ms`)
}

const rng = createRng(1)
insertions('2-D, all on the front', front(100_000, 2, 1))
insertions(
  '2-D, uniform in the square',
  Array.from({ length: 100_000 }, () => [rng.uniform(), rng.uniform()]),
)
insertions(
  '2-D, ever closer to the front',
  front(100_000, 2, 2).map((point, i) => point.map(v => v * (2 - i / 100_000))),
)
for (const [m, n] of [
  [2, 10_000],
  [3, 1000],
  [4, 200],
  [5, 100],
  [6, 50],
]) {
  const points = front(n, m, m)
  const reference = Array(m).fill(1.1)
  const whole = median(() => hypervolume(points, reference))
  const each = median(() => hypervolumeContributions(points, reference))
  console.log(`m = ${m}, n = ${n}: hypervolume ${whole.toFixed(2)} ms, contributions ${each.toFixed(1)} ms`)
}
