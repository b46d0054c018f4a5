import { createHash } from 'node:crypto'
import type { Gene, PieceGeometry } from '../candidate.ts'
import { ConfigError, GenomeError, MergeError, show } from '../errors.ts'
import { checkGenome } from './check-genome.ts'
import type { GenomeConfig, PiecesConfig } from './genome-config.ts'
import { indexLayers, selectGroup } from './layer-groups.ts'
import { cellEnds, createPieceLine, type PieceLine, placeAt, positionOf } from './piece-line.ts'
import { canonical, fuse, type Piecewise, readPieces, writePieces } from './piecewise.ts'
import { canonicalJson, type ParameterMerge, type Recipe } from './recipe.ts'
import type { RangeConfig } from './search-range.ts'
import type { SearchSpace } from './search-space.ts'

/** What a space of pieces has to know of the models besides their tensors' names. Recorded with a run, so that it needs no models. */
export interface PieceFacts {
  /** Elements of each tensor, in the order of the names. */
  readonly elements: readonly number[]
  /**
   * Inner products of the sources in each cell of the line (see `cellEnds`): (i, j) with i <= j, row by row. Shape (G, S (S + 1) / 2).
   */
  readonly products: Float32Array
}

/** Highest weight unless the config says otherwise: halfway between two orthogonal models SLERP gives each sin 45° = 0.71, and children of children more. */
const WEIGHT_MAX = 1.5

/**
 * A space whose candidates are made of pieces of the models: see {@link PieceGeometry} for its genes, `pieces.1/start` ... and `pieces.0/low/weight` ...
 * @throws {ConfigError} naming the key, where the section does not fit the models.
 */
export function createPieceSpace(
  config: GenomeConfig & { readonly pieces: PiecesConfig },
  tensorNames: readonly string[],
  sources: readonly string[],
  facts: PieceFacts | undefined,
): SearchSpace {
  if (facts === undefined)
    throw new ConfigError('genome.pieces: this needs the models themselves, not only their tensors’ names.')
  const S = sources.length
  const { max: N, inside_tensors: inside } = config.pieces
  const line = createPieceLine(tensorNames.map((name, t) => ({ name, elements: facts.elements[t]! })))
  const ends = cellEnds(line, inside)
  const geometry: PieceGeometry = { sources: S, max: N, cells: ends.length, gram: prefixSums(facts.products, S) }
  const usual: RangeConfig = { min: config.allow_negative_weights ? -WEIGHT_MAX : 0, max: WEIGHT_MAX }
  const range = typeof config.weight === 'object' ? config.weight : usual
  const average = Math.min(range.max, Math.max(range.min, range.initial ?? 1 / S))
  const genes: Gene[] = []
  const real = (name: string, low: number, high: number, initial: number): void => {
    genes.push({ kind: 'real', name, low, high, scale: 'linear', initial })
  }
  for (let k = 1; k < N; k++) real(`pieces.${k}/start`, 0, 1, k / N)
  for (let k = 0; k < N; k++) for (const id of sources) real(`pieces.${k}/${id}/weight`, range.min, range.max, average)
  const domain = { genes, initial: Float64Array.from(genes, gene => gene.initial), pieces: geometry }
  const alone = (s: number): Piecewise => ({ ends: [ends.length], weights: [sources.map((_, i) => (i === s ? 1 : 0))] })
  const described = { genes, tensors: line.tensors, cells: ends.length, sources }
  return {
    ...domain,
    id: createHash('sha256').update(canonicalJson(described)).digest('hex').slice(0, 16),
    anchors: sources.map((_, s) => writePieces(alone(s), domain, geometry)),
    decode: genome => {
      checkGenome(genes, genome)
      return recipeOf(readPieces(genome, geometry), line, ends, sources)
    },
    encode: recipe => {
      const pieces = piecesOf(recipe, line, ends, sources)
      for (const row of pieces.weights) {
        for (const [s, w] of row.entries()) {
          if (w >= range.min && w <= range.max) continue
          throw new GenomeError(`Expected a weight in [${range.min}, ${range.max}], got ${w} for ${show(sources[s])}.`)
        }
      }
      return writePieces(fuse(pieces, N), domain, geometry)
    },
  }
}

function recipeOf(pieces: Piecewise, line: PieceLine, ends: readonly number[], sources: readonly string[]): Recipe {
  return {
    kind: 'piecewise-merge',
    method: 'linear',
    base: undefined,
    sources,
    parameters: { normalize: false },
    pieces: pieces.weights.map((row, k) => {
      const begin = k === 0 ? 0 : ends[pieces.ends[k - 1]! - 1]!
      return { from: placeAt(line, begin), weights: Object.fromEntries(sources.map((id, s) => [id, row[s]!])) }
    }),
  }
}

/** The recipe as pieces on the grid of cells: a breakpoint moves to the nearest end of a cell. */
function piecesOf(recipe: Recipe, line: PieceLine, ends: readonly number[], sources: readonly string[]): Piecewise {
  if (recipe.method !== 'linear' || canonicalJson(recipe.sources) !== canonicalJson(sources)) {
    throw new GenomeError(
      `Expected a linear combination of ${sources.map(id => show(id)).join(', ')}, got ${show(recipe.method)} of ${recipe.sources.map(id => show(id)).join(', ')}.`,
      { hint: 'A recipe can only start a search over the same models with the same method.' },
    )
  }
  try {
    const parts =
      recipe.kind === 'piecewise-merge'
        ? recipe.pieces.map(({ from, weights }) => ({ at: positionOf(line, from), weights }))
        : groupsOnLine(recipe, line)
    const starts = parts.map(({ at }) => nearestCell(ends, at))
    const weights = parts.map(part => sources.map(id => part.weights[id] ?? 0))
    return canonical([...starts.slice(1), ends.length], weights)
  } catch (error) {
    if (error instanceof MergeError) throw new GenomeError(error.message, { cause: error })
    throw error
  }
}

/** A merge by groups of tensors, one piece per tensor. */
function groupsOnLine(recipe: ParameterMerge, line: PieceLine) {
  const groupOf = selectGroup(recipe.groups, indexLayers(line.tensors.map(({ name }) => name)))
  return line.tensors.map(({ name, start }) => {
    const { coefficients } = recipe.groups[groupOf(name)]!
    const weights = Object.entries(coefficients).map(([id, { weight = 0 }]) => [id, weight] as const)
    const sum = weights.reduce((total, [, weight]) => total + weight, 0)
    const divisor = (recipe.parameters.normalize ?? true) ? sum : 1
    if (divisor === 0) throw new GenomeError(`The weights for ${show(name)} add up to zero.`)
    return { at: start, weights: Object.fromEntries(weights.map(([id, weight]) => [id, weight / divisor])) }
  })
}

/** How many cells end at the position or, of the ends around it, the nearer one. */
function nearestCell(ends: readonly number[], position: number): number {
  const after = ends.findIndex(end => end >= position)
  const [low, high] = [after === 0 ? 0 : ends[after - 1]!, ends[after]!]
  return position - low < high - position ? after : after + 1
}

/** Packed products per cell → full matrices of the first g cells, shape (G + 1, S, S). */
function prefixSums(products: Float32Array, S: number): Float64Array {
  const packed = (S * (S + 1)) / 2
  const G = products.length / packed
  const gram = new Float64Array((G + 1) * S * S)
  for (let g = 0; g < G; g++) {
    const [from, to] = [g * S * S, (g + 1) * S * S]
    for (let i = 0, p = g * packed; i < S; i++) {
      for (let j = i; j < S; j++, p++) {
        const sum = gram[from + i * S + j]! + products[p]!
        gram[to + i * S + j] = sum
        gram[to + j * S + i] = sum
      }
    }
  }
  return gram
}
