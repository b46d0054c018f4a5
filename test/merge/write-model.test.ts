import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { ConfigError, FormatError, MergeError } from '../../src/errors.ts'
import { decodeToFloat32, encodeFloat32, type WeightDtype } from '../../src/formats/dtype.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import { createMerger } from '../../src/merge/merge.ts'
import type { SourceReference } from '../../src/merge/model.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import type { Recipe } from '../../src/space/recipe.ts'
import { recipeFileSchema } from '../../src/space/recipe-file.ts'
import {
  bits,
  gen,
  group,
  linearRecipe,
  rejection,
  saveModels,
  taskArithmeticRecipe,
  temporaryFolders,
  tensor,
} from './fixture.ts'

const newFolder = temporaryFolders()
const I64 = (...values: number[]) =>
  ({
    dtype: 'I64',
    shape: [values.length],
    data: new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer),
  }) as const

/** base, a, b: a few tensors of odd sizes, one larger than the chunk a file is merged in. */
function models(dtype: WeightDtype) {
  const model = (seed: number) => ({
    'layers.0.w': tensor(gen(seed, 15), [5, 3], dtype),
    'layers.1.w': tensor(gen(seed + 50, 17), [17], dtype),
    head: tensor(gen(seed + 90, (1 << 18) + 3), [(1 << 18) + 3], dtype),
    ids: I64(3, 1, 2),
    nothing: tensor([], [0], dtype),
  })
  return { base: model(1), a: model(2), b: model(3) }
}

function weightsOf(path: string): Map<string, Float32Array> {
  const checkpoint = openCheckpoint(path)
  const weights = new Map<string, Float32Array>()
  for (const { name, dtype, shape } of checkpoint.tensors.values()) {
    if (dtype === 'I64') continue
    const data = new Float32Array(shape.reduce((product, n) => product * n, 1))
    decodeToFloat32(checkpoint.read(name), dtype as WeightDtype, data)
    weights.set(name, data)
  }
  checkpoint.close()
  return weights
}

const recipe: Recipe = {
  ...taskArithmeticRecipe('base', { a: 0.4, b: 0.9 }, { lambda: 0.7 }),
  groups: [
    group({ a: 0.3, b: -0.2 }, { layers: [0, 1] }),
    group({ a: 1.1, b: 0 }, { filter: 'w' }),
    group({ a: 0.4, b: 0.9 }),
  ],
}

describe('a model that is written', () => {
  it.each(['F32', 'BF16', 'F16', 'F64'] as const)(
    'as float32 is bit for bit what was scored, from %s sources',
    async dtype => {
      const folder = newFolder()
      const references = saveModels(folder, models(dtype))
      const merger = createMerger(loadSharedSources(references), 0)
      for (const r of [recipe, linearRecipe({ base: 1, a: 2, b: 3 })]) {
        const out = join(folder, 'out.safetensors')
        const written = await mergeToFiles(r, references, out, { dtype: 'F32' })
        expect(written).toEqual({ files: [out], bytes: readFileSync(out).byteLength, nonFinite: [] })
        const scored = merger.merge(r)
        const weights = weightsOf(out)
        expect(new Set(weights.keys())).toEqual(new Set(scored.tensors.keys()))
        for (const [name, { data }] of scored.tensors) {
          expect(
            Buffer.compare(new Uint8Array(bits(weights.get(name)!).buffer), new Uint8Array(bits(data).buffer)),
            name,
          ).toBe(0)
        }
      }
    },
  )

  it('keeps the dtype of the sources, rounded once', async () => {
    const folder = newFolder()
    const references = saveModels(folder, models('BF16'))
    const merged = createMerger(loadSharedSources(references), 0).merge(recipe)
    const out = join(folder, 'out.safetensors')
    await mergeToFiles(recipe, references, out)
    const checkpoint = openCheckpoint(out)
    for (const [name, { data }] of merged.tensors) {
      expect(checkpoint.tensors.get(name)?.dtype).toBe('BF16')
      const expected = new Uint8Array(data.length * 2)
      encodeFloat32(data, 'BF16', expected)
      expect(Buffer.compare(checkpoint.read(name), expected)).toBe(0)
    }
    expect(checkpoint.read('ids')).toEqual(I64(3, 1, 2).data)
    expect([...checkpoint.metadata]).toEqual([['format', 'pt']])
  })

  it.each(['F8_E4M3', 'F8_E5M2'] as const)('of %s sources is rounded to it once', async dtype => {
    const folder = newFolder()
    const [a, b] = [gen(3, 5000), gen(4, 5000)]
    const references = saveModels(folder, { a: { w: tensor(a, [5000], dtype) }, b: { w: tensor(b, [5000], dtype) } })
    const merge = linearRecipe({ a: 1, b: 2 })
    const merged = createMerger(loadSharedSources(references), 0).merge(merge).tensors.get('w')!.data
    const out = join(folder, 'out.safetensors')
    await mergeToFiles(merge, references, out)
    const checkpoint = openCheckpoint(out)
    const expected = new Uint8Array(5000)
    encodeFloat32(merged, dtype, expected)
    expect(checkpoint.tensors.get('w')!.dtype).toBe(dtype)
    expect(Buffer.compare(checkpoint.read('w'), expected)).toBe(0)
    checkpoint.close()

    const large = saveModels(newFolder(), { a: { w: tensor([300], [1], dtype) } })
    const scale = dtype === 'F8_E4M3' ? 2 : 300
    const error = await rejection(mergeToFiles(linearRecipe({ a: scale }, { normalize: false }), large, out))
    expect(error.message).toMatch(new RegExp(`^Tensor "w" has a merged value of magnitude .* as ${dtype}\\.$`))
  })

  it('has the same bytes each time, and each way the sources are stored', async () => {
    const folder = newFolder()
    const references = saveModels(folder, models('F32'))
    const sharded = references.map(({ id, path }): SourceReference => {
      const home = join(folder, id)
      mkdirSync(home)
      const checkpoint = openCheckpoint(path)
      const map: Record<string, string> = {}
      let n = 0
      for (const { name, dtype, shape } of checkpoint.tensors.values()) {
        map[name] = `model-${n++}.safetensors`
        writeSafetensors(join(home, map[name]), [[name, { dtype, shape, data: checkpoint.read(name) }]])
      }
      writeFileSync(join(home, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }))
      return { id, path: home }
    })
    const outs = ['1', '2', '3'].map(name => join(folder, `${name}.safetensors`))
    await mergeToFiles(recipe, references, outs[0]!)
    await mergeToFiles(recipe, references, outs[1]!)
    await mergeToFiles(recipe, sharded, outs[2]!)
    const [first, second, third] = outs.map(path => readFileSync(path))
    expect(second!.equals(first!)).toBe(true)
    expect(third!.equals(first!)).toBe(true)
  })

  it('needs only the models that its recipe names', async () => {
    const folder = newFolder()
    const references = saveModels(folder, { a: { w: tensor([1, 2]) } })
    const out = join(folder, 'out.safetensors')
    await mergeToFiles(
      linearRecipe({ a: 1 }),
      [{ id: 'gone', path: join(folder, 'gone.safetensors') }, ...references],
      out,
    )
    expect([...weightsOf(out).get('w')!]).toEqual([1, 2])
  })

  it('agrees with the merger for any weights', async () => {
    const folder = newFolder()
    const model = (seed: number) => ({ w: tensor(gen(seed, 37)), v: tensor(gen(seed + 9, 4)) })
    const references = saveModels(folder, { base: model(1), a: model(2), b: model(1) })
    const merger = createMerger(loadSharedSources(references), 0)
    const out = join(folder, 'out.safetensors')
    const weight = fc.oneof(fc.constant(0), fc.double({ min: -3, max: 3, noNaN: true }))
    await fc.assert(
      fc.asyncProperty(weight, weight, fc.constantFrom('linear', 'task_arithmetic'), async (a, b, method) => {
        const r = { ...taskArithmeticRecipe('base', { a, b }, { normalize: false }), method }
        await mergeToFiles(r, references, out)
        const scored = merger.merge(r)
        for (const [name, values] of weightsOf(out)) expect(bits(values)).toEqual(bits(scored.tensors.get(name)!.data))
      }),
      { numRuns: 40, seed: 5 },
    )
  })
})

describe('a folder that is written', () => {
  async function folderOf(config: string | undefined): Promise<{ folder: string; references: SourceReference[] }> {
    const folder = newFolder()
    const references = ['base', 'a'].map((id, i): SourceReference => {
      const path = join(folder, id)
      mkdirSync(path)
      writeSafetensors(join(path, 'model.safetensors'), [['w', tensor([i, i + 1], [2], 'BF16')]])
      if (config !== undefined) writeFileSync(join(path, 'config.json'), config)
      writeFileSync(join(path, 'tokenizer.json'), `tokens of ${id}`)
      writeFileSync(join(path, 'README.md'), 'not copied')
      return { id, path }
    })
    return { folder, references }
  }
  const merge = taskArithmeticRecipe('base', { a: 0.5 })

  it('has the weights, and config and tokenizer of the base', async () => {
    const { folder, references } = await folderOf('{"model_type":"llama"}')
    const out = join(folder, 'new', 'out')
    const { files, bytes } = await mergeToFiles(merge, references, out)
    const names = ['model.safetensors', 'config.json', 'tokenizer.json', 'README.md']
    expect(files.map(file => relative(out, file))).toEqual(names)
    expect(readdirSync(out).sort()).toEqual([...names].sort())
    expect(bytes).toBe(files.reduce((sum, file) => sum + readFileSync(file).byteLength, 0))
    expect(readFileSync(join(out, 'tokenizer.json'), 'utf8')).toBe('tokens of base')
    expect(readFileSync(join(out, 'config.json'), 'utf8')).toBe('{"model_type":"llama"}')
    expect([...weightsOf(out).get('w')!]).toEqual([0.5, 1.5])
    expect(readdirSync(dirname(out))).toEqual(['out'])
  })

  it('has the config of the first model where there is no base, and may exist if it is empty', async () => {
    const { folder, references } = await folderOf(undefined)
    const out = join(folder, 'out')
    mkdirSync(out)
    await mergeToFiles(linearRecipe({ a: 1, base: 1 }), references, out)
    expect(readFileSync(join(out, 'tokenizer.json'), 'utf8')).toBe('tokens of a')
  })

  it('says in its config which dtype its weights have, when that was asked for', async () => {
    const { folder, references } = await folderOf('{"torch_dtype":"bfloat16","n":1}')
    await mergeToFiles(merge, references, join(folder, 'out'), { dtype: 'F32' })
    expect(JSON.parse(readFileSync(join(folder, 'out', 'config.json'), 'utf8'))).toEqual({
      torch_dtype: 'float32',
      n: 1,
    })
    const other = await folderOf('{"dtype":"bfloat16"}')
    await mergeToFiles(merge, other.references, join(other.folder, 'out'), { dtype: 'F16' })
    expect(JSON.parse(readFileSync(join(other.folder, 'out', 'config.json'), 'utf8'))).toEqual({ dtype: 'float16' })
  })

  it('has a card with the recipe, as a recipe file, and the digest of every file of its sources', async () => {
    const { folder, references } = await folderOf(undefined)
    await mergeToFiles(merge, references, join(folder, 'out'))
    const card = readFileSync(join(folder, 'out', 'README.md'), 'utf8')
    const sha256 = (id: string) =>
      createHash('sha256')
        .update(readFileSync(join(folder, id, 'model.safetensors')))
        .digest('hex')
    expect(card).toMatch(/^---\nlibrary_name: transformers\ntags:\n- merge\nbase_model:\n- "base"\n- "a"\n---\n# out\n/)
    for (const id of ['base', 'a']) expect(card).toContain(`| ${id} | model.safetensors | \`${sha256(id)}\` |`)
    const yaml = /```yaml\n([\s\S]*?)```/.exec(card)![1]!
    expect(recipeFileSchema.parse(parseYaml(yaml))).toEqual({
      format: 1,
      models: {
        base: { path: 'base', sha256: { 'model.safetensors': sha256('base') } },
        a: { path: 'a', sha256: { 'model.safetensors': sha256('a') } },
      },
      recipe: merge,
    })
    expect(card).not.toContain(folder)
  })

  it('is cut into shards of the size that was asked for, with an index', async () => {
    const folder = newFolder()
    const references = saveModels(folder, models('BF16'))
    const whole = join(folder, 'whole.safetensors')
    await mergeToFiles(recipe, references, whole)
    const out = join(folder, 'out')
    const { files } = await mergeToFiles(recipe, references, out, { shardBytes: 1000 })
    expect(files.map(file => basename(file))).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
      'README.md',
    ])
    const [a, b] = [openCheckpoint(whole), openCheckpoint(out)]
    expect(new Set(b.tensors.keys())).toEqual(new Set(a.tensors.keys()))
    for (const name of a.tensors.keys()) expect(Buffer.compare(a.read(name), b.read(name)), name).toBe(0)
    a.close()
    b.close()
  })

  it('is refused a companion that is a link out of its folder', async () => {
    const { folder, references } = await folderOf(undefined)
    writeFileSync(join(folder, 'secret'), 'private')
    symlinkSync('../secret', join(folder, 'base', 'vocab.txt'))
    const error = await rejection(mergeToFiles(merge, references, join(folder, 'out')))
    expect(error.message).toBe(
      `${join(folder, 'base', 'vocab.txt')} is a link that leads out of its folder, to "${join(folder, 'secret')}".`,
    )
    expect(readdirSync(folder).sort()).toEqual(['a', 'base', 'secret'])
  })

  it('does not appear at all when something goes wrong', async () => {
    const { folder, references } = await folderOf('[]')
    const error = await rejection(mergeToFiles(merge, references, join(folder, 'out'), { dtype: 'F32' }))
    expect(error).toBeInstanceOf(FormatError)
    expect(error.message).toBe(`${join(folder, 'base', 'config.json')} must be a JSON object, not [].`)
    expect(readdirSync(folder).sort()).toEqual(['a', 'base'])
  })

  it('never replaces a folder that holds something', async () => {
    const { folder, references } = await folderOf(undefined)
    const error = await rejection(mergeToFiles(merge, references, join(folder, 'a')))
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).toBe(`${join(folder, 'a')} exists and is not an empty folder.`)
  })
})

describe('a model that cannot be written', () => {
  it('has a value that its dtype cannot hold', async () => {
    const folder = newFolder()
    const references = saveModels(folder, { a: { w: tensor([40000], [1], 'F16') } })
    const out = join(folder, 'out.safetensors')
    const error = await rejection(mergeToFiles(linearRecipe({ a: 2 }, { normalize: false }), references, out))
    expect(error).toBeInstanceOf(MergeError)
    expect(error.message).toBe('Tensor "w" has a merged value of magnitude 80000, which is an infinity as F16.')
    expect(readdirSync(folder)).toEqual(['a.safetensors'])
  })

  it.each([
    ['F16', 65519, false],
    ['F16', 65520, true],
    ['BF16', Math.fround(3.3961775e38), true],
    ['BF16', Math.fround(3.3961774e38), false],
  ] as const)('as %s: %d is an infinity: %s', async (dtype, value, infinite) => {
    const folder = newFolder()
    const references = saveModels(folder, { a: { w: tensor([value]) } })
    const encoded = new Uint8Array(2)
    encodeFloat32(Float32Array.of(value), dtype, encoded)
    const back = new Float32Array(1)
    decodeToFloat32(encoded, dtype, back)
    expect(back[0] === Number.POSITIVE_INFINITY).toBe(infinite)
    const work = mergeToFiles(linearRecipe({ a: 1 }), references, join(folder, 'out.safetensors'), { dtype })
    if (infinite) expect((await rejection(work)).message).toMatch(new RegExp(`an infinity as ${dtype}`))
    else await work
  })

  it('is not finite, and leaves nothing behind', async () => {
    const folder = newFolder()
    const references = saveModels(folder, { a: { v: tensor([1]), w: tensor([3e38]) } })
    const out = join(folder, 'out.safetensors')
    const error = await rejection(mergeToFiles(linearRecipe({ a: 2 }, { normalize: false }), references, out))
    expect(error.message).toBe('The merge has a NaN or an infinity in tensor "w".')
    expect(readdirSync(folder)).toEqual(['a.safetensors'])
  })

  it('would overwrite one of its sources, also through a link', async () => {
    const folder = newFolder()
    const references = saveModels(folder, { a: { w: tensor([1]) } })
    const before = readFileSync(references[0]!.path)
    symlinkSync('a.safetensors', join(folder, 'link.safetensors'))
    for (const name of ['a.safetensors', 'link.safetensors']) {
      const error = await rejection(mergeToFiles(linearRecipe({ a: 1 }), references, join(folder, name)))
      expect(error).toBeInstanceOf(ConfigError)
      expect(error.message).toBe(`${join(folder, name)} is a file of the source "a", and would be overwritten.`)
    }
    expect(readFileSync(references[0]!.path).equals(before)).toBe(true)
  })

  it('is asked for as ONNX, without a graph', async () => {
    const folder = newFolder()
    const references = saveModels(folder, { a: { w: tensor([1]) } })
    const out = join(folder, 'out.onnx')
    expect((await rejection(mergeToFiles(linearRecipe({ a: 1 }), references, out))).message).toBe(
      `${out} needs a graph, and none of the sources is an .onnx file.`,
    )
    expect((await rejection(mergeToFiles(linearRecipe({ a: 1 }), references, out, { dtype: 'F16' }))).message).toBe(
      `${out}: an ONNX graph decides the types of its weights; they cannot be written as F16.`,
    )
  })

  it('has sources with different integers, or a source that nobody gave', async () => {
    const folder = newFolder()
    const references = saveModels(folder, { a: { ids: I64(1) }, b: { ids: I64(2) } })
    const out = join(folder, 'out.safetensors')
    expect((await rejection(mergeToFiles(linearRecipe({ a: 1, b: 1 }), references, out))).message).toBe(
      'Tensor "ids" of dtype I64 differs between "a" and "b"; only floats are merged, the rest must be equal.',
    )
    expect((await rejection(mergeToFiles(linearRecipe({ c: 1 }), references, out))).message).toBe(
      'The recipe names the source "c", which is not among "a", "b".',
    )
    expect(existsSync(out)).toBe(false)
    expect(readdirSync(folder).filter(name => basename(name).startsWith('.'))).toEqual([])
  })
})
