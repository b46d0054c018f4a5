import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { mergeMergekit } from '../../src/merge/mergekit/merge-config.ts'
import type { MemoryNeed } from '../../src/merge/operators/memory-need.ts'
import { memoryNeed } from '../../src/merge/operators/memory-need.ts'
import { findOperator } from '../../src/merge/operators/registry.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import { gen, group, saveModels, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
const LARGE = (1 << 18) + 16

function models(folder: string) {
  const model = (seed: number) => ({ small: tensor(gen(seed, 12), [4, 3]), large: tensor(gen(seed + 1, LARGE)) })
  return saveModels(folder, { base: model(1), a: model(5), b: model(9) })
}

const recipe = (method: string, weights = { a: 0.5, b: 0.5 }) => ({
  kind: 'parameter-merge' as const,
  method,
  base: 'base',
  sources: ['a', 'b'],
  parameters: {},
  groups: [method === 'sce' ? { layers: 'all' as const, coefficients: { a: {}, b: {} } } : group(weights)],
})

async function needsOf(method: string, weights?: { a: number; b: number }): Promise<MemoryNeed[]> {
  const folder = newFolder()
  const needs: MemoryNeed[] = []
  const options = { onMemoryNeed: (need: MemoryNeed) => needs.push(need) }
  await mergeToFiles(recipe(method, weights), models(folder), join(folder, 'out.safetensors'), options)
  return needs
}

describe('the memory that whole tensors take', () => {
  it('is told once, of the largest tensor: inputs, task vectors and result in float64', async () => {
    expect(await needsOf('pcb')).toEqual([{ operator: 'pcb', tensor: 'large', bytes: LARGE * 8 * (3 + 2 + 1) }])
  })

  it('is not told where tensors are merged piece by piece', async () => {
    expect(await needsOf('ties')).toEqual([])
    expect(await needsOf('sce')).toEqual([])
  })

  it('is told of a streamed method whose numbers only its definition can judge, in configurations too', async () => {
    const folder = newFolder()
    models(folder)
    const needs: MemoryNeed[] = []
    const config = {
      merge_method: 'ties',
      base_model: 'base.safetensors',
      models: [1, -0.9999999].map((weight, m) => ({
        model: `${'ab'[m]}.safetensors`,
        parameters: { weight, density: 0.5 },
      })),
      dtype: 'float32',
    }
    await mergeMergekit(config, join(folder, 'out'), { folder, text: '', onMemoryNeed: need => needs.push(need) })
    expect(needs).toEqual([{ operator: 'ties', tensor: 'large', bytes: LARGE * 8 * 6 }])
  })

  it('is that of rows where rows are what is merged', () => {
    const own = { parameters: { filter_wise: true }, coefficients: {}, seed: 0 }
    const of = (shape: readonly [number, number]) =>
      memoryNeed(findOperator('model_stock'), {
        ...own,
        name: 'w',
        shape,
        elements: shape[0] * shape[1],
        ids: ['a', 'b'],
        depth: undefined,
        survey: undefined,
        based: true,
      })?.bytes
    expect(of([1 << 20, 1 << 10])).toBeUndefined()
    expect(of([8, 1 << 20])).toBe((1 << 20) * 6 * 8)
  })
})
