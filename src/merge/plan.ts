import { ConfigError, nearest, show } from '../errors.ts'
import { indexLayers, selectGroup } from '../space/layer-groups.ts'
import type { Recipe } from '../space/recipe.ts'
import type { MergeMethod, TensorPlan } from './method.ts'
import { findMethod } from './methods.ts'

/** A recipe made ready for given sources: what to compute for each tensor. */
export interface MergePlan {
  /** One per group of the recipe. */
  readonly groups: readonly TensorPlan[]
  /** Tensor name → position of its group. Throws {@link MergeError} for a tensor that no group selects. */
  readonly groupOf: (name: string) => number
}

/**
 * @param sourceIds ids of the sources in memory; a recipe may use a part of them
 * @param tensorNames the tensors to be merged, all of them: they decide which layers there are
 * @throws {ConfigError} on names and parameters that do not exist
 * @throws {MergeError} on coefficients that cannot be merged with
 */
export function planRecipe(recipe: Recipe, sourceIds: readonly string[], tensorNames: readonly string[]): MergePlan {
  const method = findMethod(recipe.method)
  const positionOf = (id: string): number => {
    const position = sourceIds.indexOf(id)
    if (position >= 0) return position
    throw unknown(`The recipe names the source ${show(id)}, which is not among`, id, sourceIds)
  }
  if (method.needsBase && recipe.base === undefined) {
    throw new ConfigError(`The method ${method.name} needs a base, the model that all sources were tuned from.`)
  }
  if (recipe.sources.length === 0) throw new ConfigError('A recipe needs at least one source.')
  if (new Set(recipe.sources).size < recipe.sources.length) {
    throw new ConfigError(`The recipe names a source twice: ${recipe.sources.map(id => show(id)).join(', ')}.`)
  }
  const base = recipe.base === undefined ? undefined : positionOf(recipe.base)
  const sources = recipe.sources.map(positionOf)
  const parameters = methodParameters(method, recipe.parameters)
  const groups = recipe.groups.map((group, position) => {
    const where = `group ${position + 1}`
    const coefficients = groupCoefficients(method, recipe.sources, group.coefficients, where)
    return method.plan({ base, sources, coefficients, parameters, where })
  })
  return { groups, groupOf: selectGroup(recipe.groups, indexLayers(tensorNames)) }
}

function methodParameters(method: MergeMethod, given: Recipe['parameters']): Record<string, number | boolean> {
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

function groupCoefficients(
  method: MergeMethod,
  sources: readonly string[],
  given: Recipe['groups'][number]['coefficients'],
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
