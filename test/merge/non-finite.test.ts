import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MergeError } from '../../src/errors.ts'
import { decodeToFloat32, type WeightDtype } from '../../src/formats/dtype.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { findNonFinite, NonFiniteCount } from '../../src/merge/non-finite.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import { linearRecipe, rejection, saveModels, taskArithmeticRecipe, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
/** Longer than what a file is merged in at a time. */
const LENGTH = (1 << 18) + 40
const ones = () => new Float32Array(LENGTH).fill(1)

/** `a` is all ones; `b` has a NaN, an infinity of each sign and a NaN in the second stretch. */
function damagedModels(dtype: WeightDtype) {
  const values = ones()
  values[7] = Number.POSITIVE_INFINITY
  values[LENGTH - 30] = Number.NaN
  values[LENGTH - 2] = Number.NEGATIVE_INFINITY
  return saveModels(newFolder(), {
    a: { v: tensor([1]), w: tensor(ones(), [LENGTH], dtype) },
    b: { v: tensor([2]), w: tensor(values, [LENGTH], dtype) },
  })
}

function weightsOf(path: string, dtype: WeightDtype): Float32Array {
  const checkpoint = openCheckpoint(path)
  const floats = new Float32Array(LENGTH)
  decodeToFloat32(checkpoint.read('w'), dtype, floats)
  checkpoint.close()
  return floats
}

describe('NaN and infinities in a source', () => {
  it('are counted over stretches, with the place of the first', () => {
    const [, b] = damagedModels('F32')
    const checkpoint = openCheckpoint(b!.path)
    expect(findNonFinite(checkpoint, 'w')).toEqual({
      tensor: 'w',
      count: 3,
      element: 7,
      value: Number.POSITIVE_INFINITY,
    })
    expect(findNonFinite(checkpoint, 'v')).toBeUndefined()
    checkpoint.close()
    const count = new NonFiniteCount()
    count.skip(10)
    expect(count.add([1, Number.NaN])).toBe(1)
    expect(count.of('x')).toEqual({ tensor: 'x', count: 1, element: 11, value: Number.NaN })
    expect(new NonFiniteCount().of('x')).toBeUndefined()
  })

  it.each(['F32', 'F16', 'BF16'] as const)('are refused, by name, count and place, as %s', async dtype => {
    const references = damagedModels(dtype)
    const out = join(newFolder(), 'out.safetensors')
    for (const recipe of [
      linearRecipe({ a: 1, b: 1 }),
      taskArithmeticRecipe('a', { b: 0.5 }),
      { ...taskArithmeticRecipe('a', { b: 0.5 }), method: 'dare_linear' },
    ]) {
      const error = await rejection(mergeToFiles(recipe, references, out))
      expect(error).toBeInstanceOf(MergeError)
      expect(error.message).toBe(
        `Source "b" (${references[1]!.path}) has 3 values that are NaN or infinite as float32 in tensor "w"; the first is Infinity, element 7.`,
      )
      expect(error.hint).toMatch(/--allow-non-finite/)
    }
  })

  it.each(['F32', 'F16', 'BF16', 'F64'] as const)('stay where they are when they are allowed, as %s', async dtype => {
    const references = damagedModels(dtype)
    const out = join(newFolder(), 'out.safetensors')
    const { nonFinite } = await mergeToFiles(linearRecipe({ a: 1, b: 3 }), references, out, { allowNonFinite: true })
    expect(nonFinite).toEqual([{ tensor: 'w', count: 3, element: 7, value: Number.POSITIVE_INFINITY }])
    const merged = weightsOf(out, dtype)
    const expected = ones()
    expected[7] = Number.POSITIVE_INFINITY
    expected[LENGTH - 30] = Number.NaN
    expected[LENGTH - 2] = Number.NEGATIVE_INFINITY
    expect(Buffer.from(merged.buffer).equals(Buffer.from(expected.buffer))).toBe(true)
  })

  it('are told in the card of the merged model', async () => {
    const folder = newFolder()
    const { nonFinite } = await mergeToFiles(linearRecipe({ b: 1 }), damagedModels('F32'), join(folder, 'out'), {
      allowNonFinite: true,
    })
    expect(nonFinite).toHaveLength(1)
    const { readFileSync } = await import('node:fs')
    expect(readFileSync(join(folder, 'out', 'README.md'), 'utf8')).toContain('3 values that are NaN or infinite')
  })

  it('cannot be allowed for a method that would spread them', async () => {
    const references = damagedModels('F32')
    const recipe = { ...taskArithmeticRecipe('a', { b: 0.5 }), method: 'ties' }
    const error = await rejection(
      mergeToFiles(recipe, references, join(newFolder(), 'out.safetensors'), { allowNonFinite: true }),
    )
    expect(error.message).toMatch(/^Source "b" .* has 3 values/)
    expect(error.hint).toBe(
      'ties looks at whole tensors and would spread them, allowed or not: merge this tensor by linear or task_arithmetic.',
    )
  })

  it('are the merge’s own where all sources are finite', async () => {
    const references = saveModels(newFolder(), { a: { w: tensor([3e38]) } })
    const out = join(newFolder(), 'out.safetensors')
    const recipe = linearRecipe({ a: 2 }, { normalize: false })
    expect((await rejection(mergeToFiles(recipe, references, out))).message).toBe(
      'The merge has a NaN or an infinity in tensor "w".',
    )
  })
})
