// Hypervolumes of the true fronts of lib/mo-problems.mjs, to about 1e-6.
import { hypervolume } from './amalgam.mjs'
import { wfg } from './wfg.mjs'

const STEPS = 200_000

/** ∫ f over [low, high], midpoint rule. */
function integral(f, low, high) {
  const h = (high - low) / STEPS
  let sum = 0
  for (let i = 0; i < STEPS; i++) sum += f(low + (i + 0.5) * h)
  return sum * h
}

/** f2 as a function of f1 in [low, 1], not necessarily falling; the volume up to (1.1, 1.1). */
function below(f2, low = 0) {
  const points = Array.from({ length: STEPS + 1 }, (_, i) => {
    const f1 = low + ((1 - low) * i) / STEPS
    return [f1, f2(f1)]
  })
  return hypervolume(points, [1.1, 1.1])
}

function dtlz7() {
  // f3 = 6 - φ(f1) - φ(f2): what is dominated below (x, y) is 0.6 + max φ up to x + max φ up to y high.
  let most = 0
  const highest = u => {
    if (u <= 1) most = Math.max(most, u * (1 + Math.sin(3 * Math.PI * u)))
    return most
  }
  return 1.21 * 0.6 + 2 * 1.1 * integral(highest, 0, 1.1)
}

/** WFG1 and WFG2: distance variables of 0.35, all position variables equal. */
function wfgFront(name) {
  const losses = wfg(name, { m: 2, k: 4, l: 20 })
  const steps = 20_000
  const points = Array.from({ length: steps + 1 }, (_, i) => {
    // WFG1 raises position variables to the power 0.02: undone, for even steps.
    const t = name === 'wfg1' ? (i / steps) ** 50 : i / steps
    return losses(Float64Array.from({ length: 24 }, (_, j) => 2 * (j + 1) * (j < 4 ? t : 0.35)))
  })
  return hypervolume(points, [3, 5])
}

/** WFG4 to WFG9: a quarter of the ellipse with the half axes 2 and 4. */
const ellipse = 15 - 2 * Math.PI
const sphereOctant = 1.1 ** 3 - Math.PI / 6
const curve = integral(z => (1.1 - Math.sqrt((1 - z * z) / 2)) ** 2, 0, 1) + 0.1 * 1.1 ** 2

/** @type {Record<string, () => number>} */
export const FRONT_VOLUMES = {
  zdt1: () => 0.21 + 2 / 3,
  zdt2: () => 0.21 + 1 / 3,
  zdt3: () => below(f => 1 - Math.sqrt(f) - f * Math.sin(10 * Math.PI * f)),
  zdt4: () => 0.21 + 2 / 3,
  zdt6: () => below(f => 1 - f * f, 0.2807753191),
  dtlz1: () => 0.55 ** 3 - 0.5 ** 3 / 6,
  dtlz2: () => sphereOctant,
  dtlz3: () => sphereOctant,
  dtlz4: () => sphereOctant,
  dtlz5: () => curve,
  dtlz6: () => curve,
  dtlz7,
  wfg1: () => wfgFront('wfg1'),
  wfg2: () => wfgFront('wfg2'),
  wfg3: () => 11,
  ...Object.fromEntries([4, 5, 6, 7, 8, 9].map(i => [`wfg${i}`, () => ellipse])),
}
