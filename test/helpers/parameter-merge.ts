import type { ParameterMerge, Recipe } from '../../src/space/recipe.ts'
import type { SearchSpace } from '../../src/space/search-space.ts'

/** The recipe, which must be one by groups of tensors. */
export function parameterMerge(recipe: Recipe): ParameterMerge {
  if (recipe.kind !== 'parameter-merge') throw new Error(`Expected a parameter merge, got a ${recipe.kind}.`)
  return recipe
}

/** A space whose recipes are by groups of tensors, with that in its type. */
export function ofGroups(
  space: SearchSpace,
): Omit<SearchSpace, 'decode'> & { decode(genome: Float64Array): ParameterMerge } {
  return { ...space, decode: genome => parameterMerge(space.decode(genome)) }
}
