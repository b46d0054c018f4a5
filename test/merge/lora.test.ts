import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decodeToFloat32 } from '../../src/formats/dtype.ts'
import { adaptations, parseLoraConfig } from '../../src/formats/lora.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import { createMerger } from '../../src/merge/merge.ts'
import { mergeMergekit } from '../../src/merge/mergekit/merge-config.ts'
import { openModel } from '../../src/merge/open-model.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import { gen, taskArithmeticRecipe, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
const float = (shape: number[], values: ArrayLike<number>) =>
  ({ dtype: 'F32', shape, data: new Uint8Array(Float32Array.from(values).buffer) }) as const

interface Adapter {
  readonly rank?: number
  readonly config?: Record<string, unknown>
  readonly transposed?: boolean
}

/** A model with q (3, 4) and an untouched norm, and an adapter of q: returns paths and the plain result W + scale B A. */
function save({ rank = 2, config = {}, transposed = false }: Adapter = {}) {
  const folder = newFolder()
  const [base, adapter] = ['base', 'adapter'].map(name => join(folder, name)) as [string, string]
  for (const path of [base, adapter]) mkdirSync(path)
  const W = gen(1, 12)
  const [A, B] = [gen(2, rank * 4), gen(3, 3 * rank)]
  writeSafetensors(join(base, 'model.safetensors'), [
    ['model.q.weight', float(transposed ? [4, 3] : [3, 4], W)],
    ['model.norm.weight', float([2], [5, 6])],
  ])
  writeSafetensors(join(adapter, 'adapter_model.safetensors'), [
    ['base_model.model.model.q.lora_A.weight', float([rank, 4], A)],
    ['base_model.model.model.q.lora_B.weight', float([3, rank], B)],
  ])
  writeFileSync(
    join(adapter, 'adapter_config.json'),
    JSON.stringify({ peft_type: 'LORA', r: rank, lora_alpha: 16, fan_in_fan_out: transposed, ...config }),
  )
  const grown = (scale: number) =>
    Array.from(W, (w, e) => {
      const [o, i] = transposed ? [e % 3, Math.floor(e / 3)] : [Math.floor(e / 4), e % 4]
      let sum = 0
      for (let k = 0; k < rank; k++) sum += B[o * rank + k]! * A[k * 4 + i]!
      return w + scale * sum
    })
  return { base, adapter, grown }
}

const valuesOf = (path: string, base: string | undefined, name: string) => {
  const model = openModel(path, base)
  const values = [...new Float32Array(model.read(name).slice().buffer)]
  model.close()
  return values
}

const openBytes = (path: string, name: string) => {
  const model = openCheckpoint(path)
  const bytes = model.read(name).slice()
  model.close()
  return bytes
}
const bfloat16 = (bytes: Uint8Array) => {
  const values = new Float32Array(bytes.length / 2)
  decodeToFloat32(bytes, 'BF16', values)
  return values
}
const rounded = (values: readonly number[]) => [...bfloat16(tensor(values, [values.length], 'BF16').data)]

const near = (found: readonly number[], expected: readonly number[]) =>
  expected.forEach((value, i) => {
    expect(found[i]).toBeCloseTo(value, 4)
  })

describe('an adapter', () => {
  it('is its model plus alpha / rank times the product of its factors', () => {
    const { base, adapter, grown } = save()
    near(valuesOf(adapter, base, 'model.q.weight'), grown(16 / 2))
    expect(valuesOf(adapter, base, 'model.norm.weight')).toEqual([5, 6])
  })

  it('divides by the root of the rank when it is rank-stabilized', () => {
    const { base, adapter, grown } = save({ rank: 4, config: { use_rslora: true } })
    near(valuesOf(adapter, base, 'model.q.weight'), grown(16 / 2))
  })

  it('takes the alpha of a module from its pattern', () => {
    const { base, adapter, grown } = save({ config: { alpha_pattern: { q: 3 } } })
    near(valuesOf(adapter, base, 'model.q.weight'), grown(3 / 2))
  })

  it('takes the rank of a module from its pattern', () => {
    const { base, adapter, grown } = save({ rank: 3, config: { r: 8, rank_pattern: { 'model.q': 3 } } })
    near(valuesOf(adapter, base, 'model.q.weight'), grown(16 / 3))
  })

  it('is named with its model, and several are applied one after the other', () => {
    const { base, adapter, grown } = save()
    near(valuesOf(`${base}+${adapter}`, undefined, 'model.q.weight'), grown(8))
    const twice = grown(8).map((value, i) => 2 * value - grown(0)[i]!)
    near(valuesOf(`${base}+${adapter}+${adapter}`, undefined, 'model.q.weight'), twice)
  })

  it('adapts embeddings by row and convolutions by kernel', () => {
    const folder = newFolder()
    const config = { r: 2, lora_alpha: 2 }
    const [A, B] = [gen(5, 2 * 3), gen(6, 4 * 2)]
    const [K, C] = [gen(7, 2 * 3 * 2 * 2), gen(8, 5 * 2)]
    const base = join(folder, 'model.safetensors')
    writeSafetensors(base, [
      ['embed.weight', float([3, 4], new Float32Array(12))],
      ['conv.weight', float([5, 3, 2, 2], new Float32Array(60))],
    ])
    writeSafetensors(join(folder, 'adapter_model.safetensors'), [
      ['base_model.model.embed.lora_embedding_A', float([2, 3], A)],
      ['base_model.model.embed.lora_embedding_B', float([4, 2], B)],
      ['base_model.model.conv.lora_A.weight', float([2, 3, 2, 2], K)],
      ['base_model.model.conv.lora_B.weight', float([5, 2, 1, 1], C)],
    ])
    writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config))
    const adapter = join(folder, 'adapter_model.safetensors')
    const product = (rows: number, columns: number, of: (row: number, column: number, k: number) => number) =>
      Array.from({ length: rows * columns }, (_, e) => {
        const [row, column] = [Math.floor(e / columns), e % columns]
        return of(row, column, 0) + of(row, column, 1)
      })
    near(
      valuesOf(`${base}+${adapter}`, undefined, 'embed.weight'),
      product(3, 4, (v, d, k) => B[d * 2 + k]! * A[k * 3 + v]!),
    )
    near(
      valuesOf(`${base}+${adapter}`, undefined, 'conv.weight'),
      product(5, 12, (o, i, k) => C[o * 2 + k]! * K[k * 12 + i]!),
    )
  })

  it('grows weights that are stored (in, out)', () => {
    const { base, adapter, grown } = save({ transposed: true })
    near(valuesOf(adapter, base, 'model.q.weight'), grown(8))
  })

  it('reads any stretch as it reads the whole', () => {
    const { base, adapter } = save({ rank: 3 })
    const model = openModel(adapter, base)
    const whole = model.read('model.q.weight')
    for (let begin = 0; begin < 12; begin++) {
      for (let end = begin; end <= 12; end++) {
        const part = new Uint8Array((end - begin) * 4)
        model.readRange('model.q.weight', begin * 4, part)
        expect(part).toEqual(whole.slice(begin * 4, end * 4))
      }
    }
    model.close()
  })

  it('needs the model it was trained on, and says which', () => {
    const { adapter } = save({ config: { base_model_name_or_path: 'tiny/base' } })
    expect(() => openModel(adapter, undefined)).toThrow(
      'is an adapter, which means nothing without its model. It was trained on "tiny/base".',
    )
  })
})

describe('adapters among the sources of a merge', () => {
  it('are merged as the models they make, in memory and to files', async () => {
    const { base, adapter, grown } = save()
    const references = [
      { id: 'base', path: base },
      { id: 'tuned', path: `${base}+${adapter}` },
    ]
    const recipe = taskArithmeticRecipe('base', { tuned: 0.5 })
    const expected = grown(4)
    const merger = createMerger(loadSharedSources(references, { threads: 1 }), 0)
    near([...merger.merge(recipe).tensors.get('model.q.weight')!.data], expected)
    const out = join(newFolder(), 'out.safetensors')
    await mergeToFiles(recipe, references, out)
    near(valuesOf(out, undefined, 'model.q.weight'), expected)
  })

  it('are written in the type of their model, though they are merged in float32', async () => {
    const { base, adapter, grown } = save()
    const whole = new Float32Array(openBytes(base, 'model.q.weight').buffer)
    writeSafetensors(join(base, 'model.safetensors'), [
      ['model.q.weight', tensor(whole, [3, 4], 'BF16')],
      ['model.norm.weight', tensor([5, 6], [2], 'BF16')],
    ])
    const folder = newFolder()
    const config = {
      merge_method: 'task_arithmetic',
      base_model: base,
      models: [{ model: `${base}+${adapter}`, parameters: { weight: 1 } }],
    }
    const [mergekit, recipe] = [join(folder, 'mergekit'), join(folder, 'recipe.safetensors')]
    await mergeMergekit(config, mergekit, { folder, text: '' })
    const references = [
      { id: 'base', path: base },
      { id: 'tuned', path: `${base}+${adapter}` },
    ]
    await mergeToFiles(taskArithmeticRecipe('base', { tuned: 1 }), references, recipe)
    const [W, delta] = [rounded(Array.from(whole)), grown(8).map((value, i) => value - whole[i]!)]
    for (const path of [mergekit, recipe]) {
      const model = openCheckpoint(path)
      expect(model.tensors.get('model.q.weight')?.dtype).toBe('BF16')
      const found = bfloat16(model.read('model.q.weight'))
      for (const [i, w] of W.entries()) {
        expect(Math.abs(found[i]! - w - delta[i]!)).toBeLessThanOrEqual(2 ** -8 * Math.abs(w + delta[i]!))
      }
      model.close()
    }
  })
})

describe('adapter files that cannot be applied', () => {
  const config = parseLoraConfig('{"r": 2, "lora_alpha": 4}', 'config')
  const model = new Set(['q.weight'])
  const shapes = (entries: Record<string, number[]>) => new Map(Object.entries(entries))

  it.each([
    ['{', 'config is not valid JSON'],
    ['{"r": 0, "lora_alpha": 1}', 'config: r'],
    ['{"r": 2, "lora_alpha": 1, "use_dora": true}', 'DoRA'],
    ['{"r": 2, "lora_alpha": 1, "peft_type": "LOHA"}', 'type "LOHA"; only LORA is read'],
    ['{"r": 2, "lora_alpha": 1, "init_lora_weights": "pissa_niter_4"}', 'belongs to a changed copy of its model'],
    ['{"r": 2, "lora_alpha": 1, "layer_replication": [[0, 2], [0, 2]]}', 'an adapter of replicated layers'],
    ['{"r": 2, "lora_alpha": 1, "rank_pattern": {"(a+)+$": 3}}', 'has the regular expression "(a+)+$"'],
  ])('%s', (json, message) => {
    expect(() => parseLoraConfig(json, 'config')).toThrow(message)
  })

  it.each([
    [{ 'q.lora_A.weight': [2, 4] }, 'has lora_A of "q" but not lora_B'],
    [{ 'q.lora_A.weight': [2, 4], 'q.lora_B.weight': [3, 1] }, 'expected [rank, in] and [out, rank]'],
    [{ 'v.lora_A.weight': [2, 4], 'v.lora_B.weight': [3, 2] }, 'the model has no tensor "v.weight"'],
    [{ 'e.lora_embedding_A': [2, 4] }, 'has lora_A of "e" but not lora_B'],
    [{ 'q.lora_A.weight': [3, 4], 'q.lora_B.weight': [3, 3] }, 'have rank 3, but the configuration says 2'],
    [{ 'q.lora_A.weight': [2, 4], 'q.lora_A.default.weight': [2, 4] }, 'has lora_A of "q" twice'],
    [{ 'q.weight': [3, 4], 'q.lora_A.weight': [2, 4], 'q.lora_B.weight': [3, 2] }, 'changes "q.weight" twice'],
    [{ 'q.lora_B.bias': [3] }, 'which is no factor of a low-rank sum'],
    [{ 'q.lora_magnitude_vector': [3] }, 'which is no factor of a low-rank sum'],
    [{ 'q.lora_A.weight': [0, 4], 'q.lora_B.weight': [3, 0] }, 'expected [rank, in] and [out, rank]'],
    [{ 'base_model.model.head.weight': [2] }, 'the model has no tensor "head.weight"'],
  ])('%j', (entries, message) => {
    expect(() => adaptations(config, shapes(entries), model, 'adapter')).toThrow(message)
  })

  it('names both shapes where factors and model differ', () => {
    const { base, adapter } = save()
    writeSafetensors(join(base, 'model.safetensors'), [['model.q.weight', float([3, 5], gen(1, 15))]])
    expect(() => openModel(adapter, base)).toThrow('adapts "model.q.weight" as [3, 4]')
  })

  it('replaces modules that were saved whole', () => {
    const found = adaptations(config, shapes({ 'base_model.model.q.modules_to_save.weight': [3, 4] }), model, 'adapter')
    expect(found.get('q.weight')).toEqual({ kind: 'whole', tensor: 'base_model.model.q.modules_to_save.weight' })
  })
})
