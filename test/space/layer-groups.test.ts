import { describe, expect, it } from 'vitest'
import { indexLayers, layerOf, selectGroup } from '../../src/space/layer-groups.ts'
import type { RecipeGroup } from '../../src/space/recipe.ts'

const llama = [
  'lm_head.weight',
  'model.embed_tokens.weight',
  'model.norm.weight',
  ...[0, 1, 2, 10].flatMap(l => [
    `model.layers.${l}.self_attn.q_proj.weight`,
    `model.layers.${l}.mlp.experts.0.w1.weight`,
    `model.layers.${l}.mlp.experts.1.w1.weight`,
  ]),
]

describe('indexLayers', () => {
  it('finds the numbered layers of a llama-like model, experts being numbered inside layers', () => {
    expect(indexLayers(llama)).toEqual({ prefix: 'model.layers.', layers: [0, 1, 2, 10] })
  })

  it('counts a name that begins with its number', () => {
    expect(indexLayers(['0.weight', '2.weight', '4.weight'])).toEqual({ prefix: '', layers: [0, 2, 4] })
  })

  it('takes the stack with most tensors when there are several, whatever the order of the names', () => {
    const names = ['vision.blocks.0.w', 'vision.blocks.1.w', 'text.layers.0.a', 'text.layers.0.b', 'text.layers.1.a']
    expect(indexLayers(names).prefix).toBe('text.layers.')
    expect(indexLayers([...names].reverse())).toEqual(indexLayers(names))
  })

  it('breaks a tie by the number of layers, then by the name', () => {
    expect(indexLayers(['b.0.w', 'b.1.w', 'a.0.w', 'a.0.b']).prefix).toBe('b.')
    expect(indexLayers(['b.0.w', 'a.0.w']).prefix).toBe('a.')
  })

  it('falls back to words that end in a number where no component is one', () => {
    expect(indexLayers(['fc1.weight', 'fc1.bias', 'fc2.weight', 'head.weight'])).toEqual({
      prefix: 'fc',
      layers: [1, 2],
    })
    expect(indexLayers(['bert/layer_3/kernel', 'bert/layer_12/kernel'])).toEqual({
      prefix: 'bert/layer_',
      layers: [3, 12],
    })
  })

  it('finds no layers where nothing is numbered, and does not take long digit runs for layers', () => {
    expect(indexLayers(['weight', 'bias'])).toEqual({ prefix: undefined, layers: [] })
    expect(indexLayers(['cache.20240101123.w'])).toEqual({ prefix: undefined, layers: [] })
    expect(indexLayers([])).toEqual({ prefix: undefined, layers: [] })
  })
})

describe('layerOf', () => {
  const index = indexLayers(llama)
  it.each([
    ['model.layers.10.mlp.experts.1.w1.weight', 10],
    ['model.layers.1.self_attn.q_proj.weight', 1],
    ['model.embed_tokens.weight', 'pre'],
    ['transformer.wte.weight', 'pre'],
    ['transformer.wpe.weight', 'pre'],
    ['bert.embeddings.word_embeddings.weight', 'pre'],
    ['gpt_neox.embed_in.weight', 'pre'],
    ['gpt_neox.embed_out.weight', 'post'],
    ['patch_embed.proj.weight', 'pre'],
    ['model.norm.weight', 'post'],
    ['lm_head.weight', 'post'],
    ['vision.layers.3.weight', 'post'],
  ])('%s is in %s', (name, place) => {
    expect(layerOf(name, index)).toBe(place)
  })

  it('numbers the layers of the digits classifier', () => {
    const names = [0, 1, 2, 3, 4].flatMap(l => [`layers.${l}.weight`, `layers.${l}.bias`])
    const digits = indexLayers(names)
    expect(digits.layers).toEqual([0, 1, 2, 3, 4])
    expect(names.map(name => layerOf(name, digits))).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
  })

  it('finds the layer of words that end in a number', () => {
    const index = indexLayers(['fc1.weight', 'fc2.weight', 'head.weight'])
    expect(layerOf('fc2.weight', index)).toBe(2)
    expect(layerOf('head.weight', index)).toBe('post')
  })
})

describe('selectGroup', () => {
  const group = (layers: RecipeGroup['layers'], filter?: string): RecipeGroup => ({
    layers,
    ...(filter === undefined ? {} : { filter }),
    coefficients: { a: { weight: 1 } },
  })
  const index = indexLayers(llama)

  it('takes the first group that selects a tensor; layer ranges end before their end', () => {
    const select = selectGroup(
      [group([0, 2], 'attn'), group([0, 2]), group([2, 11]), group('pre'), group('post')],
      index,
    )
    expect(select('model.layers.0.self_attn.q_proj.weight')).toBe(0)
    expect(select('model.layers.1.mlp.experts.0.w1.weight')).toBe(1)
    expect(select('model.layers.2.self_attn.q_proj.weight')).toBe(2)
    expect(select('model.layers.10.self_attn.q_proj.weight')).toBe(2)
    expect(select('model.embed_tokens.weight')).toBe(3)
    expect(select('lm_head.weight')).toBe(4)
  })

  it('reads filters as case-sensitive substrings', () => {
    const select = selectGroup([group('all', 'ATTN'), group('all')], index)
    expect(select('model.layers.0.self_attn.q_proj.weight')).toBe(1)
  })

  it('names the tensor that no group selects', () => {
    const select = selectGroup([group([0, 2])], index)
    expect(() => select('model.layers.10.self_attn.q_proj.weight')).toThrow(
      'Expected one of the recipe\'s 1 groups to select tensor "model.layers.10.self_attn.q_proj.weight" (layer 10), but none does.',
    )
    expect(() => select('lm_head.weight')).toThrow('("post", outside the numbered layers)')
  })
})
