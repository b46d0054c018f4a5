import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../../src/formats/open-file.ts'
import { writeSafetensors } from '../../../src/formats/write-file.ts'
import { type MergekitOptions, mergeMergekit, parseMergekit } from '../../../src/merge/mergekit/merge-config.ts'
import { rejection, temporaryFolders } from '../fixture.ts'

const newFolder = temporaryFolders()

interface Shape {
  readonly layers?: number
  readonly rows?: number
  readonly head?: boolean
  readonly tied?: boolean
}

/** A model of Llama's names: embedding (rows, 2), per layer q (2, 2) and mlp (2, 2), norm (2,). Value of an element: `value` + its layer. */
function saveModel(
  folder: string,
  name: string,
  value: number,
  { layers = 3, rows = 3, head = true, tied = false }: Shape = {},
) {
  const path = join(folder, name)
  mkdirSync(path)
  const tensor = (shape: number[], x: number) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(x)
    return { dtype: 'F32', shape, data: new Uint8Array(data.buffer) } as const
  }
  const tensors: [string, ReturnType<typeof tensor>][] = [['model.embed_tokens.weight', tensor([rows, 2], value)]]
  for (let layer = 0; layer < layers; layer++) {
    tensors.push([`model.layers.${layer}.self_attn.q_proj.weight`, tensor([2, 2], value + layer)])
    tensors.push([`model.layers.${layer}.mlp.up_proj.weight`, tensor([2, 2], value + layer)])
  }
  tensors.push(['model.norm.weight', tensor([2], value)])
  if (head) tensors.push(['lm_head.weight', tensor([rows, 2], value)])
  writeSafetensors(join(path, 'model.safetensors'), tensors)
  writeFileSync(
    join(path, 'config.json'),
    JSON.stringify({ num_hidden_layers: layers, torch_dtype: 'float32', tie_word_embeddings: tied }),
  )
  writeFileSync(join(path, 'tokenizer.json'), JSON.stringify({ of: name }))
}

async function merge(folder: string, config: unknown, options: Partial<MergekitOptions> = {}) {
  const out = join(folder, `out-${readdirSync(folder).length}`)
  const result = await mergeMergekit(config, out, { folder, text: 'the text\n', ...options })
  const checkpoint = openCheckpoint(out)
  const first = (name: string) => new Float32Array(checkpoint.read(name).slice().buffer)[0]!
  const values = Object.fromEntries(
    [...checkpoint.tensors.keys()].map(name => [name.replace(/^model\./, ''), first(name)]),
  )
  const shapes = Object.fromEntries(
    [...checkpoint.tensors].map(([name, { shape }]) => [name.replace(/^model\./, ''), shape]),
  )
  checkpoint.close()
  return { out, result, values, shapes, config: JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) }
}

describe('mergekit configurations', () => {
  it('merge models with gradients over depth and filters by name', async () => {
    const folder = newFolder()
    saveModel(folder, 'a', 0)
    saveModel(folder, 'b', 100)
    const { values } = await merge(folder, {
      merge_method: 'linear',
      models: [
        { model: 'a', parameters: { weight: 1 } },
        { model: 'b', parameters: { weight: [{ filter: 'mlp', value: [0, 1] }, { value: 0.5 }] } },
      ],
      parameters: { normalize: false },
    })
    // a contributes its layer number, b 100 + its layer number, times the weight.
    expect(values['layers.0.mlp.up_proj.weight']).toBe(0)
    expect(values['layers.1.mlp.up_proj.weight']).toBe(1 + 0.5 * 101)
    expect(values['layers.2.mlp.up_proj.weight']).toBe(2 + 102)
    expect(values['layers.1.self_attn.q_proj.weight']).toBe(1 + 0.5 * 101)
    expect(values['embed_tokens.weight']).toBe(50)
  })

  it('merge NaN and infinities where that is allowed, and list them', async () => {
    const folder = newFolder()
    saveModel(folder, 'a', 0)
    saveModel(folder, 'b', Number.NaN)
    const config = (method: string) => ({
      merge_method: method,
      ...(method !== 'linear' && { base_model: 'a' }),
      models: [...(method === 'linear' ? ['a'] : []), 'b'].map(model => ({
        model,
        parameters: method === 'nearswap' ? {} : { weight: 1 },
      })),
      ...(method === 'nearswap' && { parameters: { t: 1 } }),
    })
    for (const method of ['linear', 'task_arithmetic', 'nearswap']) {
      const error = await rejection(merge(folder, config(method)))
      expect(error.message).toMatch(
        /^Model .* has \d+ values that are NaN or infinite as float32 in tensor "\S+"; the first is NaN, element 0\.$/,
      )
      expect(error.hint).toContain('--allow-non-finite')
      const { result, out, values } = await merge(folder, config(method), { allowNonFinite: true })
      expect(result.nonFinite).toHaveLength(Object.keys(values).length)
      expect(result.nonFinite).toContainEqual({ tensor: 'model.norm.weight', count: 2, element: 0, value: Number.NaN })
      expect(values['norm.weight']).toBeNaN()
      expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain(
        'Not everything in it is a number: 2 values that are NaN or infinite as float32 in tensor "model.norm.weight"',
      )
    }
    const spread = await rejection(merge(folder, config('ties'), { allowNonFinite: true }))
    expect(spread.hint).toContain('ties looks at whole tensors')
  })

  it.each([
    ['dare_linear', 3, 'again with `--seed 3`:'],
    ['dare_linear', 0, 'again:'],
    ['task_arithmetic', 3, 'again:'],
  ])('say on their card with which seed %s is made again: %d', async (method, seed, said) => {
    const folder = newFolder()
    saveModel(folder, 'a', 0)
    saveModel(folder, 'b', 1)
    const config = { merge_method: method, base_model: 'a', models: [{ model: 'b' }], parameters: { weight: 1 } }
    const { out } = await merge(folder, config, { seed })
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain(`which makes the same weights ${said}`)
  })

  it('take the first value of a gradient before and after the layers, the last for a slice of one layer', async () => {
    const folder = newFolder()
    saveModel(folder, 'a', 0)
    saveModel(folder, 'b', 100)
    const one = (weight: unknown) => ({
      merge_method: 'linear',
      slices: [
        {
          sources: [
            { model: 'a', layer_range: [0, 1], parameters: { weight: 0 } },
            { model: 'b', layer_range: [0, 1], parameters: { weight } },
          ],
        },
      ],
      parameters: { normalize: false },
    })
    const { values } = await merge(folder, one([0.25, 0.75]))
    expect(values['embed_tokens.weight']).toBe(25)
    expect(values['lm_head.weight']).toBe(25)
    expect(values['layers.0.mlp.up_proj.weight']).toBe(75)
  })

  it('stack layers of several models and number them anew', async () => {
    const folder = newFolder()
    saveModel(folder, 'a', 0)
    saveModel(folder, 'b', 100)
    const { values, config } = await merge(folder, {
      merge_method: 'passthrough',
      slices: [
        { sources: [{ model: 'a', layer_range: [0, 2] }] },
        { sources: [{ model: 'b', layer_range: [1, 3] }], parameters: { scale: 2 } },
      ],
      dtype: 'float32',
    })
    const layers = [0, 1, 2, 3].map(layer => values[`layers.${layer}.mlp.up_proj.weight`])
    expect(layers).toEqual([0, 1, 202, 204])
    expect(values['embed_tokens.weight']).toBe(0)
    expect(values['norm.weight']).toBe(200)
    expect(config.num_hidden_layers).toBe(4)
  })

  it('add an unlisted base, and read a parameter from the source, then the slice, then the top', async () => {
    const folder = newFolder()
    saveModel(folder, 'base', 0)
    saveModel(folder, 'a', 1)
    saveModel(folder, 'b', 10)
    const { values } = await merge(folder, {
      merge_method: 'task_arithmetic',
      base_model: 'base',
      models: [{ model: 'a', parameters: { weight: 2 } }, { model: 'b' }],
      parameters: { weight: 0.5, lambda: 10 },
    })
    expect(values['norm.weight']).toBe(10 * (2 * 1 + 0.5 * 10))
  })

  it('cut embeddings of different vocabularies as the method does', async () => {
    const folder = newFolder()
    saveModel(folder, 'base', 0, { rows: 4 })
    saveModel(folder, 'a', 1, { rows: 5 })
    saveModel(folder, 'b', 10, { rows: 3 })
    const models = [{ model: 'a' }, { model: 'b' }]
    const linear = await merge(folder, { merge_method: 'linear', models, parameters: { weight: 1 } })
    expect(linear.shapes['embed_tokens.weight']).toEqual([3, 2])
    const { shapes, values, result } = await merge(folder, {
      merge_method: 'task_arithmetic',
      base_model: 'base',
      models,
      parameters: { weight: 1 },
    })
    expect(shapes['embed_tokens.weight']).toEqual([4, 2])
    expect(values['embed_tokens.weight']).toBe(1) // b has fewer rows than the base and is left out
    expect(result.remarks.join()).toContain('"b" has another shape and is left out')
  })

  it('use the embedding where one model ties its head to it and another has one', async () => {
    const folder = newFolder()
    saveModel(folder, 'a', 0, { head: false, tied: true })
    saveModel(folder, 'b', 100)
    const { values, config } = await merge(folder, {
      merge_method: 'linear',
      models: [{ model: 'a' }, { model: 'b' }],
      parameters: { weight: 1 },
    })
    expect(values['lm_head.weight']).toBe(50)
    expect(config.tie_word_embeddings).toBe(false)
  })

  it('write shards with an index, the configuration, a card and the tokenizer of the donor', async () => {
    const folder = newFolder()
    saveModel(folder, 'a', 0)
    saveModel(folder, 'b', 100)
    const { out, config } = await merge(
      folder,
      {
        merge_method: 'linear',
        models: [{ model: 'a' }, { model: 'b' }],
        parameters: { weight: 1 },
        dtype: 'float32',
        out_dtype: 'bfloat16',
        tokenizer_source: 'b',
      },
      { shardBytes: 40 },
    )
    const index = JSON.parse(readFileSync(join(out, 'model.safetensors.index.json'), 'utf8'))
    expect(new Set(Object.values(index.weight_map)).size).toBeGreaterThan(1)
    expect(index.metadata.total_size).toBe(2 * (6 + 6 * 4 + 2 + 6))
    expect(config.torch_dtype).toBe('bfloat16')
    expect(readFileSync(join(out, 'mergekit_config.yml'), 'utf8')).toBe('the text\n')
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('the text')
    expect(JSON.parse(readFileSync(join(out, 'tokenizer.json'), 'utf8'))).toEqual({ of: 'b' })
    expect(readdirSync(folder).filter(name => name.endsWith('.tmp'))).toEqual([])
  })

  it('give the chat template that most models have, or the one that is asked for', async () => {
    const folder = newFolder()
    for (const [name, template] of [
      ['a', 'A {{ x }}'],
      ['b', 'B {{ x }}'],
      ['c', 'B {{ x }}'],
    ] as const) {
      saveModel(folder, name, 1)
      writeFileSync(join(folder, name, 'tokenizer_config.json'), JSON.stringify({ chat_template: template }))
    }
    const config = (chat_template: string) => ({
      merge_method: 'linear',
      models: ['a', 'b', 'c'].map(model => ({ model })),
      parameters: { weight: 1 },
      chat_template,
    })
    const own = '{% for message in messages %}{{ message }}{% endfor %}'
    for (const [wanted, expected] of [
      ['auto', 'B {{ x }}'],
      [own, own],
    ] as const) {
      const { out, result } = await merge(folder, config(wanted))
      expect(readFileSync(join(out, 'chat_template.jinja'), 'utf8')).toBe(expected)
      expect(JSON.parse(readFileSync(join(out, 'tokenizer_config.json'), 'utf8')).chat_template).toBe(expected)
      expect(result.files.filter(file => file.endsWith('chat_template.jinja'))).toHaveLength(1)
    }
    await expect(merge(folder, config('llama3'))).rejects.toThrow('there is no template named "llama3" here')
  })

  it('refuse a tokenizer whose rows are not those of the models', async () => {
    const folder = newFolder()
    const vocabularies = { a: { x: 0, y: 1 }, b: { x: 1, y: 0 } }
    for (const [name, vocab] of Object.entries(vocabularies)) {
      saveModel(folder, name, 1)
      writeFileSync(join(folder, name, 'tokenizer.json'), JSON.stringify({ model: { type: 'BPE', vocab } }))
    }
    const config = (rest: object) => ({
      merge_method: 'linear',
      models: [{ model: 'a' }, { model: 'b' }],
      parameters: { weight: 1 },
      ...rest,
    })
    await expect(merge(folder, config({ tokenizer_source: 'model:b' }))).rejects.toThrow(
      'The token "x" has row 1 in "b" and row 0 in "a": their embeddings cannot be merged row by row.',
    )
    await merge(folder, config({}))
  })

  it('draw random masks from the seed alone', async () => {
    const folder = newFolder()
    saveModel(folder, 'base', 0)
    saveModel(folder, 'a', 1)
    const config = {
      merge_method: 'dare_linear',
      base_model: 'base',
      models: [{ model: 'a', parameters: { weight: 1, density: 0.5 } }],
    }
    const bytes = async (seed: number) =>
      readFileSync(join((await merge(folder, config, { seed })).out, 'model.safetensors'))
    expect(await bytes(1)).toEqual(await bytes(1))
    expect(await bytes(1)).not.toEqual(await bytes(2))
  })

  it.each([
    [{ merge_method: 'linear' }, 'exactly one of "models" and "slices"'],
    [{ merge_method: 'linear', models: [{ model: 'a' }], weights: 1 }, 'weights'],
    [{ merge_method: 'linear', slices: [{ sources: [{ model: 'a', layer_range: [2, 1] }] }] }, 'first below end'],
    [{ merge_method: 'linear', models: [{ model: 'a' }], dtype: 'int4' }, 'dtype'],
  ])('%j is refused', (config, message) => {
    expect(() => parseMergekit(config)).toThrow(message)
  })

  it.each([
    [
      { merge_method: 'linear', modules: { text: { models: [{ model: 'a' }] } } },
      'modules are not read; "models" merges',
    ],
    [{ merge_method: 'liner', models: [{ model: 'a' }] }, 'There is no merge method "liner"'],
    [
      { merge_method: 'linear', models: [{ model: 'a', parameters: { weight: 1, wieght: 2 } }] },
      'linear has no parameter "wieght"',
    ],
    [{ merge_method: 'ties', models: [{ model: 'a' }], parameters: { weight: 1 } }, 'ties needs a base'],
    [{ merge_method: 'linear', models: [{ model: 'a' }] }, 'weight of linear must be a finite number, and is missing'],
    [{ merge_method: 'linear', models: [{ model: 'nowhere' }] }, 'There is no model "nowhere"'],
    [{ merge_method: 'linear', base_model: 'b', models: [{ model: 'a' }] }, 'linear has no base'],
    [
      { merge_method: 'slerp', base_model: 'a', models: [{ model: 'a' }, { model: 'b' }] },
      't of slerp must be a finite number',
    ],
    [
      { merge_method: 'passthrough', slices: [{ sources: [{ model: 'a', layer_range: [2, 4] }] }] },
      'Layer 3 of "a" is wanted, but it has layers 0 to 2.',
    ],
    [
      { merge_method: 'linear', models: [{ model: 'a' }], parameters: { weight: 1 }, tokenizer_source: 'union' },
      'union',
    ],
  ])('%j cannot be merged', async (config, message) => {
    const folder = newFolder()
    saveModel(folder, 'a', 0)
    saveModel(folder, 'b', 100)
    await expect(merge(folder, config)).rejects.toThrow(message)
    expect(readdirSync(folder).sort()).toEqual(['a', 'b'])
  })
})
