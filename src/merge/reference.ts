import { ConfigError, MergeError, show } from '../errors.ts'
import { indexLayers, selectGroup } from '../space/layer-groups.ts'
import { createPieceLine, positionOf } from '../space/piece-line.ts'
import type { PiecewiseMerge, Recipe } from '../space/recipe.ts'

/** Weights of one model: tensor name → elements. */
export type PlainWeights = ReadonlyMap<string, ArrayLike<number>>

/**
 * The merge as its papers write it, in float64, sharing nothing with the kernels and their plans: the oracle of the tests.
 * @param sources source id → its weights
 */
export function mergeReference(
  recipe: Recipe,
  sources: ReadonlyMap<string, PlainWeights>,
): ReadonlyMap<string, Float64Array> {
  const first = sources.values().next().value
  if (first === undefined) throw new ConfigError('A merge needs at least one source.')
  const names = [...first.keys()]
  if (recipe.kind === 'piecewise-merge') return pieces(recipe, sources, names)
  const groupOf = selectGroup(recipe.groups, indexLayers(names))
  const merged = new Map<string, Float64Array>()
  for (const name of names) {
    const group = recipe.groups[groupOf(name)]!
    const { coefficients, method = recipe.method } = group
    const parameters =
      group.method === undefined ? { ...recipe.parameters, ...group.parameters } : { ...group.parameters }
    const w = recipe.sources.map(id => coefficients[id]!.weight!)
    const x = recipe.sources.map(id => sources.get(id)!.get(name)!)
    const sum = w.reduce((total, value) => total + value, 0)
    const out = new Float64Array(first.get(name)!.length)
    if (method === 'linear') {
      // out = Σ w_j x_j / Σ w_j
      const divisor = (parameters.normalize ?? true) ? sum : 1
      if (divisor === 0) throw new MergeError(`The weights for ${show(name)} add up to zero.`)
      for (let i = 0; i < out.length; i++) out[i] = w.reduce((total, w_j, j) => total + w_j * x[j]![i]!, 0) / divisor
    } else if (method === 'task_arithmetic') {
      // out = W0 + λ Σ w_j (x_j − W0) / (1 or Σ w_j)
      const W0 = sources.get(recipe.base!)!.get(name)!
      const divisor = parameters.normalize && Math.abs(sum) >= 1e-8 ? sum : 1
      const λ = Number(parameters.lambda ?? 1)
      for (let i = 0; i < out.length; i++) {
        const delta = w.reduce((total, w_j, j) => total + w_j * (x[j]![i]! - W0[i]!), 0)
        out[i] = W0[i]! + (λ * delta) / divisor
      }
    } else {
      throw new ConfigError(`There is no reference for the method ${show(method)}.`)
    }
    merged.set(name, out)
  }
  return merged
}

/** Every element's piece is the last one that begins at it or before it. */
function pieces(
  recipe: PiecewiseMerge,
  sources: ReadonlyMap<string, PlainWeights>,
  names: readonly string[],
): ReadonlyMap<string, Float64Array> {
  const first = sources.get(recipe.sources[0]!)!
  const line = createPieceLine(names.map(name => ({ name, elements: first.get(name)!.length })))
  const starts = recipe.pieces.map(({ from }) => positionOf(line, from))
  const merged = new Map(names.map(name => [name, new Float64Array(first.get(name)!.length)]))
  for (const { name, start, elements } of line.tensors) {
    for (let i = 0; i < elements; i++) {
      const { weights } = recipe.pieces[starts.findLastIndex(begin => begin <= start + i)]!
      // out = Σ w_j x_j
      merged.get(name)![i] = recipe.sources.reduce((sum, id) => sum + weights[id]! * sources.get(id)!.get(name)![i]!, 0)
    }
  }
  return merged
}
