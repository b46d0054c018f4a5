import { MergeError, show } from '../../errors.ts'
import type { WeightDtype } from '../../formats/dtype.ts'
import { indexLayers, type LayerIndex, layerOf, type Place, selectGroup } from '../../space/layer-groups.ts'
import type { ParameterMerge, Recipe, RecipeGroup } from '../../space/recipe.ts'
import { settingsOf } from '../operators/apply.ts'
import type { MergeOperator, Settings } from '../operators/operator.ts'
import { findOperator } from '../operators/registry.ts'
import { isDescribed } from './architectures.ts'
import { evaluate, type FilteredValue, type ParameterValue, type Scalar } from './values.ts'
import { foreignParameters, isMergekitMethod } from './vocabulary.ts'

/** Recipes as mergekit configurations. Pure; `commands/export.ts` reads the models' headers. */

export interface ExportFacts {
  /** Float tensors that are merged, of any source. */
  readonly tensors: readonly { readonly name: string; readonly dtype: WeightDtype }[]
  /** Whether there are tensors of integers or booleans. */
  readonly hasOthers: boolean
  /** Source id → how mergekit names the model: a path, or `model+adapter`. */
  readonly models: ReadonlyMap<string, string>
  /** `model_type` of the models' config. */
  readonly modelType: string | undefined
}

/** A configuration as mergekit documents it; plain data, keys in the order of its documentation. */
export interface ExportedConfig {
  readonly merge_method: string
  readonly base_model?: string
  readonly models?: readonly ExportedModel[]
  readonly slices?: readonly ExportedSlice[]
  readonly parameters?: Parameters
  readonly dtype?: string
  readonly out_dtype?: string
}

type Parameters = Readonly<Record<string, ParameterValue>>

interface ExportedModel {
  readonly model: string
  readonly parameters?: Parameters
}

interface ExportedSlice {
  readonly sources: readonly (ExportedModel & { readonly layer_range: readonly [number, number] })[]
  readonly parameters?: Parameters
}

export interface MergekitExport {
  readonly config: ExportedConfig
  /** What mergekit will do differently; sentences. */
  readonly remarks: readonly string[]
}

const DTYPE_NAMES: Readonly<Record<WeightDtype, string | undefined>> = {
  BF16: 'bfloat16',
  F16: 'float16',
  F32: 'float32',
  // mergekit has no name for these, and keeps them where no type is asked for.
  F64: undefined,
  F8_E4M3: undefined,
  F8_E5M2: undefined,
}

/**
 * @throws {MergeError} that lists everything in the recipe that mergekit cannot express
 * @throws {ConfigError} where the recipe itself is wrong
 */
export function exportMergekit(recipe: Recipe, facts: ExportFacts): MergekitExport {
  if (recipe.kind === 'piecewise-merge') {
    throw inexpressible(['it is made of pieces that begin and end inside tensors, and mergekit merges whole tensors'])
  }
  const index = indexLayers(facts.tensors.map(({ name }) => name))
  const groupOf = selectGroup(recipe.groups, index)
  const governed = facts.tensors.map(({ name }) => ({ name, group: groupOf(name), place: layerOf(name, index) }))
  const used = [...new Set(governed.map(({ group }) => group))].sort((a, b) => a - b)
  const reasons = layerReasons(index)
  const operator = soleOperator(recipe, used, reasons)
  if (operator === undefined) throw inexpressible(reasons)
  const base = operator.base === 'none' ? undefined : recipe.base
  const settings = new Map(used.map(g => [g, groupSettings(recipe, recipe.groups[g]!, operator, base, g)]))
  for (const { parameters } of settings.values()) reasons.push(...foreignParameters(operator, parameters))
  const writer = new SliceWriter(recipe, operator, base, settings, facts, governed)
  const slices = segments(recipe.groups, index).map((segment, s, all) => writer.slice(segment, s, all.length))
  reasons.push(...writer.reasons)
  if (reasons.length > 0) throw inexpressible([...new Set(reasons)])
  const { types, remarks } = typesOf(facts)
  return {
    config: {
      merge_method: operator.name,
      ...(base !== undefined && { base_model: facts.models.get(base)! }),
      ...assemble(slices),
      ...types,
    },
    remarks: [...remarks, ...differences(operator, facts)],
  }
}

function inexpressible(reasons: readonly string[]): MergeError {
  return new MergeError(`mergekit cannot express this recipe: ${reasons.join('; ')}.`, {
    hint: 'Write the merged model itself, with "amalgam merge".',
  })
}

function layerReasons({ layers }: LayerIndex): string[] {
  const gap = layers.findIndex((layer, i) => layer !== i)
  if (gap < 0) return []
  return [`its layers are numbered ${layers.slice(0, 6).join(', ')}..., and mergekit counts from 0 without gaps`]
}

function soleOperator(recipe: ParameterMerge, used: readonly number[], reasons: string[]): MergeOperator | undefined {
  const names = [...new Set(used.map(g => recipe.groups[g]!.method ?? recipe.method))]
  if (names.length > 1) reasons.push(`it merges by ${names.join(', ')}, and a configuration has one method`)
  const foreign = names.filter(name => !isMergekitMethod(name))
  if (foreign.length > 0) reasons.push(`mergekit has no method ${foreign.join(', ')}`)
  const measured = names.filter(name => findOperator(name).needs !== undefined)
  if (measured.length > 0)
    reasons.push(
      `a configuration cannot name the files of statistics that ${measured.join(' and ')} need${measured.length === 1 ? 's' : ''}`,
    )
  return names.length === 1 && foreign.length === 0 ? findOperator(names[0]!) : undefined
}

function groupSettings(
  recipe: ParameterMerge,
  group: RecipeGroup,
  operator: MergeOperator,
  base: string | undefined,
  position: number,
): Settings {
  const { seed = 0, ...shared } = recipe.parameters
  const parameters = group.method === undefined ? { ...shared, ...group.parameters } : (group.parameters ?? {})
  const coefficients = recipe.sources.map(id => group.coefficients[id] ?? {})
  const given = { parameters, coefficients, seed: Number(seed) }
  return settingsOf(operator, given, base !== undefined, `group ${position + 1}`)
}

/** Layers [first, end) that the same groups of a recipe govern, those groups in order. */
interface Segment {
  readonly first: number
  readonly end: number
  readonly groups: readonly number[]
}

function segments(groups: readonly RecipeGroup[], { layers }: LayerIndex): Segment[] {
  const found: Segment[] = []
  for (const layer of layers) {
    const own = groupsOf(groups, layer)
    const last = found.at(-1)
    if (last !== undefined && last.groups.join() === own.join()) found[found.length - 1] = { ...last, end: layer + 1 }
    else found.push({ first: layer, end: layer + 1, groups: own })
  }
  // A model without layers is all outside of them.
  return found.length > 0 ? found : [{ first: 0, end: 0, groups: groupsOf(groups, undefined) }]
}

/** Groups that may govern a tensor of a layer, up to the first that takes all of them. */
function groupsOf(groups: readonly RecipeGroup[], layer: number | undefined): number[] {
  const found: number[] = []
  for (const [g, { layers, filter }] of groups.entries()) {
    const inside =
      layers === 'all' || (typeof layers !== 'string' && layer !== undefined && layer >= layers[0] && layer < layers[1])
    if (!inside) continue
    found.push(g)
    if (filter === undefined) break
  }
  return found
}

interface GovernedTensor {
  readonly name: string
  readonly group: number
  readonly place: Place
}

interface WrittenSlice {
  readonly segment: Segment
  readonly models: readonly ExportedModel[]
  readonly parameters: Parameters
}

class SliceWriter {
  readonly reasons: string[] = []
  readonly #recipe: ParameterMerge
  readonly #operator: MergeOperator
  readonly #base: string | undefined
  readonly #settings: ReadonlyMap<number, Settings>
  readonly #facts: ExportFacts
  readonly #governed: readonly GovernedTensor[]

  constructor(
    recipe: ParameterMerge,
    operator: MergeOperator,
    base: string | undefined,
    settings: ReadonlyMap<number, Settings>,
    facts: ExportFacts,
    governed: readonly GovernedTensor[],
  ) {
    this.#recipe = recipe
    this.#operator = operator
    this.#base = base
    this.#settings = settings
    this.#facts = facts
    this.#governed = governed
  }

  /** @param s, count which of how many slices: the first governs what comes before the layers, the last what comes after */
  slice(segment: Segment, s: number, count: number): WrittenSlice {
    const tensors = this.#governed.filter(({ place }) => {
      if (typeof place === 'number') return place >= segment.first && place < segment.end
      return place === 'pre' || !isDescribed(this.#facts.modelType) ? s === 0 : s === count - 1
    })
    const write = (name: string, valueIn: (settings: Settings) => Scalar): [string, ParameterValue] => [
      name,
      this.#value(segment, tensors, name, valueIn),
    ]
    const { parameters, coefficients } = this.#operator
    const kept = parameters.filter(({ name }) => foreignParameters(this.#operator, { [name]: Number.NaN }).length === 0)
    const models = this.#recipe.sources.map((id, m) => {
      const own = coefficients.map(({ name }) => write(name, settings => settings.coefficients[name]![m]!))
      return { model: this.#facts.models.get(id)!, ...(own.length > 0 && { parameters: Object.fromEntries(own) }) }
    })
    return {
      segment,
      models: [...(this.#base === undefined ? [] : [{ model: this.#facts.models.get(this.#base)! }]), ...models],
      parameters: Object.fromEntries(kept.map(({ name }) => write(name, settings => settings.parameters[name]!))),
    }
  }

  /** A scalar, or a list by name. Tensors outside the layers that the list would miss are put before it by their full names. */
  #value(
    { groups }: Segment,
    tensors: readonly GovernedTensor[],
    parameter: string,
    valueIn: (settings: Settings) => Scalar,
  ): ParameterValue {
    const wanted = ({ group }: GovernedTensor): Scalar => valueIn(this.#settings.get(group)!)
    const list: FilteredValue[] = groups.flatMap(g => {
      const settings = this.#settings.get(g) // none: the group governs nothing
      const { filter } = this.#recipe.groups[g]!
      return settings === undefined ? [] : [{ ...(filter !== undefined && { filter }), value: valueIn(settings) }]
    })
    const missed = tensors.filter(
      tensor => typeof tensor.place !== 'number' && lookUp(list, tensor.name) !== wanted(tensor),
    )
    // Longer names first: one may be a part of another.
    missed.sort((a, b) => b.name.length - a.name.length || (a.name < b.name ? -1 : 1))
    list.unshift(...missed.map(tensor => ({ filter: tensor.name, value: wanted(tensor) })))
    for (const tensor of tensors) {
      if (lookUp(list, tensor.name) === wanted(tensor)) continue
      this.reasons.push(
        `no part of the name ${show(tensor.name)} tells it from the tensors that have another ${parameter}`,
      )
    }
    const [first] = list
    return first !== undefined && tensors.every(tensor => wanted(tensor) === first.value) ? first.value : list
  }
}

function lookUp(list: readonly FilteredValue[], name: string): Scalar | undefined {
  return list.length === 0 ? undefined : evaluate(list, name, 0)
}

/** One slice over everything is written as `models`; parameters that all slices share go to the top. */
function assemble(slices: readonly WrittenSlice[]): Pick<ExportedConfig, 'models' | 'slices' | 'parameters'> {
  const [first] = slices
  const shared = slices.every(slice => JSON.stringify(slice.parameters) === JSON.stringify(first!.parameters))
  const top = shared && Object.keys(first!.parameters).length > 0 ? { parameters: first!.parameters } : {}
  if (slices.length === 1) return { models: first!.models, ...top }
  return {
    slices: slices.map(({ segment, models, parameters }) => ({
      sources: models.map(({ model, parameters: own }) => ({
        model,
        layer_range: [segment.first, segment.end] as const,
        ...(own !== undefined && { parameters: own }),
      })),
      ...(!shared && { parameters }),
    })),
    ...top,
  }
}

/** Merged in float32 and written as the sources are, like merges here. */
function typesOf({ tensors }: ExportFacts): {
  readonly types: Pick<ExportedConfig, 'dtype' | 'out_dtype'>
  readonly remarks: readonly string[]
} {
  const [stored, ...others] = [...new Set(tensors.map(({ dtype }) => dtype))]
  if (stored === undefined || (others.length === 0 && stored === 'F64')) return { types: {}, remarks: [] }
  if (others.length === 0) {
    return {
      types: { dtype: 'float32', ...(stored !== 'F32' && { out_dtype: DTYPE_NAMES[stored]! }) },
      remarks: [],
    }
  }
  return {
    types: { dtype: 'float32' },
    remarks: [`The models mix ${[stored, ...others].join(', ')}; mergekit writes all tensors as float32.`],
  }
}

function differences(operator: MergeOperator, { hasOthers, modelType }: ExportFacts): string[] {
  return [
    ...(operator.random
      ? ['mergekit draws random masks from its own generator: it keeps other elements, as many of them.']
      : []),
    ...(hasOthers ? ['Tensors of integers are copied here; mergekit merges them like weights.'] : []),
    ...(isDescribed(modelType)
      ? []
      : [
          `mergekit has no description of model type ${show(modelType)}: it takes the names of tensors from the installed transformers, and leaves out the others.`,
        ]),
  ]
}
