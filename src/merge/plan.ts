import { ConfigError, MergeError, nearest, show } from '../errors.ts'
import { indexLayers, type LayerIndex, layerOf, selectGroup } from '../space/layer-groups.ts'
import { createPieceLine, positionOf } from '../space/piece-line.ts'
import type { ParameterMerge, PiecewiseMerge, Recipe, RecipeGroup } from '../space/recipe.ts'
import { planSourceSum } from './fast/source-sum.ts'
import { linear } from './linear.ts'
import type { MergeMethod, OperatorPlan, TensorPlan } from './method.ts'
import { METHODS } from './methods.ts'
import { settingsOf } from './operators/apply.ts'
import { findOperator } from './operators/registry.ts'

/** A recipe made ready for given sources: what to compute for each tensor. */
export interface MergePlan {
  /** One per group of the recipe. */
  readonly groups: readonly TensorPlan[]
  /** Tensor name → position of its group. Throws {@link MergeError} for a tensor that no group selects. */
  readonly groupOf: (name: string) => number
}

/** A stretch of a tensor that one pass computes: elements [begin, end) of its row-major order. */
export interface Section {
  readonly begin: number
  readonly end: number
  readonly plan: TensorPlan
}

interface PlannedTensor {
  readonly name: string
  readonly elements: number
}

/**
 * What to compute for each tensor: sections that follow each other from its first element to its last. A tensor without elements has none.
 * @param sourceIds ids of the sources in memory; a recipe may use a part of them
 * @param tensors all that are merged, in any order
 * @throws {ConfigError | MergeError} as {@link planRecipe}; {MergeError} on pieces that are not on the line of weights, or not in its order
 */
export function planTensors(
  recipe: Recipe,
  sourceIds: readonly string[],
  tensors: readonly PlannedTensor[],
): readonly (readonly Section[])[] {
  if (recipe.kind === 'piecewise-merge') return planPieces(recipe, sourceIds, tensors)
  const names = tensors.map(({ name }) => name)
  const { groups, groupOf } = planRecipe(recipe, sourceIds, names)
  const index = indexLayers(names)
  return tensors.map(({ name, elements }) => {
    const plan = groups[groupOf(name)]!
    if (elements === 0) return []
    return [{ begin: 0, end: elements, plan: plan.kernel === 'operator' ? planAt(plan, depthOf(name, index)) : plan }]
  })
}

/** Where a tensor is in the model may decide its coefficients. */
function planAt(plan: OperatorPlan, depth: number | undefined): TensorPlan {
  const { candidate } = plan.operator
  const own = { ...plan, depth }
  return candidate?.kind === 'sources' ? planSourceSum(candidate, own) : own
}

/** 0 for the first numbered layer, 1 for the last; undefined outside of them. */
function depthOf(name: string, index: LayerIndex): number | undefined {
  const layer = layerOf(name, index)
  if (typeof layer !== 'number') return undefined
  const position = index.layers.indexOf(layer)
  return index.layers.length === 1 ? 0 : position / (index.layers.length - 1)
}

function planPieces(
  recipe: PiecewiseMerge,
  sourceIds: readonly string[],
  tensors: readonly PlannedTensor[],
): readonly (readonly Section[])[] {
  const sources = positionsOf(recipe, sourceIds)
  const line = createPieceLine(tensors)
  const pieces = recipe.pieces.map(({ from, weights }, k) => {
    const where = `piece ${k + 1}`
    const given = Object.fromEntries(Object.entries(weights).map(([id, weight]) => [id, { weight }]))
    const coefficients = coefficientsPerSource(linear, recipe.sources, given, where)
    const plan = linear.plan({ base: undefined, sources, coefficients, parameters: recipe.parameters, where })
    return { start: positionOf(line, from), plan }
  })
  if (pieces[0] !== undefined && pieces[0].start !== 0) {
    throw new MergeError(
      `The first piece must begin where the weights begin, at element 0 of ${show(line.tensors[0]?.name)}.`,
    )
  }
  const unordered = pieces.findIndex(({ start }, k) => k > 0 && start <= pieces[k - 1]!.start)
  if (unordered >= 0) {
    throw new MergeError(`Piece ${unordered + 1} must begin after piece ${unordered}, in the order of the weights.`, {
      hint: 'The order is: tensors before the layers, layer by layer, tensors after them; by name inside each.',
    })
  }
  const sections = new Map<string, Section[]>()
  let first = 0
  for (const { name, start, elements } of line.tensors) {
    const own: Section[] = []
    while (first + 1 < pieces.length && pieces[first + 1]!.start <= start) first++
    for (let k = first; k < pieces.length && pieces[k]!.start < start + elements; k++) {
      const begin = Math.max(0, pieces[k]!.start - start)
      const end = Math.min(elements, (pieces[k + 1]?.start ?? line.elements) - start)
      own.push({ begin, end, plan: pieces[k]!.plan })
    }
    sections.set(name, own)
  }
  return tensors.map(({ name }) => sections.get(name) ?? [])
}

function positionsOf({ sources }: Recipe, sourceIds: readonly string[]): number[] {
  if (sources.length === 0) throw new ConfigError('A recipe needs at least one source.')
  if (new Set(sources).size < sources.length) {
    throw new ConfigError(`The recipe names a source twice: ${sources.map(id => show(id)).join(', ')}.`)
  }
  return sources.map(id => positionOfSource(id, sourceIds))
}

function positionOfSource(id: string, sourceIds: readonly string[]): number {
  const position = sourceIds.indexOf(id)
  if (position >= 0) return position
  throw unknown(`The recipe names the source ${show(id)}, which is not among`, id, sourceIds)
}

/**
 * @param sourceIds ids of the sources in memory; a recipe may use a part of them
 * @param tensorNames the tensors to be merged, all of them: they decide which layers there are
 * @throws {ConfigError} on names and parameters that do not exist
 * @throws {MergeError} on coefficients that cannot be merged with
 */
export function planRecipe(
  recipe: ParameterMerge,
  sourceIds: readonly string[],
  tensorNames: readonly string[],
): MergePlan {
  const groupOf = selectGroup(recipe.groups, indexLayers(tensorNames))
  const sources = positionsOf(recipe, sourceIds)
  const base = recipe.base === undefined ? undefined : positionOfSource(recipe.base, sourceIds)
  const names = new Set(recipe.groups.map(group => group.method ?? recipe.method))
  const baseUsed = [...names].some(name => findOperator(name).base !== 'none')
  const groups = recipe.groups.map((group, position) => {
    const where = `group ${position + 1}`
    const name = group.method ?? recipe.method
    const method = METHODS.get(name)
    if (method === undefined) {
      // A base that another group's method needs is no business of methods that have none.
      const own = baseUsed && findOperator(name).base === 'none' ? undefined : base
      return planOperator(recipe, group, { operator: findOperator(name), sources, base: own, where })
    }
    if (method.needsBase && base === undefined) {
      throw new ConfigError(`The method ${method.name} needs a base, the model that all sources were tuned from.`)
    }
    const parameters = methodParameters(method, parametersOf(recipe, group, names.size > 1))
    const coefficients = coefficientsPerSource(method, recipe.sources, group.coefficients, where)
    return method.plan({ base, sources, coefficients, parameters, where })
  })
  return { groups, groupOf }
}

/** A group with a method of its own has nothing of the recipe's parameters, which are of another method. */
function parametersOf(recipe: ParameterMerge, group: RecipeGroup, withoutSeed: boolean): ParameterMerge['parameters'] {
  if (group.method !== undefined) return group.parameters ?? {}
  const { seed, ...others } = recipe.parameters
  return { ...(withoutSeed ? others : recipe.parameters), ...group.parameters }
}

/** Methods without a kernel. `seed` among the recipe's parameters decides the random masks of those that have them. */
function planOperator(
  recipe: ParameterMerge,
  group: RecipeGroup,
  { operator, sources, base, where }: Pick<OperatorPlan, 'operator' | 'sources' | 'base'> & { readonly where: string },
): OperatorPlan {
  const { seed = 0 } = recipe.parameters
  if (typeof seed !== 'number' || !Number.isSafeInteger(seed)) {
    throw new ConfigError(`The parameter seed must be a whole number, got ${show(seed)}.`)
  }
  for (const id of Object.keys(group.coefficients)) {
    if (!recipe.sources.includes(id))
      throw unknown(`${where} weighs ${show(id)}, which is not among`, id, recipe.sources)
  }
  const coefficients = recipe.sources.map(id => group.coefficients[id] ?? {})
  const parameters = parametersOf(recipe, group, true)
  const settings = settingsOf(operator, { parameters, coefficients, seed }, base !== undefined, where)
  return { kernel: 'operator', operator, settings, base, sources, ids: recipe.sources, depth: undefined }
}

function methodParameters(method: MergeMethod, given: ParameterMerge['parameters']): Record<string, number | boolean> {
  for (const name of Object.keys(given)) {
    const names = method.parameters.map(parameter => parameter.name)
    if (!names.includes(name)) throw unknown(`${method.name} has no parameter ${show(name)}; it has`, name, names)
  }
  const values: Record<string, number | boolean> = {}
  for (const parameter of method.parameters) {
    const value = given[parameter.name] ?? parameter.default
    if (typeof value !== parameter.kind || (typeof value === 'number' && !Number.isFinite(value))) {
      throw new ConfigError(
        `The parameter ${parameter.name} of ${method.name} must be a ${parameter.kind === 'number' ? 'finite number' : parameter.kind}, not ${typeof value === 'number' ? value : show(value)}.`,
      )
    }
    values[parameter.name] = value as number | boolean // its kind was checked above
  }
  return values
}

function coefficientsPerSource(
  method: MergeMethod,
  sources: readonly string[],
  given: ParameterMerge['groups'][number]['coefficients'],
  where: string,
): Record<string, readonly number[]> {
  const names = method.coefficients.map(coefficient => coefficient.name)
  for (const [source, values] of Object.entries(given)) {
    if (!sources.includes(source)) throw unknown(`${where} weighs ${show(source)}, which is not among`, source, sources)
    for (const name of Object.keys(values)) {
      if (!names.includes(name))
        throw unknown(`${where}: ${method.name} has no ${show(name)} per source; it has`, name, names)
    }
  }
  const coefficients: Record<string, readonly number[]> = {}
  for (const { name, default: fallback } of method.coefficients) {
    coefficients[name] = sources.map(source => {
      const value = given[source]?.[name] ?? fallback
      if (value === undefined) throw new ConfigError(`${where} has no ${name} for the source ${show(source)}.`)
      if (!Number.isFinite(value))
        throw new ConfigError(`${where}: the ${name} of ${show(source)} must be finite, not ${value}.`)
      return value
    })
  }
  return coefficients
}

function unknown(sentence: string, word: string, options: readonly string[]): ConfigError {
  const near = nearest(word, options)
  return new ConfigError(`${sentence} ${options.map(option => show(option)).join(', ')}.`, {
    ...(near === undefined ? {} : { hint: `Did you mean ${show(near)}?` }),
  })
}
