import { expect, it } from 'vitest'
import { recipeFileOf } from '../src/run-recipe.ts'
import type { ParameterMerge } from '../src/space/recipe.ts'

const recipe = (method: string): ParameterMerge => ({
  ...{ kind: 'parameter-merge', method, base: undefined, sources: ['a', 'b'], parameters: {} },
  groups: [{ layers: 'all', coefficients: { a: { weight: 1 }, b: { weight: 1 } } }],
})

/** Statistics lie in the folder of their model, or beside it, or are a folder of shards. */
const SOURCES = [
  { id: 'a', path: '/m/a', statistics: '/m/a/statistics.safetensors' },
  { id: 'b', path: '/m/b', statistics: '/m/a/of-b' },
]
const digests = {
  '/m/a/model.safetensors': '1',
  '/m/a/statistics.safetensors': '2',
  '/m/b/model.safetensors': '3',
  '/m/a/of-b/model.safetensors': '4',
}
const digestsOf = (method: string) =>
  Object.values(recipeFileOf(recipe(method), { sources: SOURCES }, { digests }).models).map(
    ({ statistics, sha256 }) => [statistics, Object.values(sha256!).sort()],
  )

it('names the statistics of a recipe that is merged with them, and the digests of just what it is merged of', () => {
  expect(digestsOf('fisher')).toEqual([
    ['/m/a/statistics.safetensors', ['1', '2']],
    ['/m/a/of-b', ['3', '4']],
  ])
  expect(digestsOf('linear')).toEqual([
    [undefined, ['1']],
    [undefined, ['3']],
  ])
})
