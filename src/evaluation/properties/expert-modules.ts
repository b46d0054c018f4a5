import type { TensorPlan } from '../../merge/method.ts'
import type { TensorView } from '../../merge/model.ts'
import { planTensors } from '../../merge/plan.ts'
import type { Recipe } from '../../space/recipe.ts'

/**
 * How many modules of experts a merge is made of: pairs of a source (not the base) and a module, some tensor of which takes the source with a
 * weight other than 0. A module is what a tensor's name says before its last dot: a layer's weight and bias are one. However a
 * recipe groups its layers, equal weights count the same; methods without a weight per source take all sources.
 * @throws {ConfigError | MergeError} as merging does
 */
export function countExpertModules(recipe: Recipe, tensors: ReadonlyMap<string, TensorView>): number {
  const ids = [...recipe.sources, ...(recipe.base === undefined ? [] : [recipe.base])]
  const named = [...tensors].map(([name, { data }]) => ({ name, elements: data.length }))
  const kept = new Set<string>()
  for (const [t, sections] of planTensors(recipe, ids, named).entries()) {
    const { name } = named[t]!
    const dot = name.lastIndexOf('.')
    const module = dot < 0 ? name : name.slice(0, dot)
    for (const { plan } of sections)
      for (const source of sourcesOf(plan)) {
        if (ids[source] !== recipe.base) kept.add(`${source} ${module}`)
      }
  }
  return kept.size
}

/** Positions of the sources that change something. */
function sourcesOf(plan: TensorPlan): readonly number[] {
  if (plan.kernel !== 'operator')
    return plan.terms.filter(({ coefficient }) => coefficient !== 0).map(({ source }) => source)
  const { weight } = plan.settings.coefficients
  return plan.sources.filter((_, j) => weight?.[j] !== 0)
}
