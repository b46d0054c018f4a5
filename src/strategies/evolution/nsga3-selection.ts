import { nonDominatedSort } from '../../archive/dominance.ts'
import { solveLinear } from '../../numerics/linear-solve.ts'
import type { Rng } from '../../rng.ts'

/**
 * NSGA-III's environmental selection: which points survive, and which niche each belongs to.
 *
 * Source: K. Deb, H. Jain, IEEE TEC 18(4), 2014, algorithms 1-4; ideal and extreme points persist from one generation to the next,
 * as J. Blank, K. Deb, P. C. Roy, "Investigating the normalization procedure of NSGA-III", EMO 2019, found to matter.
 *
 * | symbol | here | |
 * |---|---|---|
 * | z* | `ideal` | best loss seen, per objective |
 * | z^max | `extremes` | per objective, the point that does best along its axis |
 * | a | `nadir` - `ideal` | intercepts of the plane through the extreme points |
 * | π, d | `niche`, `distance` | closest direction, and how far from it, in normalised losses |
 * | ρ | `counts` | members of a niche chosen so far |
 */
export interface Nsga3Memory {
  /** Shape (m,); empty before the first selection. */
  readonly ideal: readonly number[]
  /** Worst loss seen, shape (m,); empty before the first selection. */
  readonly worst: readonly number[]
  /** Shape (m or 0, m). */
  readonly extremes: readonly (readonly number[])[]
}

export interface Nsga3Selection {
  /** Indices of the chosen points, best front first. */
  readonly survivors: readonly number[]
  /** Per survivor, the index of the closest direction. */
  readonly niches: readonly number[]
  readonly memory: Nsga3Memory
}

/** Normalised losses below this count as 0 when extreme points are looked for. */
const NEARLY_IDEAL = 1e-3
/** Weight of the losses off the axis in the achievement scalarising function. */
const OFF_AXIS = 1e6
/** Intercepts, and ranges, below this share of the population's range are degenerate. */
const SMALLEST_RANGE = 1e-6

export const EMPTY_NSGA3_MEMORY: Nsga3Memory = { ideal: [], worst: [], extremes: [] }

/**
 * @param losses shape (n, m), finite.
 * @param count how many survive; all do where n <= count.
 * @param directions shape (k, m), from `referenceDirections`.
 */
export function selectNsga3(
  losses: readonly (readonly number[])[],
  count: number,
  directions: readonly Float64Array[],
  before: Nsga3Memory,
  rng: Rng,
): Nsga3Selection {
  const fronts = nonDominatedSort(losses)
  if (losses.length === 0) return { survivors: [], niches: [], memory: before }
  const { memory, nadir } = normalization(losses, fronts[0]!, before)

  const chosen: number[] = []
  let splitting: readonly number[] = []
  for (const front of fronts) {
    if (chosen.length + front.length > count) {
      splitting = front
      break
    }
    chosen.push(...front)
  }
  const { niche, distance } = associate(losses, [...chosen, ...splitting], directions, memory.ideal, nadir)
  const survivors = [...chosen, ...fillNiches(chosen, splitting, count, niche, distance, directions.length, rng)]
  return { survivors, niches: survivors.map(i => niche.get(i)!), memory }
}

/** Algorithm 2, in units of the population's range, so that the thresholds mean the same for losses of any size. */
function normalization(
  losses: readonly (readonly number[])[],
  front: readonly number[],
  before: Nsga3Memory,
): { readonly memory: Nsga3Memory; readonly nadir: readonly number[] } {
  const axes = losses[0]!.map((_, i) => i)
  const ideal = axes.map(i => losses.reduce((least, point) => Math.min(least, point[i]!), before.ideal[i] ?? Infinity))
  const worst = axes.map(i => losses.reduce((most, point) => Math.max(most, point[i]!), before.worst[i] ?? -Infinity))
  const frontWorst = axes.map(i => front.reduce((most, p) => Math.max(most, losses[p]![i]!), -Infinity))
  const populationWorst = axes.map(i => losses.reduce((most, point) => Math.max(most, point[i]!), -Infinity))
  const scale = axes.map(i => Math.max(populationWorst[i]! - ideal[i]!, Number.MIN_VALUE))

  const candidates = [...before.extremes, ...front.map(p => losses[p]!)]
  const extremes = axes.map(axis => {
    let best = candidates[0]!
    let least = Infinity
    for (const point of candidates) {
      let achievement = 0 // max over objectives of weight × normalised loss
      for (const i of axes) {
        const share = (point[i]! - ideal[i]!) / scale[i]!
        if (share >= NEARLY_IDEAL) achievement = Math.max(achievement, i === axis ? share : OFF_AXIS * share)
      }
      if (achievement < least) {
        least = achievement
        best = point
      }
    }
    return best
  })

  const intercepts = planeIntercepts(extremes, ideal, scale) ?? frontWorst.map((w, i) => w - ideal[i]!)
  const nadir = axes.map(i => {
    const bounded = Math.min(ideal[i]! + intercepts[i]!, worst[i]!)
    return bounded - ideal[i]! > SMALLEST_RANGE * scale[i]! ? bounded : populationWorst[i]!
  })
  return { memory: { ideal, worst, extremes }, nadir }
}

/** Where the plane through the extreme points meets the axes, as distances from the ideal point; `undefined` where it does not. */
function planeIntercepts(
  extremes: readonly (readonly number[])[],
  ideal: readonly number[],
  scale: readonly number[],
): number[] | undefined {
  const m = ideal.length
  const matrix = Float64Array.from(extremes.flatMap(point => point.map((v, i) => (v - ideal[i]!) / scale[i]!)))
  const inverse = solveLinear(matrix, new Float64Array(m).fill(1))
  if (inverse === undefined) return undefined
  const intercepts = Array.from(inverse, v => 1 / v)
  return intercepts.every(a => a > SMALLEST_RANGE && Number.isFinite(a))
    ? intercepts.map((a, i) => a * scale[i]!)
    : undefined
}

/** Algorithm 3: per point the direction with the least perpendicular distance. */
function associate(
  losses: readonly (readonly number[])[],
  points: readonly number[],
  directions: readonly Float64Array[],
  ideal: readonly number[],
  nadir: readonly number[],
): { readonly niche: ReadonlyMap<number, number>; readonly distance: ReadonlyMap<number, number> } {
  const units = directions.map(w => w.map(v => v / Math.hypot(...w)))
  const ranges = nadir.map((n, i) => n - ideal[i]! || 1)
  const niche = new Map<number, number>()
  const distance = new Map<number, number>()
  for (const p of points) {
    const f = ranges.map((range, i) => (losses[p]![i]! - ideal[i]!) / range)
    const squaredLength = f.reduce((sum, v) => sum + v * v, 0)
    let closest = 0
    let longest = -Infinity // of the projections: the closest line is the one with the longest
    for (const [k, unit] of units.entries()) {
      let projection = 0
      for (let i = 0; i < f.length; i++) projection += f[i]! * unit[i]!
      if (projection > longest) {
        longest = projection
        closest = k
      }
    }
    niche.set(p, closest)
    distance.set(p, Math.sqrt(Math.max(0, squaredLength - longest * longest)))
  }
  return { niche, distance }
}

/** Algorithm 4: from the front that does not fit, always into one of the emptiest niches that it can fill. */
function fillNiches(
  chosen: readonly number[],
  front: readonly number[],
  count: number,
  niche: ReadonlyMap<number, number>,
  distance: ReadonlyMap<number, number>,
  nicheCount: number,
  rng: Rng,
): number[] {
  const counts = new Array<number>(nicheCount).fill(0)
  for (const p of chosen) counts[niche.get(p)!]!++
  const waiting = new Map<number, number[]>()
  for (const p of front) {
    const members = waiting.get(niche.get(p)!)
    if (members === undefined) waiting.set(niche.get(p)!, [p])
    else members.push(p)
  }
  const filled: number[] = []
  while (chosen.length + filled.length < count && waiting.size > 0) {
    const open = [...waiting.keys()]
    const fewest = open.reduce((least, k) => Math.min(least, counts[k]!), Infinity)
    const emptiest = open.filter(k => counts[k] === fewest)
    const k = emptiest[rng.integer(0, emptiest.length)]!
    const members = waiting.get(k)!
    const at = counts[k] === 0 ? closestMember(members, distance) : rng.integer(0, members.length)
    filled.push(members[at]!)
    members.splice(at, 1)
    counts[k]!++
    if (members.length === 0) waiting.delete(k)
  }
  return filled
}

function closestMember(members: readonly number[], distance: ReadonlyMap<number, number>): number {
  return members.reduce((best, p, at) => (distance.get(p)! < distance.get(members[best]!)! ? at : best), 0)
}
