import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MergeError, StorageError } from '../../../src/errors.ts'
import type { WeightDtype } from '../../../src/formats/dtype.ts'
import { openCheckpoint } from '../../../src/formats/open-file.ts'
import { mergeMergekit } from '../../../src/merge/mergekit/merge-config.ts'
import { type StreamJob, StreamPool } from '../../../src/merge/stream/pool.ts'
import { TILE_SIZES } from '../../../src/merge/stream/tile-frame.ts'
import type { StreamOptions } from '../../../src/merge/stream/write-tensors.ts'
import { mergeToFiles } from '../../../src/merge/write-model.ts'
import type { ParameterMerge } from '../../../src/space/recipe.ts'
import { gen, rejection, saveModels, temporaryFolders, tensor } from '../fixture.ts'

const newFolder = temporaryFolders()

/** Threads for tensors of any size, and tiles that are smaller than they are. */
const THREADS: StreamOptions = { threads: 2, threadBytes: 1, sizes: { tile: 1024, chunk: 256 } }
const ALONE: StreamOptions = { threads: 1 }

const SHAPES: readonly (readonly [name: string, shape: readonly number[]])[] = [
  ['model.embed_tokens.weight', [97, 40]],
  ['model.layers.0.w', [50, 33]],
  ['model.layers.0.norm', [40]],
  ['model.layers.1.w', [50, 33]],
  ['model.layers.1.norm', [40]],
  ['lm_head.weight', [97, 40]],
]

function save(
  folder: string,
  dtype: WeightDtype,
  change: (values: Float64Array, id: string, name: string) => void = () => {},
) {
  const model = (id: string, seed: number) =>
    Object.fromEntries(
      SHAPES.map(([name, shape], i) => {
        const count = shape.reduce((a, b) => a * b, 1)
        const [base, delta] = [gen(i + 1, count), gen(seed + i, count)]
        const values = base.map((value, k) => value + (seed === 0 ? 0 : delta[k]! / 8))
        change(values, id, name)
        return [name, tensor(values, shape, dtype)]
      }),
    )
  return saveModels(folder, { base: model('base', 0), a: model('a', 100), b: model('b', 200) })
}

function recipe(method: string): ParameterMerge {
  const weighted = !/slerp|nearswap|ram|sce|fusion/.test(method)
  const own = weighted ? { weight: 0.6, ...(/ties|dare|della/.test(method) && { density: 0.5 }) } : {}
  const sources = /slerp|nearswap|fusion/.test(method) ? ['a'] : ['a', 'b']
  return {
    kind: 'parameter-merge',
    method,
    base: method === 'linear' ? undefined : 'base',
    sources,
    parameters: /slerp|nearswap/.test(method) ? { t: 0.4 } : method === 'sce' ? { select_topk: 0.5 } : {},
    groups: [{ layers: 'all', coefficients: Object.fromEntries(sources.map(id => [id, own])) }],
  }
}

it.skipIf(!existsSync('/dev/full'))('a thread tells that the disk is full, and which file it was', async () => {
  const folder = newFolder()
  const [source] = saveModels(folder, { a: { w: tensor(gen(1, 4000)) } })
  const checkpoint = openCheckpoint(source!.path)
  const descriptor = openSync('/dev/full', 'r+')
  const pool = new StreamPool(1, TILE_SIZES)
  try {
    const input = { dtype: 'F32', place: checkpoint.placeOf('w'), path: source!.path, columns: undefined } as const
    const terms = [{ input: 0, coefficient: 1 }]
    const job: StreamJob = {
      tensor: {
        name: 'w',
        elements: 4000,
        inputs: [input],
        work: undefined,
        written: 'F32',
        method: { kind: 'combine', sections: [{ begin: 0, end: 4000, base: undefined, terms }] },
      },
      begin: 0,
      end: 4000,
      out: { descriptor, begin: 0, path: 'out.safetensors' },
    }
    const error = await rejection(pool.run(job))
    expect(error).toBeInstanceOf(StorageError)
    expect(error.message).toMatch(/^out\.safetensors could not be written: the disk is full \(ENOSPC\)/)
    expect(await pool.run(job)).toBe(false) // nothing more is begun
  } finally {
    await pool.close()
    closeSync(descriptor)
    checkpoint.close()
  }
})

const METHODS = [
  ...['linear', 'task_arithmetic', 'slerp', 'ties', 'dare_ties', 'della'],
  ...['nearswap', 'ram', 'ramplus_tl', 'consensus', 'sce', 'arcee_fusion'],
]

describe('files merged by threads', () => {
  it('have the bytes that one thread writes, for every method', async () => {
    const folder = newFolder()
    const sources = save(folder, 'BF16')
    for (const method of METHODS) {
      const [one, two] = ['one', 'two'].map(name => join(folder, `${method}-${name}.safetensors`)) as [string, string]
      // The same tiles: norms are sums, and depend on the order of their terms.
      await mergeToFiles(recipe(method), sources, one, { stream: { ...ALONE, sizes: THREADS.sizes! } })
      await mergeToFiles(recipe(method), sources, two, { stream: THREADS })
      expect(readFileSync(two).equals(readFileSync(one)), method).toBe(true)
    }
  })

  it('have the bytes that one thread writes, in shards, from a mergekit configuration', async () => {
    const folder = newFolder()
    save(folder, 'F32')
    const config = {
      merge_method: 'dare_ties',
      base_model: 'base.safetensors',
      models: ['a', 'b'].map(id => ({ model: `${id}.safetensors`, parameters: { weight: 0.5, density: 0.6 } })),
      dtype: 'float32',
      out_dtype: 'bfloat16',
    }
    const options = { folder, text: '', shardBytes: 8000, seed: 3 }
    const { files } = await mergeMergekit(config, join(folder, 'one'), {
      ...options,
      stream: { ...ALONE, sizes: THREADS.sizes! },
    })
    await mergeMergekit(config, join(folder, 'two'), { ...options, stream: THREADS })
    expect(files.filter(file => file.endsWith('.safetensors')).length).toBe(3)
    for (const name of readdirSync(join(folder, 'one')).filter(name => name !== 'README.md')) {
      expect(readFileSync(join(folder, 'two', name)).equals(readFileSync(join(folder, 'one', name))), name).toBe(true)
    }
  })

  it.each([THREADS, ALONE])('tell what does not fit the type, and leave nothing behind', async stream => {
    const folder = newFolder()
    const sources = save(folder, 'F32', (values, id, name) => {
      if (id === 'a' && name === 'model.layers.1.w') values[700] = 3e5
    })
    const before = readdirSync(folder)
    const error = await rejection(
      mergeToFiles(recipe('task_arithmetic'), sources, join(folder, 'out.safetensors'), { dtype: 'F16', stream }),
    )
    expect(error).toBeInstanceOf(MergeError)
    expect(error.message).toMatch(
      /^Tensor "model.layers.1.w" has a merged value of magnitude \d+.*, which is an infinity as F16\.$/,
    )
    expect(error.hint).toBe('Write it as F32, or merge with smaller coefficients.')
    expect(readdirSync(folder)).toEqual(before)
  })

  it.each(METHODS.filter(method => method !== 'consensus'))(
    '%s: tell which model has a NaN, and where',
    async method => {
      const folder = newFolder()
      save(folder, 'F32', (values, id, name) => {
        if (id === 'a' && name === 'lm_head.weight') values[3000] = Number.NaN
      })
      const { sources, parameters, groups } = recipe(method)
      const config = {
        merge_method: method,
        ...(method !== 'linear' && { base_model: 'base.safetensors' }),
        models: sources.map(id => ({ model: `${id}.safetensors`, parameters: groups[0]!.coefficients[id] })),
        parameters,
        dtype: 'float32',
      }
      const error = await rejection(mergeMergekit(config, join(folder, 'out'), { folder, text: '', stream: THREADS }))
      expect(error.message).toMatch(
        /a\.safetensors has a value that is NaN or infinite as float32 in tensor "lm_head\.weight"; the first is NaN, element \d+\.$/,
      )
      expect(readdirSync(folder).sort()).toEqual(['a.safetensors', 'b.safetensors', 'base.safetensors'])
    },
  )
})
