import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { renderInspection } from '../../src/cli/inspect-text.ts'
import { inspectModels } from '../../src/merge/inspect-files.ts'
import { type Model, saveModels, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
const model = (delta: readonly number[]): Model => ({
  'model.embed.weight': tensor([3, 4], [1, 2]),
  'model.layers.0.up.weight': tensor([1 + delta[0]!, 2 + delta[1]!], [1, 2]),
  'model.layers.1.up.weight': tensor([2 + delta[2]!, 2 + delta[3]!], [1, 2], 'F32'),
  'model.norm.weight': tensor([1], [1]),
})

describe('models, inspected', () => {
  it('have architecture, parts and types', () => {
    const folder = newFolder()
    const references = saveModels(folder, { a: model([0, 0, 0, 0]) })
    const { models, estimate } = inspectModels(references, undefined, true)
    expect(models[0]).toMatchObject({
      id: 'a',
      architecture: undefined,
      parameters: 7,
      bytes: 28,
      dtypes: { F32: { tensors: 4, elements: 7 } },
      layers: { prefix: 'model.layers.', count: 2, first: 0, last: 1 },
      parts: [
        { part: 'pre', tensors: 1, elements: 2 },
        { part: 'layers', tensors: 2, elements: 4 },
        { part: 'post', tensors: 1, elements: 1 },
      ],
    })
    expect(estimate).toBeUndefined()
  })

  it('have task vectors, whose norms, cosine and signs are told by layer', () => {
    const references = saveModels(newFolder(), {
      base: model([0, 0, 0, 0]),
      a: model([3, 4, 1, 0]),
      b: model([4, -3, 2, 1]),
    })
    const inspection = inspectModels(references, 'base', true)
    const { vectors } = inspection
    expect(vectors?.experts).toEqual(['a', 'b'])
    expect(vectors?.places.map(({ place }) => place)).toEqual(['pre', 0, 1, 'post'])
    const [pre, first, second] = vectors!.places
    expect(pre).toMatchObject({
      base: 5,
      norms: [0, 0],
      changed: [0, 0],
      pairs: [{ cosine: undefined, agreement: undefined }],
    })
    expect(first).toMatchObject({
      norms: [5, 5],
      changed: [1, 1],
      pairs: [{ experts: [0, 1], cosine: 0, agreement: 0.5 }],
    })
    expect(second!.pairs[0]).toMatchObject({ agreement: 1 })
    expect(second!.pairs[0]!.cosine).toBeCloseTo(2 / Math.sqrt(5), 6)
    expect(vectors?.whole.norms[0]).toBeCloseTo(Math.sqrt(26), 6)
    expect(vectors?.whole.changed).toEqual([3 / 7, 4 / 7])
    expect(inspection.estimate).toMatchObject({ bytesPerWorker: 28, diskBytes: 28 })
    expect(renderInspection(inspection)).toContain('a and b')
    expect(inspectModels(references, 'base', false).vectors).toBeUndefined()
  })

  it('say beforehand why they cannot be merged', () => {
    const folder = newFolder()
    const references = saveModels(folder, {
      a: model([0, 0, 0, 0]),
      b: { ...model([0, 0, 0, 0]), 'model.embed.weight': tensor([1, 2, 3, 4], [2, 2]), extra: tensor([1], [1]) },
    })
    writeFileSync(join(folder, 'config.json'), '{')
    const inspection = inspectModels(references, 'a', true)
    expect(inspection.vectors).toBeUndefined()
    expect(inspection.obstacle?.message).toContain('only "b" has "extra"')
    expect(inspection.differences).toEqual([
      {
        ids: ['a', 'b'],
        onlyFirst: [],
        onlySecond: ['extra'],
        differing: [{ name: 'model.embed.weight', first: 'F32 [1, 2]', second: 'F32 [2, 2]' }],
      },
    ])
    expect(renderInspection(inspection)).toContain('These models cannot be merged.')
  })
})
