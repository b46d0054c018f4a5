import type { CategoricalGene, Condition, Gene, IntegerGene, RealGene } from '../candidate.ts'
import { show } from '../errors.ts'
import type { MergeOperator } from '../merge/operators/operator.ts'
import { type GenomeConfig, hasMethodPerGroup, methodNames } from './genome-config.ts'
import { matchingRule } from './group-rules.ts'
import { indexLayers, type LayerIndex } from './layer-groups.ts'
import {
  COEFFICIENTS,
  type CoefficientName,
  coefficientOf,
  isModelWide,
  parameterOf,
  parametersOf,
  SEARCHED_BY_DEFAULT,
  searchableMethod,
} from './methods.ts'
import { checkFilters, controlPoints, interpolation, keyError, type Part, partsOf } from './parts.ts'
import { canonicalJson, type RecipeGroup } from './recipe.ts'
import type { ParameterSetting, RangeConfig, Value } from './search-range.ts'

/** A number of a recipe as a function of the genome: constant + Σ factor · gene. Held: no terms. Own or shared gene: one term. */
export interface AffineValue {
  readonly constant: number
  readonly terms: readonly { readonly gene: string; readonly factor: number }[]
}

/** A parameter of the method: held, a number, or what an integer or categorical gene says. */
export type ParameterSource =
  | { readonly value: Value }
  | { readonly affine: AffineValue }
  | { readonly gene: string; readonly choices: readonly Value[] | undefined }

/** One recipe group of the space. */
export interface SpaceGroup {
  readonly layers: RecipeGroup['layers']
  readonly filter: string | undefined
  /** Not empty. */
  readonly tensors: readonly string[]
  /** Gene of its method, where groups have their own. */
  readonly method: string | undefined
  /** Those that groups have of their own. */
  readonly parameters: ReadonlyMap<string, ParameterSource>
  /** Source id → name → value; names without an entry have the method's default. */
  readonly coefficients: ReadonlyMap<string, ReadonlyMap<string, AffineValue>>
}

/** Everything that decode and encode need. */
export interface SpaceLayout {
  readonly genes: readonly Gene[]
  readonly position: ReadonlyMap<string, number> // gene name → index
  readonly methods: readonly MergeOperator[]
  readonly methodPerGroup: boolean
  readonly sources: readonly string[]
  readonly base: string | undefined
  /** Those of the whole model; names in neither place have the method's default. */
  readonly parameters: ReadonlyMap<string, ParameterSource>
  /** Whether genes `subset/ID` switch sources off. */
  readonly subset: boolean
  readonly groups: readonly SpaceGroup[]
  readonly index: LayerIndex
}

/** On is the first choice of a `subset/ID` gene. */
export const ON = 0

/** Lays a checked `genome:` section out over the tensors. @throws {ConfigError} naming the key. */
export function layOut(
  config: GenomeConfig,
  tensorNames: readonly string[],
  sources: readonly string[],
  base: string | undefined,
): SpaceLayout {
  const layout = new Layout(config, tensorNames, sources)
  const parameters = layout.modelParameters()
  if (config.subset) layout.declareSubset()
  checkFilters(config.filters, tensorNames)
  const groups = layout.groups()
  layout.requireUse()
  const genes = layout.genes()
  return {
    genes,
    position: new Map(genes.map(({ name }, i) => [name, i])),
    methods: layout.methods,
    methodPerGroup: layout.methodPerGroup,
    sources,
    base,
    parameters,
    subset: config.subset,
    groups,
    index: layout.index,
  }
}

class Layout {
  readonly methods: readonly MergeOperator[]
  readonly methodPerGroup: boolean
  readonly index: LayerIndex
  readonly #config: GenomeConfig
  readonly #sources: readonly string[]
  readonly #parts: readonly Part[]
  readonly #chunks: readonly Part[]
  readonly #points: number | undefined
  readonly #genes = new Map<string, Gene>()
  readonly #usedRules = new Set<number>()
  readonly #settings: ReadonlyMap<string, ParameterSetting>

  constructor(config: GenomeConfig, tensorNames: readonly string[], sources: readonly string[]) {
    this.#config = config
    this.#sources = sources
    this.methods = methodNames(config).map(name => searchableMethod(name)!)
    this.methodPerGroup = hasMethodPerGroup(config) && this.methods.length > 1
    this.index = indexLayers(tensorNames)
    this.#parts = partsOf(config, tensorNames, this.index)
    this.#chunks = this.#parts.filter(part => part.chunk !== undefined)
    this.#points = controlPoints(config, this.index, this.#chunks.length)
    this.#settings = this.#parameterSettings()
    if (this.methods.length > 1 && !this.methodPerGroup) this.#declareMethod('method')
  }

  genes(): readonly Gene[] {
    return [...this.#genes.values()]
  }

  modelParameters(): ReadonlyMap<string, ParameterSource> {
    const sources = new Map<string, ParameterSource>()
    for (const [name, setting] of this.#settings) {
      if (this.#isGrouped(name)) continue
      if (typeof setting !== 'object') {
        if (!this.#isDefault(name, setting)) sources.set(name, { value: setting })
      } else sources.set(name, this.#parameter(name, setting, name, this.#condition(name, parameterOf, 'method')))
    }
    return sources
  }

  declareSubset(): void {
    for (const source of this.#sources) {
      const gene: Gene = { kind: 'categorical', name: `subset/${source}`, choices: [true, false], initial: ON }
      this.#declare(withCondition(gene, this.#condition('weight', coefficientOf, 'method')), -1)
    }
  }

  groups(): SpaceGroup[] {
    const { filters } = this.#config
    const byFilter = (name: string) => filters.find(filter => name.includes(filter))
    const groups: SpaceGroup[] = []
    for (const part of this.#parts) {
      for (const filter of [...filters, undefined]) {
        const tensors = part.tensors.filter(name => byFilter(name) === filter)
        if (tensors.length > 0) groups.push({ layers: part.layers, filter, tensors, ...this.#group(part, filter) })
      }
    }
    return groups
  }

  /** @throws {ConfigError} for entries that decide nothing, and where there is nothing to search. */
  requireUse(): void {
    const idle = this.#config.groups.findIndex((_, i) => !this.#usedRules.has(i))
    if (idle >= 0) {
      throw keyError(['groups', idle], 'this entry decides nothing: nothing matches it, or earlier entries match first')
    }
    if (this.#genes.size > 0) return
    const names = this.methods.map(method => method.name).join(' and ')
    if (this.methods.some(method => method.coefficients.some(({ name }) => SEARCHED_BY_DEFAULT.includes(name)))) {
      throw keyError([], 'there is nothing to search: every weight is frozen; free at least one of them in "groups"')
    }
    const coefficients = this.methods.flatMap(method => method.coefficients.map(({ name }) => name))
    const parameters = this.methods.flatMap(method => parametersOf(method).map(({ name }) => `parameters.${name}`))
    const known = [...new Set([...coefficients, ...parameters])]
    throw keyError(
      [],
      known.length === 0
        ? `there is nothing to search: ${names} has no numbers to choose`
        : `there is nothing to search: ${names} has no weights; give a range or choices for ${known.join(' or ')}`,
    )
  }

  #group(part: Part, filter: string | undefined): Pick<SpaceGroup, 'method' | 'parameters' | 'coefficients'> {
    const held = this.#isOutside(part) && this.#config.embeddings === 'frozen'
    const place = this.#ruler(part)
    const prefix = `${place.name}${this.#suffix(filter)}`
    const method = this.methodPerGroup && !held ? this.#declareMethod(`${prefix}/method`) : undefined

    const parameters = new Map<string, ParameterSource>()
    for (const [name, setting] of this.#settings) {
      if (typeof setting !== 'object' || !this.#isGrouped(name)) continue
      const condition = this.#condition(name, parameterOf, method ?? 'method')
      if (held) parameters.set(name, { value: this.#initial(name, setting) })
      else parameters.set(name, this.#parameter(name, setting, `${prefix}/${name}`, condition, place, filter))
    }
    const coefficients = new Map(
      this.#sources.map(source => {
        const values = COEFFICIENTS.flatMap((name): [string, AffineValue][] => {
          const value = this.#coefficient(name, part, filter, source, method)
          return value === undefined ? [] : [[name, value]]
        })
        return [source, new Map(values)] as const
      }),
    )
    return { method, parameters, coefficients }
  }

  #coefficient(
    name: CoefficientName,
    part: Part,
    filter: string | undefined,
    source: string,
    method: string | undefined,
  ): AffineValue | undefined {
    const holders = this.methods.flatMap(operator => coefficientOf(operator, name) ?? [])
    if (holders.length === 0) return undefined
    const { rule, position } = matchingRule(this.#config.groups, name, part, filter, source)
    if (rule !== undefined) this.#usedRules.add(position)
    const setting = this.#coefficientSetting(name, rule?.[name] ?? (name === 'weight' ? rule?.frozen : undefined))
    if (setting === undefined) return undefined
    const addressed = rule?.match.layers === 'pre' || rule?.match.layers === 'post'
    const outside = this.#isOutside(part) && !addressed
    const place = this.#ruler(part)
    if (outside && place !== part) return this.#coefficient(name, place, filter, source, method)
    if (typeof setting === 'number') return { constant: setting, terms: [] }
    const fallback =
      name === 'weight' ? 1 / this.#sources.length : holders.find(holder => holder.default !== undefined)?.default
    const gene = (geneName: string) =>
      withCondition(
        realGene(geneName, setting, fallback),
        this.#condition(name, coefficientOf, method ?? 'method') ??
          (this.#config.subset ? { gene: `subset/${source}`, oneOf: [ON] } : undefined),
      )
    if (outside && this.#config.embeddings === 'frozen') return { constant: gene('').initial, terms: [] }
    return this.#spread(part, filter, `${source}/${name}`, rule?.share, name, gene, position)
  }

  /** The range of a coefficient, or the number it is held at; `undefined`: the method's default holds. */
  #coefficientSetting(name: CoefficientName, said: number | RangeConfig | undefined): number | RangeConfig | undefined {
    const setting = said ?? this.#config[name]
    if (setting !== undefined || !SEARCHED_BY_DEFAULT.includes(name)) return setting
    const ranges = this.methods.flatMap(method => coefficientOf(method, name)?.searchRange ?? [])
    const max = Math.max(...ranges)
    return { min: name === 'weight' && this.#config.allow_negative_weights ? -max : Math.min(...ranges), max }
  }

  #parameterSettings(): Map<string, ParameterSetting> {
    const { normalize, lambda, parameters } = this.#config
    const settings = new Map<string, ParameterSetting>()
    if (lambda !== undefined) settings.set('lambda', typeof lambda === 'number' ? lambda : { ...lambda, per: 'model' })
    if (normalize !== undefined) settings.set('normalize', normalize)
    for (const [name, setting] of Object.entries(parameters)) settings.set(name, setting)
    // What has no default must be searched.
    for (const parameter of this.methods.flatMap(parametersOf)) {
      if (parameter.kind !== 'number' || parameter.default !== undefined || settings.has(parameter.name)) continue
      const ranges = this.methods.flatMap(method => {
        const same = parameterOf(method, parameter.name)
        return same?.kind === 'number' ? same.searchRange : []
      })
      settings.set(parameter.name, { min: Math.min(...ranges), max: Math.max(...ranges) })
    }
    return settings
  }

  #isGrouped(name: string): boolean {
    const setting = this.#settings.get(name)
    if (typeof setting !== 'object' || setting.per === 'model') return false
    return !this.methods.some(method => parameterOf(method, name) !== undefined && isModelWide(method, name))
  }

  #default(name: string): Value | undefined {
    const holders = this.methods.flatMap(method => parameterOf(method, name) ?? [])
    return holders.find(holder => holder.default !== undefined)?.default
  }

  /** Of every method that has it: saying it changes nothing, in recipes neither. */
  #isDefault(name: string, value: Value): boolean {
    return this.methods.every(method => (parameterOf(method, name) ?? { default: value }).default === value)
  }

  #initial(name: string, setting: Exclude<ParameterSetting, Value>): Value {
    if ('choices' in setting) return setting.initial ?? setting.choices[0]!
    return this.#numberGene(name, name, setting).initial
  }

  #numberGene(name: string, geneName: string, setting: RangeConfig): RealGene | IntegerGene {
    const fallback = this.#default(name)
    const gene = realGene(geneName, setting, typeof fallback === 'number' ? fallback : undefined)
    const whole = this.methods.some(method => {
      const parameter = parameterOf(method, name)
      return parameter?.kind === 'number' && parameter.integer === true
    })
    if (!whole) return gene
    const { low, high, initial } = gene
    return { kind: 'integer', name: geneName, low, high, initial: Math.round(initial) }
  }

  #parameter(
    name: string,
    setting: Exclude<ParameterSetting, Value>,
    geneName: string,
    condition: Condition | undefined,
    part?: Part,
    filter?: string,
  ): ParameterSource {
    if ('choices' in setting) {
      const initial = setting.initial === undefined ? 0 : setting.choices.indexOf(setting.initial)
      const gene: CategoricalGene = { kind: 'categorical', name: geneName, choices: setting.choices, initial }
      return { gene: this.#declare(withCondition(gene, condition), -1), choices: setting.choices }
    }
    const gene = (own: string) => withCondition(this.#numberGene(name, own, setting), condition)
    if (gene(geneName).kind === 'integer') {
      return { gene: this.#declare(gene(geneName), -1), choices: undefined }
    }
    if (part === undefined) {
      return { affine: { constant: 0, terms: [{ gene: this.#declare(gene(geneName), -1), factor: 1 }] } }
    }
    return { affine: this.#spread(part, filter, name, undefined, name, gene, -1) }
  }

  /** Names a gene of a part: own or shared; or, with interpolation over depth, of the control points it lies between. */
  #spread(
    part: Part,
    filter: string | undefined,
    rest: string,
    share: string | undefined,
    name: string,
    gene: (name: string) => Gene,
    rule: number,
  ): AffineValue {
    const suffix = this.#suffix(filter)
    if (part.chunk === undefined || this.#points === undefined) {
      const full = share === undefined ? `${part.name}${suffix}/${rest}` : `shared.${share}/${name}`
      return { constant: 0, terms: [{ gene: this.#declare(gene(full), rule), factor: 1 }] }
    }
    const terms = interpolation(part.chunk, this.#chunks.length, this.#points).map(({ point, factor }) => {
      const full = share === undefined ? `gradient.${point}${suffix}/${rest}` : `shared.${share}.${point}/${name}`
      return { gene: this.#declare(gene(full), rule), factor }
    })
    return { constant: 0, terms }
  }

  #suffix(filter: string | undefined): string {
    return this.#config.filters.length === 0 ? '' : `:${filter ?? '*'}`
  }

  #isOutside(part: Part): boolean {
    return part.layers === 'pre' || part.layers === 'post'
  }

  /** The part whose genes a part has: what is outside the layers goes with the nearest layer group, unless it has its own. */
  #ruler(part: Part): Part {
    if (!this.#isOutside(part) || this.#config.embeddings !== 'first' || this.#chunks.length === 0) return part
    return part.layers === 'pre' ? this.#chunks[0]! : this.#chunks[this.#chunks.length - 1]!
  }

  #declareMethod(name: string): string {
    return this.#declare(
      { kind: 'categorical', name, choices: this.methods.map(method => method.name), initial: 0 },
      -1,
    )
  }

  /** Under which methods a name has a meaning; `undefined`: under all. */
  #condition(
    name: string,
    find: (method: MergeOperator, name: string) => unknown,
    gene: string,
  ): Condition | undefined {
    const oneOf = this.methods.flatMap((method, i) => (find(method, name) === undefined ? [] : [i]))
    if (oneOf.length === this.methods.length || !(this.#genes.has(gene) || gene !== 'method')) return undefined
    return { gene, oneOf }
  }

  /** Genes that several coefficients share must agree on their range; if they matter under different conditions, they always matter. */
  #declare(gene: Gene, rule: number): string {
    const other = this.#genes.get(gene.name)
    if (other === undefined) {
      this.#genes.set(gene.name, gene)
      return gene.name
    }
    if (canonicalJson(withCondition(other, undefined)) !== canonicalJson(withCondition(gene, undefined))) {
      throw keyError(
        ['groups', rule],
        `the gene ${show(gene.name)} is shared with entries that give it another range; give them all the same`,
      )
    }
    if (canonicalJson(other) !== canonicalJson(gene)) this.#genes.set(gene.name, withCondition(gene, undefined))
    return gene.name
  }
}

function withCondition<G extends Gene>(gene: G, condition: Condition | undefined): G {
  const { activeWhen, ...bare } = gene
  return { ...bare, ...(condition && { activeWhen: condition }) } as G // the same kind of gene
}

/** Starts where it is said, else at the fallback or, without one, in the middle; inside the bounds. */
function realGene(name: string, range: RangeConfig, fallback: number | undefined): RealGene {
  const { min, max, scale = 'linear' } = range
  const middle = scale === 'log' ? Math.sqrt(min * max) : (min + max) / 2
  return {
    kind: 'real',
    name,
    low: min,
    high: max,
    scale,
    initial: range.initial ?? Math.min(max, Math.max(min, fallback ?? middle)),
  }
}
