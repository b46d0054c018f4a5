import { z } from 'zod'
import type { Domain, Genome } from '../../candidate.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'
import type { Objective } from '../../objective.ts'
import { normalizeLosses } from '../../scalarization.ts'
import { atWeights, sourceGenes } from './design.ts'
import { fitSurrogate, type SurrogateChoice } from './surrogate.ts'

/**
 * Nested MAP: sources are merged pair by pair (L. Li et al., "MAP", ICLR 2025). Each pair spans a plane of two scales; a
 * quadratic in two variables needs six coefficients, however many genes there are. The best point of the plane for the pair's
 * objectives becomes one node, nodes are paired again, and after log2 K levels K sources are one candidate: about 8 K evaluations in all.
 *
 * A pass serves one preference, a weight per objective; the next pass has another one and so finds another part of the front.
 */
export interface Node {
  /** All weight genes outside the node's own sources are 0 (or as near as the bounds allow). */
  readonly genome: Genome
  readonly objectives: readonly number[] // that its sources are best at
}

export interface Tree {
  readonly preference: readonly number[] // shape (m,), positive, sums to 1
  readonly nodes: readonly Node[]
  /** Indices of the nodes whose planes are being sampled. A node without a partner goes up one level as it is. */
  readonly pairs: readonly (readonly [number, number])[]
}

export const treeSchema = z.strictObject({
  preference: z.array(z.number()),
  nodes: z.array(z.strictObject({ genome: z.string(), objectives: z.array(z.number().int()) })),
  pairs: z.array(z.tuple([z.number().int(), z.number().int()])),
})

/** What has been measured: genomes, shape (n, d), and losses, shape (n, m). */
export interface Measured {
  readonly genomes: readonly Genome[]
  readonly losses: readonly Float64Array[]
}

/** Scales of the two nodes of a pair; with the nodes themselves, (1, 0) and (0, 1), enough for six coefficients. */
const PLANE: readonly (readonly [number, number])[] = [
  [1, 1],
  [0.5, 0.5],
  [1, 0.5],
  [0.5, 1],
  [0.75, 0.25],
  [0.25, 0.75],
]
/** Steps per scale in the search of a plane. */
const GRID = 40
/** Share of the mean beside the worst, to break ties, as in `scalarization.ts`. */
const MEAN_SHARE = 0.05
/** A genome this near to a plane, relative to its own size, lies in it. */
const IN_PLANE = 1e-9

/** Evaluations of one pass over K sources. */
export function passEvaluations(sources: number): number {
  return sources + (sources - 1) * (PLANE.length + 2)
}

/** One node per source: the source alone. */
export function leafGenomes(domain: Domain): Genome[] {
  return sourceGenes(domain).map(genes => atWeights(domain, i => (genes.includes(i) ? 1 : 0)))
}

/** The tree's lowest level, once the leaves have been measured. Each objective belongs to the source that alone is best at it. */
export function plantTree(
  domain: Domain,
  objectives: readonly Objective[],
  measured: Measured,
  preference: readonly number[],
): Tree {
  const leaves = leafGenomes(domain)
  const losses = leaves.map(leaf => lossesAt(leaf, measured))
  const owned = leaves.map((): number[] => [])
  for (const k of objectives.keys()) {
    let owner = 0
    for (const [i, row] of losses.entries()) if ((row?.[k] ?? Infinity) < (losses[owner]?.[k] ?? Infinity)) owner = i
    owned[owner]!.push(k)
  }
  const nodes = leaves.map((genome, i) => ({ genome, objectives: owned[i]! }))
  return withPairs(nodes, objectives, measured, preference)
}

/** Genomes that have to be measured before {@link climb}: the nodes of every pair and points of its plane. */
export function levelGenomes(domain: Domain, { nodes, pairs }: Tree): Genome[] {
  const origin = atWeights(domain, () => 0)
  return pairs.flatMap(([a, b]) => {
    const [first, second] = [nodes[a]!.genome, nodes[b]!.genome]
    return [first, second, ...PLANE.map(([x, y]) => inPlane(domain, origin, first, second, x, y))]
  })
}

/** The next level: each pair becomes the best point of its plane. One node, no pairs: the pass is over. */
export function climb(
  domain: Domain,
  objectives: readonly Objective[],
  measured: Measured,
  tree: Tree,
  link: SurrogateChoice['link'],
): Tree {
  const origin = atWeights(domain, () => 0)
  const paired = new Set(tree.pairs.flat())
  const merged = tree.pairs.map(([a, b]): Node => {
    const [first, second] = [tree.nodes[a]!, tree.nodes[b]!]
    const own = [...first.objectives, ...second.objectives].sort((i, j) => i - j)
    const wanted = own.length > 0 ? own : objectives.map((_, k) => k)
    const plane = { origin, first: first.genome, second: second.genome }
    const [x, y] = bestScales(objectives, measured, plane, wanted, tree.preference, link)
    return { genome: inPlane(domain, origin, first.genome, second.genome, x, y), objectives: own }
  })
  const nodes = [...merged, ...tree.nodes.filter((_, i) => !paired.has(i))]
  return withPairs(nodes, objectives, measured, tree.preference)
}

/** Neighbours in how well they do: the paper pairs the tasks with the closest accuracies. */
function withPairs(
  nodes: readonly Node[],
  objectives: readonly Objective[],
  measured: Measured,
  preference: readonly number[],
): Tree {
  const worth = nodes.map(node => {
    const losses = lossesAt(node.genome, measured)
    if (losses === undefined) return Infinity // failed, or not measured yet
    const normalized = normalizeLosses([...losses], objectives)
    const own = node.objectives.length > 0 ? node.objectives : objectives.map((_, k) => k)
    return own.reduce((sum, k) => sum + normalized[k]!, 0) / own.length
  })
  const order = nodes.map((_, i) => i).sort((i, j) => (worth[i]! < worth[j]! ? -1 : worth[i]! > worth[j]! ? 1 : i - j))
  const pairs: [number, number][] = []
  for (let i = 0; i + 1 < order.length; i += 2) pairs.push([order[i]!, order[i + 1]!])
  return { preference, nodes, pairs }
}

/** The scales whose predicted losses have the least weighted worst, ties by the mean; (1/2, 1/2) where nothing can be predicted. */
function bestScales(
  objectives: readonly Objective[],
  measured: Measured,
  plane: { readonly origin: Genome; readonly first: Genome; readonly second: Genome },
  wanted: readonly number[],
  preference: readonly number[],
  link: SurrogateChoice['link'],
): readonly [number, number] {
  const points: Float64Array[] = []
  const rows: Float64Array[] = []
  for (const [i, genome] of measured.genomes.entries()) {
    const scales = scalesIn(plane, genome)
    if (scales === undefined) continue
    points.push(scales)
    rows.push(measured.losses[i]!)
  }
  const n = rows.length
  const ones = new Float64Array(n).fill(1)
  const surrogates = wanted.map(k => {
    const sign = objectives[k]!.direction === 'minimize' ? 1 : -1
    const values = Float64Array.from(rows, row => sign * row[k]!)
    const data = { points, values, examples: new Float64Array(n), focus: ones }
    return fitSurrogate(objectives[k]!, data, { link, model: 'auto' })
  })
  let best: readonly [number, number] = [0.5, 0.5]
  let least = Infinity
  for (let i = 0; i <= GRID; i++) {
    for (let j = 0; j <= GRID; j++) {
      const scales = Float64Array.of(i / GRID, j / GRID)
      let worst = -Infinity
      let sum = 0
      for (const [at, k] of wanted.entries()) {
        const surrogate = surrogates[at]
        if (surrogate === undefined) return best
        const [normalized] = normalizeLosses([surrogate.loss(scales)], [objectives[k]!])
        const term = preference[k]! * normalized!
        worst = Math.max(worst, term)
        sum += term
      }
      const value = worst + (MEAN_SHARE * sum) / wanted.length
      if (value < least) {
        least = value
        best = [i / GRID, j / GRID]
      }
    }
  }
  return best
}

/** origin + x (first - origin) + y (second - origin): the nodes' sources differ, so each gene has one of the two terms. */
function inPlane(domain: Domain, origin: Genome, first: Genome, second: Genome, x: number, y: number): Genome {
  return Float64Array.from(domain.genes, (gene, i) => {
    const value = origin[i]! + x * (first[i]! - origin[i]!) + y * (second[i]! - origin[i]!)
    return gene.kind === 'integer' ? Math.round(value) : value
  })
}

/** The scales of a genome that lies in the plane, between 0 and 1. */
function scalesIn(
  { origin, first, second }: { readonly origin: Genome; readonly first: Genome; readonly second: Genome },
  genome: Genome,
): Float64Array | undefined {
  const scale = (node: Genome): number => {
    let product = 0
    let squares = 0
    for (let i = 0; i < node.length; i++) {
      product += (genome[i]! - origin[i]!) * (node[i]! - origin[i]!)
      squares += (node[i]! - origin[i]!) ** 2
    }
    return squares > 0 ? product / squares : 0
  }
  const [x, y] = [scale(first), scale(second)]
  let off = 0
  let size = 0
  for (let i = 0; i < genome.length; i++) {
    const [u, v] = [first[i]! - origin[i]!, second[i]! - origin[i]!]
    off = Math.max(off, Math.abs(genome[i]! - origin[i]! - x * u - y * v))
    size = Math.max(size, Math.abs(u), Math.abs(v))
  }
  const inRange = x > -IN_PLANE && x < 1 + IN_PLANE && y > -IN_PLANE && y < 1 + IN_PLANE
  return inRange && off <= IN_PLANE * size ? Float64Array.of(x, y) : undefined
}

function lossesAt(genome: Genome, { genomes, losses }: Measured): Float64Array | undefined {
  const at = genomes.findIndex(other => other.every((value, i) => Math.abs(value - genome[i]!) < IN_PLANE))
  return at < 0 ? undefined : losses[at]
}

export function treeState(tree: Tree): z.infer<typeof treeSchema> {
  return {
    preference: [...tree.preference],
    nodes: tree.nodes.map(({ genome, objectives }) => ({ genome: encodeFloat64(genome), objectives: [...objectives] })),
    pairs: tree.pairs.map(([a, b]) => [a, b]),
  }
}

export function restoreTree(state: z.infer<typeof treeSchema>, d: number): Tree {
  return {
    preference: state.preference,
    nodes: state.nodes.map(({ genome, objectives }) => ({ genome: decodeFloat64(genome, d), objectives })),
    pairs: state.pairs,
  }
}
