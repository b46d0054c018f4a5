import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import { openModel } from '../../src/merge/open-model.ts'
import { mergeToAdapter } from '../../src/merge/write-adapter.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import { failure, gen, linearRecipe, taskArithmeticRecipe, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()

/** A model with q (3, 4), an embedding (5, 4) and a head (2, 4); two adapters of q, one of the embedding, one that replaces the head. */
function family() {
  const folder = newFolder()
  const path = (name: string) => join(folder, name)
  for (const name of ['base', 'x', 'y']) mkdirSync(path(name))
  writeSafetensors(path('base/model.safetensors'), [
    ['q.weight', tensor(gen(1, 12), [3, 4])],
    ['embed.weight', tensor(gen(2, 20), [5, 4])],
    ['head.weight', tensor(gen(3, 8), [2, 4])],
  ])
  const adapter = (name: string, rank: number, rest: Parameters<typeof writeSafetensors>[1]) => {
    writeSafetensors(path(`${name}/adapter_model.safetensors`), [
      ['base_model.model.q.lora_A.weight', tensor(gen(rank + 10, rank * 4), [rank, 4])],
      ['base_model.model.q.lora_B.weight', tensor(gen(rank + 20, 3 * rank), [3, rank])],
      ...rest,
    ])
    writeFileSync(
      path(`${name}/adapter_config.json`),
      JSON.stringify({ r: rank, lora_alpha: 3, use_rslora: name === 'y' }),
    )
  }
  adapter('x', 2, [
    ['base_model.model.embed.lora_embedding_A', tensor(gen(31, 10), [2, 5])],
    ['base_model.model.embed.lora_embedding_B', tensor(gen(32, 8), [4, 2])],
  ])
  adapter('y', 3, [['base_model.model.head.weight', tensor(gen(33, 8), [2, 4])]])
  const references = [
    { id: 'base', path: path('base') },
    { id: 'x', path: `${path('base')}+${path('x')}` },
    { id: 'y', path: `${path('base')}+${path('y')}` },
  ]
  return { folder, references }
}

const near = (a: string, b: string) => {
  const [x, y] = [openModel(a), openCheckpoint(b)]
  for (const name of y.tensors.keys()) {
    const [own, expected] = [x, y].map(model => new Float32Array(model.read(name).slice().buffer))
    own!.forEach((value, i) => {
      expect(value).toBeCloseTo(expected![i]!, 4)
    })
  }
  x.close()
  y.close()
}

describe('adapters merged into an adapter', () => {
  it.each([
    ['task arithmetic', taskArithmeticRecipe('base', { x: 0.5, y: -0.75 })],
    ['a weighted average', linearRecipe({ x: 1, y: 3 })],
  ])('are the model that %s gives, exactly but for rounding', async (_, recipe) => {
    const { folder, references } = family()
    const [adapter, model] = [join(folder, 'merged'), join(folder, 'whole.safetensors')]
    mergeToAdapter(recipe, references, adapter)
    await mergeToFiles(recipe, references, model)
    near(`${references[0]!.path}+${adapter}`, model)
    const config = JSON.parse(readFileSync(join(adapter, 'adapter_config.json'), 'utf8'))
    expect(config).toMatchObject({
      r: 5,
      lora_alpha: 5,
      rank_pattern: { embed: 2 },
      alpha_pattern: { embed: 2 },
      target_modules: ['embed', 'q'],
      modules_to_save: ['head'],
    })
  })

  it('leave out adapters without weight', () => {
    const { folder, references } = family()
    mergeToAdapter(taskArithmeticRecipe('base', { x: 1, y: 0 }), references, join(folder, 'merged'))
    const merged = openCheckpoint(join(folder, 'merged', 'adapter_model.safetensors'))
    expect([...merged.tensors.values()].map(({ shape }) => shape)).toContainEqual([2, 4])
    merged.close()
  })

  it.each([
    [
      'weights that scale the model',
      linearRecipe({ x: 1, y: 1 }, { normalize: false }),
      'add up to 2, so that the model itself would be scaled',
    ],
    [
      'other methods',
      { ...taskArithmeticRecipe('base', { x: 1, y: 1 }), method: 'ties' },
      'is no weighted sum of the adapters',
    ],
    ['models that are no adapters', linearRecipe({ base: 1 }), 'None of the sources is an adapter'],
  ])('refuse %s', (_, recipe, message) => {
    const { folder, references } = family()
    expect(failure(() => mergeToAdapter(recipe, references, join(folder, 'merged'))).message).toContain(message)
  })
})
