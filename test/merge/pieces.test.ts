import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MergeError } from '../../src/errors.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { cellProducts } from '../../src/merge/cell-products.ts'
import { createMerger } from '../../src/merge/merge.ts'
import { mergeReference } from '../../src/merge/reference.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import { cellEnds, createPieceLine, placeAt } from '../../src/space/piece-line.ts'
import type { PiecewiseMerge } from '../../src/space/recipe.ts'
import { bits, copyOf, failure, gen, linearRecipe, saveModels, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
/** 'long' is longer than a tile of the merger, so that pieces begin in later tiles, too. */
const SIZES: Readonly<Record<string, number>> = {
  embed_tokens: 35,
  'layers.0.w': 70_000,
  'layers.1.w': 100,
  empty: 0,
  norm: 1,
}
const IDS = ['a', 'b', 'c']
const numbersOf = (seed: number) =>
  Object.fromEntries(Object.entries(SIZES).map(([name, size], t) => [name, gen(seed * 100 + t, size)]))
const models = Object.fromEntries(
  IDS.map((id, i) => [
    id,
    Object.fromEntries(Object.entries(numbersOf(i + 1)).map(([name, values]) => [name, tensor(values)])),
  ]),
)
const numbers = new Map(IDS.map((id, i) => [id, new Map(Object.entries(numbersOf(i + 1)))]))
const references = saveModels(newFolder(), models)
const line = createPieceLine(Object.entries(SIZES).map(([name, elements]) => ({ name, elements })))

const recipeOf = (starts: readonly number[], weights: readonly (readonly number[])[]): PiecewiseMerge => ({
  kind: 'piecewise-merge',
  method: 'linear',
  base: undefined,
  sources: IDS,
  parameters: { normalize: false },
  pieces: [0, ...starts].map((start, k) => ({
    from: placeAt(line, start),
    weights: Object.fromEntries(IDS.map((id, s) => [id, weights[k]![s]!])),
  })),
})
const recipes = fc
  .tuple(
    fc.uniqueArray(fc.integer({ min: 1, max: line.elements - 1 }), { maxLength: 6 }),
    fc.array(
      fc.array(fc.oneof(fc.constant(0), fc.double({ min: -2, max: 2, noNaN: true })), { minLength: 3, maxLength: 3 }),
      { minLength: 7, maxLength: 7 },
    ),
  )
  .map(([starts, weights]) =>
    recipeOf(
      starts.sort((x, y) => x - y),
      weights,
    ),
  )

describe('a merge of pieces', () => {
  it('is the float64 reference up to float32 rounding', () => {
    const merger = createMerger(loadSharedSources(references, { threads: 1 }), 0)
    fc.assert(
      fc.property(recipes, recipe => {
        const expected = mergeReference(recipe, numbers)
        for (const [name, { data }] of merger.merge(recipe).tensors) {
          const reference = expected.get(name)!
          const wrong = data.findIndex((x, i) => Math.abs(x - reference[i]!) > 1e-5)
          expect(wrong, name).toBe(-1)
        }
      }),
      { numRuns: 20 },
    )
  })

  it('has in each piece the very bits of the whole model merged with the weights of the piece', () => {
    const shared = loadSharedSources(references, { threads: 2, bankBytes: 700_000 })
    const [merger, plain] = [createMerger(shared, 0), createMerger(shared, 1)]
    fc.assert(
      fc.property(recipes, recipe => {
        const merged = copyOf(merger.merge(recipe))
        const starts = recipe.pieces.map(
          ({ from }) => line.tensors.find(t => t.name === from.tensor)!.start + from.element,
        )
        for (const [k, piece] of recipe.pieces.entries()) {
          const whole = plain.merge(linearRecipe(piece.weights, { normalize: false }))
          for (const { name, start, elements } of line.tensors) {
            const [from, to] = [
              Math.max(0, starts[k]! - start),
              Math.min(elements, (starts[k + 1] ?? line.elements) - start),
            ]
            if (from >= to) continue
            const expected = bits(whole.tensors.get(name)!.data.slice(from, to))
            expect(
              Buffer.compare(Buffer.from(bits(merged.get(name)!.slice(from, to)).buffer), Buffer.from(expected.buffer)),
            ).toBe(0)
          }
        }
      }),
      { numRuns: 15 },
    )
  })

  it('is written with the very bits that were scored', async () => {
    const recipe = recipeOf(
      [5, 40, 30_001, 70_036],
      [
        [1, 0, 0],
        [0.3, 0.5, 0.9],
        [0, -1.2, 0.1],
        [0.4, 0.4, 0.4],
        [0, 0, 1],
      ],
    )
    const merged = copyOf(createMerger(loadSharedSources(references, { threads: 1 }), 0).merge(recipe))
    const folder = newFolder()
    await mergeToFiles(recipe, references, join(folder, 'out.safetensors'))
    const written = openCheckpoint(join(folder, 'out.safetensors'))
    for (const [name, data] of merged) {
      expect(Buffer.compare(written.read(name), Buffer.from(bits(data).buffer)), name).toBe(0)
    }
    written.close()
    await mergeToFiles(recipe, references, join(folder, 'half.safetensors'), { dtype: 'BF16' })
    expect(readFileSync(join(folder, 'half.safetensors')).length).toBeLessThan(150_000)
  })

  it('is refused where pieces are not on the line of weights, or not in its order', () => {
    const merger = createMerger(loadSharedSources(references, { threads: 1 }), 0)
    const weights = [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]
    const good = recipeOf([10, 20], weights)
    const [first, second, third] = [good.pieces[0]!, good.pieces[1]!, good.pieces[2]!]
    const refused = (pieces: PiecewiseMerge['pieces']) => failure(() => merger.merge({ ...good, pieces })).message
    expect(refused([second, third])).toBe(
      'The first piece must begin where the weights begin, at element 0 of "embed_tokens".',
    )
    expect(refused([first, third, second])).toContain('Piece 3 must begin after piece 2')
    expect(refused([first, second, second])).toContain('Piece 3 must begin after piece 2')
    expect(refused([{ ...first, from: { tensor: 'nope', element: 0 } }])).toContain('which the models do not have')
    expect(refused([first, { ...second, from: { tensor: 'norm', element: 1 } }])).toContain('which has 1')
    expect(refused([{ ...first, weights: { a: 1, b: 0 } }])).toBe('piece 1 has no weight for the source "c".')
    expect(refused([{ ...first, weights: { a: 1, b: 0, c: 0, d: 1 } }])).toContain('piece 1 weighs "d"')
    expect(failure(() => merger.merge({ ...good, sources: ['a', 'a'] })).message).toContain('names a source twice')
    expect(merger.merge(good).tensors.size).toBe(5)
  })

  it('that is too large for float32 says so, and only where it is', () => {
    const huge = saveModels(newFolder(), { a: { w: tensor([1, 3e38, 1, 1]) }, b: { w: tensor([1, 1, 1, 1]) } })
    const merger = createMerger(loadSharedSources(huge, { threads: 1 }), 0)
    const recipe = (second: number): PiecewiseMerge => ({
      ...recipeOf([], [[1, 0, 0]]),
      sources: ['a', 'b'],
      pieces: [
        { from: { tensor: 'w', element: 0 }, weights: { a: 1, b: 0 } },
        { from: { tensor: 'w', element: second }, weights: { a: 2, b: 0 } },
      ],
    })
    expect([...merger.merge(recipe(2)).tensors.get('w')!.data]).toEqual([1, Math.fround(3e38), 2, 2])
    expect(() => merger.merge(recipe(1))).toThrow(MergeError)
  })
})

describe('the inner products of models by cell', () => {
  it('are those of the plain vectors', () => {
    const ends = cellEnds(line, true)
    const products = cellProducts(references, line, ends)
    expect(products).toHaveLength(ends.length * 6)
    for (const cell of [0, 1, 7, ends.length - 30, ends.length - 1]) {
      const sums = new Float64Array(6)
      for (let position = ends[cell - 1] ?? 0; position < ends[cell]!; position++) {
        const { tensor: name, element } = placeAt(line, position)
        const x = IDS.map(id => Math.fround(numbers.get(id)!.get(name)![element]!))
        let p = 0
        for (let i = 0; i < 3; i++) for (let j = i; j < 3; j++) sums[p++]! += x[i]! * x[j]!
      }
      sums.forEach((sum, p) => {
        expect(products[cell * 6 + p]).toBeCloseTo(sum, 3)
      })
    }
  })
})
