import type { Gene, RealGene } from '../candidate.ts'
import { ConfigError, nearest, show } from '../errors.ts'
import { type GenomeConfig, type GroupRule, methodNames, type RangeConfig } from './genome-config.ts'
import { indexLayers, type LayerIndex, layerOf, type Place } from './layer-groups.ts'
import { canonicalJson, type RecipeGroup } from './recipe.ts'
import { searchableMethod } from './searchable-methods.ts'

/** A recipe coefficient as a function of the genome: constant + Σ factor · gene. Frozen: no terms. Own or shared gene: one term. */
export interface AffineWeight {
  readonly constant: number
  readonly terms: readonly { readonly gene: string; readonly factor: number }[]
}

/** One recipe group of the space, with a weight per source. */
export interface SpaceGroup {
  readonly layers: RecipeGroup['layers']
  readonly filter: string | undefined
  /** Not empty. */
  readonly tensors: readonly string[]
  readonly weights: ReadonlyMap<string, AffineWeight> // source id → weight
}

/** Everything that decode and encode need. */
export interface SpaceLayout {
  readonly genes: readonly Gene[]
  readonly position: ReadonlyMap<string, number> // gene name → index
  readonly methods: readonly string[]
  readonly sources: readonly string[]
  readonly base: string | undefined
  readonly normalize: boolean | undefined // undefined: the method's default
  readonly lambda: number | 'gene'
  readonly groups: readonly SpaceGroup[]
  readonly index: LayerIndex
}

/** A part of the depth of the model that has one weight per filter and source. */
interface Part {
  readonly name: string // first part of its genes' names
  readonly layers: RecipeGroup['layers']
  /** Position among the layer groups, for parts that are one. */
  readonly chunk: number | undefined
  readonly tensors: readonly string[]
}

/** Lays a checked `genome:` section out over the tensors. @throws {ConfigError} naming the key. */
export function layOut(
  config: GenomeConfig,
  tensorNames: readonly string[],
  sources: readonly string[],
  base: string | undefined,
): SpaceLayout {
  const methods = methodNames(config)
  const index = indexLayers(tensorNames)
  const parts = partsOf(config, tensorNames, index)
  const chunks = parts.filter(part => part.chunk !== undefined)
  const points = controlPoints(config, index, chunks.length)
  const genes = new Map<string, Gene>()
  const declared = new Map<string, RealGene>()
  const usedRules = new Set<number>()

  if (methods.length > 1) genes.set('method', { kind: 'categorical', name: 'method', choices: methods, initial: 0 })
  if (typeof config.lambda === 'object') {
    const searched = methods.flatMap((name, i) => (searchableMethod(name)!.hasLambda ? [i] : []))
    genes.set('lambda', {
      ...realGene('lambda', config.lambda, 1),
      ...(methods.length > 1 ? { activeWhen: { gene: 'method', oneOf: searched } } : {}),
    })
  }

  const weightMax = Math.max(...methods.map(name => searchableMethod(name)!.weightMax))
  const defaultRange: RangeConfig = config.weight ?? {
    min: config.allow_negative_weights ? -weightMax : 0,
    max: weightMax,
  }
  const average = 1 / sources.length

  /** Genes that several weights share must agree on their range. */
  const declare = (name: string, range: RangeConfig, rule: number): string => {
    const gene = realGene(name, range, average)
    const other = declared.get(name)
    if (other !== undefined && canonicalJson(other) !== canonicalJson(gene)) {
      throw keyError(
        ['groups', rule],
        `the gene ${show(name)} is shared with entries that give it another range; give them all the same`,
      )
    }
    declared.set(name, gene)
    return name
  }

  const weightOf = (part: Part, filter: string | undefined, source: string): AffineWeight => {
    const ruleIndex = config.groups.findIndex((rule, i) => matches(rule, i, part, filter, source))
    const rule = config.groups[ruleIndex]
    if (ruleIndex >= 0) usedRules.add(ruleIndex)
    const range = rule?.weight ?? defaultRange
    const outside = part.layers === 'pre' || part.layers === 'post'
    const addressed = rule?.match.layers === 'pre' || rule?.match.layers === 'post'
    if (outside && config.embeddings === 'first' && !addressed && chunks.length > 0) {
      return weightOf(part.layers === 'pre' ? chunks[0]! : chunks[chunks.length - 1]!, filter, source)
    }
    if (rule?.frozen !== undefined) return { constant: rule.frozen, terms: [] }
    if (outside && config.embeddings === 'frozen' && !addressed) {
      return { constant: realGene('', range, average).initial, terms: [] }
    }
    const suffix = config.filters.length === 0 ? '' : `:${filter ?? '*'}`
    if (part.chunk === undefined || points === undefined) {
      const name = rule?.share === undefined ? `${part.name}${suffix}/${source}/weight` : `shared.${rule.share}/weight`
      return { constant: 0, terms: [{ gene: declare(name, range, ruleIndex), factor: 1 }] }
    }
    const terms = interpolation(part.chunk, chunks.length, points).map(({ point, factor }) => {
      const own = `gradient.${point}${suffix}/${source}/weight`
      const name = rule?.share === undefined ? own : `shared.${rule.share}.${point}/weight`
      return { gene: declare(name, range, ruleIndex), factor }
    })
    return { constant: 0, terms }
  }

  const byFilter = (name: string) => config.filters.find(filter => name.includes(filter))
  checkFilters(config.filters, tensorNames)
  const groups: SpaceGroup[] = []
  for (const part of parts) {
    for (const filter of [...config.filters, undefined]) {
      const tensors = part.tensors.filter(name => byFilter(name) === filter)
      if (tensors.length === 0) continue
      const weights = new Map<string, AffineWeight>()
      for (const source of sources) {
        const weight = weightOf(part, filter, source)
        weights.set(source, weight)
        for (const { gene } of weight.terms) genes.set(gene, declared.get(gene)!)
      }
      groups.push({ layers: part.layers, filter, tensors, weights })
    }
  }

  const idle = config.groups.findIndex((_, i) => !usedRules.has(i))
  if (idle >= 0) {
    throw keyError(['groups', idle], 'this entry decides no weight: nothing matches it, or earlier entries match first')
  }
  if (genes.size === 0) {
    throw keyError([], 'there is nothing to search: every weight is frozen; free at least one of them in "groups"')
  }
  return {
    genes: [...genes.values()],
    position: new Map([...genes.keys()].map((name, i) => [name, i])),
    methods,
    sources,
    base,
    normalize: config.normalize,
    lambda: typeof config.lambda === 'object' ? 'gene' : (config.lambda ?? 1),
    groups,
    index,
  }
}

function realGene(name: string, range: RangeConfig, fallback: number): RealGene {
  return {
    kind: 'real',
    name,
    low: range.min,
    high: range.max,
    scale: range.scale ?? 'linear',
    initial: range.initial ?? Math.min(range.max, Math.max(range.min, fallback)),
  }
}

/** The parts of the depth, in order: what is before the layers, groups of consecutive layers, what is after. */
function partsOf(config: GenomeConfig, tensorNames: readonly string[], index: LayerIndex): Part[] {
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
function controlPoints(config: GenomeConfig, index: LayerIndex, chunks: number): number | undefined {
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
function interpolation(chunk: number, chunks: number, points: number): { point: number; factor: number }[] {
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

function matches(rule: GroupRule, position: number, part: Part, filter: string | undefined, source: string): boolean {
  const { match } = rule
  if (match.source !== undefined && match.source !== source) return false
  if (match.filter !== undefined && match.filter !== (filter ?? '*')) return false
  if (match.layers === undefined) return true
  if (typeof match.layers === 'string') return match.layers === part.layers
  if (typeof part.layers === 'string') return false
  const [first, end] = typeof match.layers === 'number' ? [match.layers, match.layers + 1] : match.layers
  const [partFirst, partEnd] = part.layers
  if (first >= partEnd || end <= partFirst) return false
  if (first > partFirst || end < partEnd) {
    throw keyError(
      ['groups', position, 'match', 'layers'],
      `[${first}, ${end}) cuts the layer group ${part.name}, which is [${partFirst}, ${partEnd}); match whole groups or lower layer_granularity`,
    )
  }
  return true
}

function checkFilters(filters: readonly string[], tensorNames: readonly string[]): void {
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
