import { ConfigError, nearest, show } from '../errors.ts'
import type { GenomeConfig } from './genome-config.ts'
import { type LayerIndex, layerOf, type Place } from './layer-groups.ts'
import type { RecipeGroup } from './recipe.ts'

/** A part of the depth of the model that has genes of its own, per filter. */
export interface Part {
  readonly name: string // first part of its genes' names
  readonly layers: RecipeGroup['layers']
  /** Position among the layer groups, for parts that are one. */
  readonly chunk: number | undefined
  readonly tensors: readonly string[]
}

/** The parts of the depth, in order: what is before the layers, groups of consecutive layers, what is after. */
export function partsOf(config: GenomeConfig, tensorNames: readonly string[], index: LayerIndex): Part[] {
  if (tensorNames.length === 0) throw keyError([], 'the models have no tensors to merge')
  const graded = config.gradient !== undefined || config.layer_granularity !== undefined
  if (index.layers.length === 0 && graded) {
    throw keyError(
      [config.gradient ? 'gradient' : 'layer_granularity'],
      `needs numbered layers, but no tensor name has a number as in "layers.0.weight" (first name: ${show(tensorNames[0])}); use "filters" instead`,
    )
  }
  const size = layersPerChunk(config, index)
  const addressed = config.groups.some(rule => rule.match.layers !== undefined)
  if (index.layers.length <= size && config.embeddings === 'first' && !addressed) {
    return [{ name: 'all', layers: 'all', chunk: 0, tensors: tensorNames }]
  }

  const tensorsAt = new Map<Place, string[]>()
  for (const name of tensorNames) {
    const place = layerOf(name, index)
    const list = tensorsAt.get(place) ?? []
    list.push(name)
    tensorsAt.set(place, list)
  }
  const outside = (place: 'pre' | 'post'): Part[] => {
    const tensors = tensorsAt.get(place)
    return tensors ? [{ name: place, layers: place, chunk: undefined, tensors }] : []
  }
  const chunks: Part[] = []
  for (let i = 0; i < index.layers.length; i += size) {
    const layers = index.layers.slice(i, i + size)
    const [first, last] = [layers[0]!, layers[layers.length - 1]!]
    chunks.push({
      name: first === last ? `layers.${first}` : `layers.${first}-${last}`,
      layers: [first, last + 1],
      chunk: chunks.length,
      tensors: layers.flatMap(layer => tensorsAt.get(layer)!),
    })
  }
  return [...outside('pre'), ...chunks, ...outside('post')]
}

/** Layers per group that has a weight; with interpolation over single layers, one. */
function layersPerChunk(config: GenomeConfig, index: LayerIndex): number {
  if (config.gradient) return config.layer_granularity ?? 1
  const granularity = config.layer_granularity ?? Infinity
  return config.smooth && granularity < index.layers.length ? 1 : granularity
}

/** Number of control points over depth; `undefined`: no interpolation. */
export function controlPoints(config: GenomeConfig, index: LayerIndex, chunks: number): number | undefined {
  if (config.gradient) {
    if (config.gradient.points > chunks) {
      const unit = config.layer_granularity === undefined ? 'layers' : 'layer groups'
      throw keyError(
        ['gradient', 'points'],
        `expected at most ${chunks}, the number of ${unit}, got ${config.gradient.points}`,
      )
    }
    return config.gradient.points
  }
  if (config.smooth && config.layer_granularity !== undefined && chunks > 1) {
    return Math.ceil(index.layers.length / config.layer_granularity)
  }
  return undefined
}

/** Piecewise linear: chunk j of n between the control points it lies between, the ends falling on the first and last point. */
export function interpolation(chunk: number, chunks: number, points: number): { point: number; factor: number }[] {
  const s = chunks === 1 ? 0 : (chunk * (points - 1)) / (chunks - 1)
  const left = Math.min(Math.floor(s), points - 1)
  const f = s - left
  return f === 0
    ? [{ point: left, factor: 1 }]
    : [
        { point: left, factor: 1 - f },
        { point: left + 1, factor: f },
      ]
}

export function checkFilters(filters: readonly string[], tensorNames: readonly string[]): void {
  filters.forEach((filter, i) => {
    if (tensorNames.some(name => filters.find(other => name.includes(other)) === filter)) return
    const taken = tensorNames.find(name => name.includes(filter))
    if (taken !== undefined) {
      const earlier = filters.find(other => taken.includes(other))
      throw keyError(
        ['filters', i],
        `${show(filter)} is left no tensor: the earlier filter ${show(earlier)} takes ${show(taken)}; put ${show(filter)} before it`,
      )
    }
    const words = new Set(
      tensorNames
        .flatMap(name => [name, ...name.split(/[./]/), ...name.split(/[./_]/)])
        .filter(word => /[a-z]/i.test(word)),
    )
    const guess = nearest(filter, words)
    const examples = [...words]
      .filter(word => !word.includes('.'))
      .slice(0, 6)
      .map(word => show(word))
      .join(', ')
    throw keyError(
      ['filters', i],
      `${show(filter)} is part of no tensor name; ${guess === undefined ? `names are made of ${examples}, ...` : `did you mean ${show(guess)}?`}`,
    )
  })
}

/** The key as a user would say it: `genome.groups[0].match.layers`. */
export function keyError(path: readonly (string | number)[], message: string): ConfigError {
  const key = path.reduce<string>(
    (text, step) => text + (typeof step === 'number' ? `[${step}]` : `.${step}`),
    'genome',
  )
  return new ConfigError(`${key}: ${message}`)
}
