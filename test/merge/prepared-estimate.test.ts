import { describe, expect, it } from 'vitest'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import { preparedBytes } from '../../src/merge/fast/prepared.ts'
import { inspectModels } from '../../src/merge/inspect-files.ts'
import { createMerger } from '../../src/merge/merge.ts'
import type { SourceReference } from '../../src/merge/model.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'
import { gen, type Model, saveModels, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
const SHAPES = { large: [512, 600], middle: [150, 200], small: [40, 50], bias: [7] } as const

const elementsOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1)

function model(seed: number): Model {
  return Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape], t) => {
      return [name, tensor(gen(seed + t, elementsOf(shape)), shape)]
    }),
  )
}

describe('what inspect says a search keeps beside the weights', () => {
  const references = saveModels(newFolder(), { base: model(11), a: model(21), b: model(31), c: model(41) })
  const { prepared, sharedBytes } = inspectModels(references, 'base', false).estimate!

  it.each([
    ['task_arithmetic', {}, {}, 0],
    ['ties', {}, {}, prepared.byMagnitude],
    ['breadcrumbs', { gamma: 0.05 }, {}, prepared.byMagnitude],
    ['dare_linear', {}, { rescale: true }, prepared.byChance],
    ['della', { epsilon: 0.05 }, { rescale: true }, prepared.byRowRank],
  ] as const)(
    'is what candidates of %s have prepared, within 15 percent',
    (method, coefficients, parameters, expected) => {
      const shared = loadSharedSources(references, { threads: 1 })
      const merger = createMerger(shared, 0)
      const ids = ['a', 'b', 'c']
      for (let k = 0; k < 8; k++) {
        const own = {
          weight: 0.5,
          ...(method === 'task_arithmetic' ? {} : { density: 0.3 + k * 0.05 }),
          ...coefficients,
        }
        const recipe: ParameterMerge = {
          kind: 'parameter-merge',
          method,
          base: 'base',
          sources: ids,
          parameters: { lambda: 1, ...parameters },
          groups: [{ layers: 'all', coefficients: Object.fromEntries(ids.map(id => [id, own])) }],
        }
        merger.merge(recipe)
      }
      const kept = preparedBytes(shared.prepared)
      expect(Math.abs(kept - expected)).toBeLessThanOrEqual(0.15 * kept)
      const allocated = shared.banks.reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
      expect(kept).toBeLessThanOrEqual(prepared.limit)
      expect(Math.abs(allocated - sharedBytes - prepared.limit)).toBeLessThanOrEqual(0.15 * allocated)
    },
  )

  it('is what fisher has kept of its models, within 2 percent', () => {
    const measured = references.slice(1).map((reference): SourceReference => {
      const statistics = reference.path.replace('.safetensors', '-statistics.safetensors')
      writeSafetensors(
        statistics,
        Object.values(SHAPES).map((shape, t) => [
          Object.keys(SHAPES)[t]!,
          tensor(new Float32Array(elementsOf(shape)), shape),
        ]),
      )
      return { ...reference, statistics }
    })
    const shared = loadSharedSources(measured, { threads: 1 })
    const coefficients = Object.fromEntries(['a', 'b', 'c'].map(id => [id, { weight: 0.5 }]))
    createMerger(shared, 0).merge({
      ...{ kind: 'parameter-merge', method: 'fisher', base: undefined, sources: ['a', 'b', 'c'], parameters: {} },
      groups: [{ layers: 'all', coefficients }],
    })
    const kept = preparedBytes(shared.prepared)
    expect(Math.abs(kept - 3 * prepared.fisherPerModel)).toBeLessThanOrEqual(0.02 * kept)
  })
})
