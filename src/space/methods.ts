import type { MergeOperator, NumberParameter, OperatorParameter } from '../merge/operators/operator.ts'
import { OPERATORS } from '../merge/operators/registry.ts'
import type { Recipe } from './recipe.ts'

/** What a search knows of merge methods is what the operators say of themselves. */

/** Every coefficient that some method has: a key of the `genome:` section each. */
export const COEFFICIENTS = ['weight', 'density', 'gamma', 'epsilon', 'mask_lambda', 'order', 'scale'] as const
export type CoefficientName = (typeof COEFFICIENTS)[number]

/** Coefficients that are searched unless the section says otherwise: those that mergekit-evolve searches. The others keep the method's default. */
export const SEARCHED_BY_DEFAULT: readonly string[] = ['weight', 'density']

/** Decides the random masks of methods that have them; the same for the whole model. */
const SEED: NumberParameter = {
  kind: 'number',
  name: 'seed',
  description: 'Which random masks are drawn.',
  default: 0,
  bounds: [0, 2 ** 31 - 1],
  searchRange: [0, 15],
  integer: true,
}

export const SEARCHABLE_METHODS: readonly MergeOperator[] = [...OPERATORS.values()]

/** `undefined` for methods that do not exist. */
export function searchableMethod(name: string): MergeOperator | undefined {
  return OPERATORS.get(name)
}

/** Methods among these that need statistics of the models. */
export function methodsWithStatistics(names: readonly string[]): readonly MergeOperator[] {
  return names.flatMap(name => searchableMethod(name) ?? []).filter(({ needs }) => needs !== undefined)
}

/** Whether a recipe is merged with statistics of its sources. */
export function usesStatistics(recipe: Recipe): boolean {
  const groups = recipe.kind === 'parameter-merge' ? recipe.groups : []
  return methodsWithStatistics([recipe.method, ...groups.flatMap(({ method }) => method ?? [])]).length > 0
}

/** What a method needs besides weights, in words; `undefined`: nothing, or there is no such method. */
export function neededBy(name: string): string | undefined {
  const needs = OPERATORS.get(name)?.needs
  if (needs === undefined) return undefined
  return needs === 'fisher' ? "the Fisher information of every model's weights" : "Gram matrices of the layers' inputs"
}

export function coefficientOf(method: MergeOperator, name: string): NumberParameter | undefined {
  return method.coefficients.find(coefficient => coefficient.name === name)
}

/** With `seed` where the method draws random masks. */
export function parametersOf(method: MergeOperator): readonly OperatorParameter[] {
  return method.random ? [...method.parameters, SEED] : method.parameters
}

export function parameterOf(method: MergeOperator, name: string): OperatorParameter | undefined {
  return parametersOf(method).find(parameter => parameter.name === name)
}

/** Whether a parameter has one value for the whole model: the definition of the method spans it, or no group can have its own. */
export function isModelWide(method: MergeOperator, name: string): boolean {
  return method.span === 'model' || name === SEED.name
}
