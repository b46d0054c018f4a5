import type { Gene, Genome } from '../../candidate.ts'
import { minimizeBounded } from '../../numerics/lbfgs.ts'
import { SOBOL_DIMENSIONS, SobolSequence } from '../../numerics/sobol.ts'
import type { Rng } from '../../rng.ts'
import type { Acquisition } from './acquisition.ts'
import type { Encoding } from './encoding.ts'

/** A box of the unit cube, shape (d,) each. Discrete genes move within it by the middles of their cells. */
export interface Region {
  readonly low: Float64Array
  readonly high: Float64Array
  /** The point the region surrounds, if it does: of many genes, only some leave it at a time. */
  readonly centre?: Float64Array
}

export interface MaximizeOptions {
  /** Points at which the acquisition is looked at before any climbing. */
  readonly rawSamples: number
  /** Of those, from how many to climb. */
  readonly starts: number
  readonly maxIterations: number
}

export interface Search {
  readonly encoding: Encoding
  readonly region: Region
  /** Good genomes to look around, best first. */
  readonly anchors: readonly Genome[]
  /** Whether a genome has been proposed already. */
  readonly isTaken: (genome: Genome) => boolean
  readonly rng: Rng
}

export interface Maximum {
  readonly genome: Genome
  /** Acquisition value; NaN when every climb ended at a genome proposed before, and a random one was taken. */
  readonly value: number
}

/** Choices of a discrete gene tried one by one; of more, this many at random. */
const MAX_CHOICES = 16
/** Rounds of discrete steps and continuous climbing. */
const MAX_ROUNDS = 5
/** Of the genes of an anchor, this many move on average (R. Regis, C. Shoemaker, 2013: DYCORS). */
const MOVED_GENES = 20
const RANDOM_TRIES = 100

/**
 * Looks at scattered points of the region and at perturbations of the anchors, climbs from the best and from some drawn by value, and
 * alternates with steps of the discrete genes. The best genome not proposed before wins; without one, a random genome does.
 */
export function maximize(acquisition: Acquisition, search: Search, options: MaximizeOptions): Maximum {
  const { encoding, isTaken, rng } = search
  const raw = rawPoints(search, options.rawSamples).map(point => encoding.decode(point))
  const width = encoding.numeric + encoding.categorical
  const inputs = new Float64Array(raw.length * width)
  for (const [i, genome] of raw.entries()) inputs.set(encoding.encode(genome), i * width)
  const values = acquisition.evaluateMany(inputs, raw.length)
  const ends = chooseStarts(values, options.starts, rng).map(i => climb(acquisition, search, raw[i]!, options))
  // Raw points stay in the race: where a climb ends on a known genome, the best raw one is next.
  for (const [i, genome] of raw.entries()) ends.push({ genome, value: values[i]! })
  ends.sort((a, b) => (Number.isNaN(a.value) ? 1 : Number.isNaN(b.value) ? -1 : b.value - a.value))
  for (const end of ends) if (!isTaken(end.genome)) return end
  let genome = raw[0]!
  for (let tries = 0; tries < RANDOM_TRIES && isTaken(genome); tries++) {
    genome = encoding.decode(uniformPoint({ low: zeros(search), high: ones(search) }, rng))
  }
  return { genome, value: Number.NaN }
}

function rawPoints(search: Search, count: number): Float64Array[] {
  const { anchors, region, rng } = search
  const d = region.low.length
  const scattered = anchors.length === 0 ? count : Math.ceil(count / 2)
  const points: Float64Array[] = []
  const sequence = d <= SOBOL_DIMENSIONS ? new SobolSequence(d, rng) : undefined
  for (let i = 0; i < scattered; i++) {
    const point = sequence === undefined ? uniformPoint(region, rng) : scaled(sequence.point(i), region)
    points.push(region.centre === undefined ? point : partlyAt(region.centre, point, rng))
  }
  for (let i = scattered; i < count; i++) points.push(perturbed(search, anchors[i % anchors.length]!))
  return points
}

/** A step from an anchor in a few genes, at a random scale: from a tenth of the range to a ten-thousandth. */
function perturbed(search: Search, anchor: Genome): Float64Array {
  const { encoding, region, rng } = search
  const { genes } = encoding.domain
  const point = encoding.pointOf(anchor)
  const scale = 0.1 * 10 ** (-3 * rng.uniform())
  const share = Math.min(1, MOVED_GENES / genes.length)
  const forced = rng.integer(0, genes.length)
  for (const [i, gene] of genes.entries()) {
    const low = region.low[i]!
    const high = region.high[i]!
    const moves = i === forced || rng.uniform() < share
    if (!moves) {
      point[i] = clip(point[i]!, low, high)
    } else if (gene.kind === 'real') {
      point[i] = clip(point[i]! + scale * rng.normal(), low, high)
    } else if (i === forced || rng.uniform() < 1 / 3) {
      point[i] = low + rng.uniform() * (high - low)
    }
  }
  return point
}

/** The best, and others drawn with weights exp(standardised value) (BoTorch's heuristic), without repetition. */
function chooseStarts(values: Float64Array, count: number, rng: Rng): number[] {
  const order = Array.from(values, (_, i) => i).filter(i => Number.isFinite(values[i]))
  if (order.length === 0) return [0]
  order.sort((a, b) => values[b]! - values[a]!)
  const mean = order.reduce((sum, i) => sum + values[i]!, 0) / order.length
  const deviation = Math.sqrt(order.reduce((sum, i) => sum + (values[i]! - mean) ** 2, 0) / order.length) || 1
  const weights = new Map(order.map(i => [i, Math.exp((values[i]! - values[order[0]!]!) / deviation)]))
  const chosen = [order[0]!]
  weights.delete(order[0]!)
  while (chosen.length < count && weights.size > 0) {
    let target = rng.uniform() * [...weights.values()].reduce((sum, w) => sum + w, 0)
    let pick = -1
    for (const [i, weight] of weights) {
      pick = i
      target -= weight
      if (target <= 0) break
    }
    chosen.push(pick)
    weights.delete(pick)
  }
  return chosen
}

/** Local maximum from a genome: L-BFGS in the active real genes, then the best single step of each discrete gene, until neither gains. */
function climb(acquisition: Acquisition, search: Search, start: Genome, options: MaximizeOptions): Maximum {
  const { encoding } = search
  let best = climbReal(acquisition, search, start, options)
  if (encoding.discreteGenes.length === 0) return best
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const stepped = stepDiscrete(acquisition, search, best)
    if (!(stepped.value > best.value)) return best
    best = climbReal(acquisition, search, stepped.genome, options)
  }
  return best
}

function climbReal(acquisition: Acquisition, search: Search, start: Genome, options: MaximizeOptions): Maximum {
  const { encoding, region } = search
  const inputs = encoding.encode(start)
  const activity = encoding.activity(start)
  const moving = encoding.realGenes.filter(i => activity[i] === 1)
  if (moving.length === 0) return { genome: start, value: acquisition.evaluate(inputs) }
  const slopes = new Float64Array(inputs.length)
  const coordinates = moving.map(i => encoding.inputOf[i]!)
  const end = minimizeBounded(
    {
      low: Float64Array.from(moving, i => region.low[i]!),
      high: Float64Array.from(moving, i => region.high[i]!),
      evaluate: (x, gradient) => {
        for (let k = 0; k < x.length; k++) inputs[coordinates[k]!] = x[k]!
        const value = acquisition.evaluate(inputs, slopes)
        for (let k = 0; k < x.length; k++) gradient[k] = -slopes[coordinates[k]!]!
        return -value
      },
    },
    Float64Array.from(moving, (i, k) => clip(inputs[coordinates[k]!]!, region.low[i]!, region.high[i]!)),
    { maxIterations: options.maxIterations, gradientTolerance: 1e-5, valueTolerance: 1e-7, firstStep: 0.1 },
  )
  const point = encoding.pointOf(start)
  for (const [k, i] of moving.entries()) point[i] = end.x[k]!
  return { genome: encoding.decode(point), value: -end.value }
}

/** The best of all changes of a single discrete gene. */
function stepDiscrete(acquisition: Acquisition, search: Search, from: Maximum): Maximum {
  const { encoding, region, rng } = search
  const activity = encoding.activity(from.genome)
  const moves: Genome[] = []
  for (const i of encoding.discreteGenes) {
    if (activity[i] === 0) continue
    for (const coordinate of cellsOf(
      encoding.domain.genes[i]!,
      from.genome[i]!,
      region.low[i]!,
      region.high[i]!,
      rng,
    )) {
      const point = encoding.pointOf(from.genome)
      point[i] = coordinate
      moves.push(encoding.decode(point))
    }
  }
  if (moves.length === 0) return from
  const width = encoding.numeric + encoding.categorical
  const inputs = new Float64Array(moves.length * width)
  for (const [k, genome] of moves.entries()) inputs.set(encoding.encode(genome), k * width)
  const values = acquisition.evaluateMany(inputs, moves.length)
  let best = from
  for (const [k, genome] of moves.entries()) {
    if (values[k]! > best.value + 1e-9 * Math.abs(best.value)) best = { genome, value: values[k]! }
  }
  return best
}

/** Middles of the cells to try for a gene, besides the present one: all of few; of many, the neighbours and some at random. */
function cellsOf(gene: Gene, value: number, low: number, high: number, rng: Rng): number[] {
  if (gene.kind === 'real') return []
  const first = gene.kind === 'integer' ? gene.low : 0
  const cells = gene.kind === 'integer' ? gene.high - gene.low + 1 : gene.choices.length
  const present = value - first
  const indices =
    cells <= MAX_CHOICES
      ? Array.from({ length: cells }, (_, c) => c)
      : [present - 1, present + 1, ...Array.from({ length: MAX_CHOICES - 2 }, () => rng.integer(0, cells))]
  return indices
    .filter(c => c !== present && c >= 0 && c < cells)
    .map(c => (c + 0.5) / cells)
    .filter(u => (u >= low && u <= high) || gene.kind === 'categorical')
}

/** The point, most of its genes put back to the centre's where there are many; at least one is not. */
function partlyAt(centre: Float64Array, point: Float64Array, rng: Rng): Float64Array {
  const share = Math.min(1, MOVED_GENES / point.length)
  const forced = rng.integer(0, point.length)
  return point.map((u, i) => (i === forced || rng.uniform() < share ? u : centre[i]!))
}

function uniformPoint(region: Region, rng: Rng): Float64Array {
  return region.low.map((low, i) => low + rng.uniform() * (region.high[i]! - low))
}

function scaled(point: Float64Array, region: Region): Float64Array {
  return point.map((u, i) => region.low[i]! + u * (region.high[i]! - region.low[i]!))
}

function zeros(search: Search): Float64Array {
  return new Float64Array(search.region.low.length)
}

function ones(search: Search): Float64Array {
  return new Float64Array(search.region.low.length).fill(1)
}

function clip(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value))
}
