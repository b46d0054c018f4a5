// Elements of `sce` whose value hangs on which of several equal variances is kept at the cut. The kept positions decide the mean squares
// of the task vectors, these the weights of the models, and those every kept element of the tensor: a choice between two positions moves
// all of it a little. The values that the choices can lead to are bounded here; nothing else may differ.

/** Spacing of float32 around 1. */
const EPS = 2 ** -23
/** Rounding of a float32 variance, in units of EPS: a few differences, squares and their sum, each off by up to a unit. */
const VARIANCE_UNITS = 8
/** Rounding of the weighted mean and its sum with the base, in units of EPS. */
const MEAN_UNITS = 8

/**
 * @param base, models values of the tensor
 * @param share, floor parameters of the method
 * @returns undefined where no choice is open; else (element, value, round) → whether some choice leads to that value, where round brings a
 *   number to the stored type
 */
export function valuesOfChoices({ base, models, share, floor }) {
  const taus = models.map(x => Float64Array.from(x, (value, i) => value - base[i]))
  const { kept, open, wanted } = selectVarying(taus, share)
  if (open.size === 0) return undefined
  const ranges = taus.map(tau => {
    const sure = tau.reduce((total, value, i) => total + (kept[i] && !open.has(i) ? value * value : 0), 0)
    const squares = [...open].map(i => tau[i] ** 2).sort((a, b) => a - b)
    const sum = values => values.reduce((a, b) => a + b, 0)
    return [sure + sum(squares.slice(0, wanted)), sure + sum(squares.slice(squares.length - wanted))]
  })
  const weights = corners(ranges).map(energies => {
    const sum = energies.reduce((a, b) => a + b, 0)
    return energies.map(energy => (sum / base.length < floor ? 1 / energies.length : energy / sum))
  })
  return (i, value, round) => {
    if (!kept[i] && !open.has(i)) return false
    const own = taus.map(tau => tau[i])
    const error = MEAN_UNITS * EPS * Math.max(Math.abs(base[i]), ...own.map(Math.abs))
    const outcomes = weights.map(w => base[i] + meanOfElected(own, w))
    const within = value >= round(Math.min(...outcomes) - error) && value <= round(Math.max(...outcomes) + error)
    return within || (open.has(i) && value === round(base[i]))
  }
}

/**
 * @returns kept: one byte per position, 1 where it is selected in float64; open: positions that other rounding selects or not, `wanted` of
 *   them; none where nothing is near the cut on its other side
 */
function selectVarying(taus, share) {
  const n = taus[0].length
  const variance = new Float64Array(n)
  const noise = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    const own = taus.map(tau => tau[i])
    if (own.every(tau => tau === own[0])) continue
    const mean = own.reduce((a, b) => a + b, 0) / own.length
    variance[i] = own.reduce((total, tau) => total + (tau - mean) ** 2, 0) / own.length
    noise[i] = VARIANCE_UNITS * EPS * Math.max(...own.map(Math.abs)) * Math.sqrt(variance[i])
  }
  const order = Uint32Array.from(variance, (_, i) => i).sort((a, b) => variance[a] - variance[b] || b - a)
  const cut = n - Math.trunc(variance.reduce((count, value) => count + (value === 0 ? 0 : 1), 0) * share)
  const kept = new Uint8Array(n)
  for (const i of order.subarray(cut)) kept[i] = 1
  const open = new Set()
  if (cut === 0 || cut === n) return { kept, open, wanted: 0 }
  const [below, above] = [order[cut - 1], order[cut]]
  const near = (i, other) => Math.abs(variance[i] - variance[other]) <= noise[i] + noise[other]
  for (let i = 0; i < n; i++) if (near(i, kept[i] ? below : above)) open.add(i)
  return { kept, open, wanted: [...open].filter(i => kept[i]).length }
}

/** Every combination of the ends of ranges. The weighted mean is largest and smallest at such combinations: it is monotonic in each weight. */
function corners(ranges) {
  return ranges.reduce((all, ends) => all.flatMap(start => ends.map(end => [...start, end])), [[]])
}

/** Mean of the task vectors that have the sign of their sum. */
function meanOfElected(own, weights) {
  const sign = own.reduce((a, b) => a + b, 0) >= 0 ? 1 : -1
  let [mix, weight] = [0, 0]
  for (const [m, tau] of own.entries()) {
    if (Math.sign(tau) !== sign) continue
    mix += weights[m] * tau
    weight += weights[m]
  }
  return mix / Math.max(weight, 1e-6)
}
