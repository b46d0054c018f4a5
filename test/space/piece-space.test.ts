import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConfigError, GenomeError } from '../../src/errors.ts'
import { createSearchSpace } from '../../src/space/build-space.ts'
import { genomeSchema } from '../../src/space/genome-config.ts'
import { genomeProblems } from '../../src/space/genome-problems.ts'
import { cellEnds, createPieceLine, naturalOrder, placeAt, positionOf } from '../../src/space/piece-line.ts'
import { recipeSchema } from '../../src/space/recipe.ts'

const TENSORS = [
  { name: 'lm_head', elements: 6 },
  { name: 'layers.10.w', elements: 10 },
  { name: 'embed_tokens', elements: 4 },
  { name: 'layers.2.w', elements: 8 },
  { name: 'layers.2.b', elements: 2 },
  { name: 'empty', elements: 0 },
]
const names = TENSORS.map(({ name }) => name)
const facts = (cells: number) => ({
  elements: TENSORS.map(({ elements }) => elements),
  products: new Float32Array(3 * cells).fill(1),
})
const space = (pieces: Record<string, unknown> = {}, config: Record<string, unknown> = {}) => {
  const genome = genomeSchema.parse({ merge_method: 'linear', pieces, ...config })
  const cells = pieces.inside_tensors === false ? 5 : 30
  return createSearchSpace(genome, names, ['a', 'b'], undefined, facts(cells))
}

describe('the line of weights', () => {
  const line = createPieceLine(TENSORS)

  it('goes from before the layers through them by number to after them', () => {
    expect(line.tensors.map(({ name, start }) => [name, start])).toEqual([
      ['embed_tokens', 0],
      ['layers.2.b', 4],
      ['layers.2.w', 6],
      ['layers.10.w', 14],
      ['lm_head', 24],
    ])
    expect(line.elements).toBe(30)
  })

  it('names a place and finds it again', () => {
    for (let position = 0; position < 30; position++) expect(positionOf(line, placeAt(line, position))).toBe(position)
    expect(() => positionOf(line, { tensor: 'nope', element: 0 })).toThrow('which the models do not have')
    expect(() => positionOf(line, { tensor: 'lm_head', element: 6 })).toThrow('which has 6')
  })

  it('orders numbers in names by their size', () => {
    const sorted = ['w10', 'w9', 'a.2.b', 'a.10.b', 'a.2', 'w'].sort(naturalOrder)
    expect(sorted).toEqual(['a.2', 'a.2.b', 'a.10.b', 'w', 'w9', 'w10'])
  })

  it('has cells at every tensor, and evenly inside them, 4096 in all at most', () => {
    expect(cellEnds(line, false)).toEqual([4, 6, 14, 24, 30])
    expect(cellEnds(line, true)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1))
    const large = createPieceLine([
      { name: 'x', elements: 1_000_000 },
      { name: 'y', elements: 3 },
    ])
    const ends = cellEnds(large, true)
    expect(ends.length).toBeLessThanOrEqual(4096)
    expect(ends.length).toBeGreaterThan(4000)
    expect(ends).toContain(1_000_000)
    expect(ends.at(-1)).toBe(1_000_003)
    const widths = ends.slice(0, -1).map((end, i) => end - (ends[i - 1] ?? 0))
    expect(Math.max(...widths) - Math.min(...widths)).toBeLessThanOrEqual(1)
  })

  it('has a cell per tensor where there are more tensors than cells', () => {
    const many = createPieceLine(Array.from({ length: 5000 }, (_, i) => ({ name: `t${i}`, elements: 10 })))
    expect(cellEnds(many, true)).toHaveLength(5000)
  })
})

describe('a space of pieces', () => {
  it('names its genes by piece', () => {
    expect(space({ max: 2 }).genes.map(({ name }) => name)).toEqual([
      'pieces.1/start',
      'pieces.0/a/weight',
      'pieces.0/b/weight',
      'pieces.1/a/weight',
      'pieces.1/b/weight',
    ])
  })

  it('starts with the uniform average in one piece, and knows each source alone', () => {
    const s = space()
    const piecesOf = (genome: Float64Array) => {
      const recipe = recipeSchema.parse(s.decode(genome))
      return recipe.kind === 'piecewise-merge' ? recipe.pieces : []
    }
    expect(piecesOf(s.initial)).toEqual([{ from: { tensor: 'embed_tokens', element: 0 }, weights: { a: 0.5, b: 0.5 } }])
    expect(s.anchors?.map(piecesOf)).toEqual([
      [{ from: { tensor: 'embed_tokens', element: 0 }, weights: { a: 1, b: 0 } }],
      [{ from: { tensor: 'embed_tokens', element: 0 }, weights: { a: 0, b: 1 } }],
    ])
  })

  it('lets pieces begin inside tensors or only with them', () => {
    const genome = Float64Array.of(0.5, 1, 0, 0, 1)
    const starts = (s: ReturnType<typeof space>) => {
      const recipe = s.decode(genome)
      return recipe.kind === 'piecewise-merge' ? recipe.pieces.map(({ from }) => from) : []
    }
    expect(starts(space({ max: 2 }))[1]).toEqual({ tensor: 'layers.10.w', element: 1 })
    expect(starts(space({ max: 2, inside_tensors: false }))[1]).toEqual({ tensor: 'layers.10.w', element: 0 })
  })

  it('encodes what it decodes', () => {
    const s = space({ max: 5 })
    const value = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(fc.array(value, { minLength: s.genes.length, maxLength: s.genes.length }), values => {
        const recipe = s.decode(Float64Array.from(values))
        expect(s.decode(s.encode(recipe))).toEqual(recipe)
      }),
    )
  })

  it('encodes a merge by groups of tensors', () => {
    const s = space()
    const weights = (a: number, b: number) => ({ a: { weight: a }, b: { weight: b } })
    const recipe = s.decode(
      s.encode({
        kind: 'parameter-merge',
        method: 'linear',
        base: undefined,
        sources: ['a', 'b'],
        parameters: { normalize: true },
        groups: [
          { layers: [2, 3], coefficients: weights(3, 1) },
          { layers: 'all', coefficients: weights(1, 1) },
        ],
      }),
    )
    expect(recipe).toMatchObject({
      pieces: [
        { from: { tensor: 'embed_tokens', element: 0 }, weights: { a: 0.5, b: 0.5 } },
        { from: { tensor: 'layers.2.b', element: 0 }, weights: { a: 0.75, b: 0.25 } },
        { from: { tensor: 'layers.10.w', element: 0 }, weights: { a: 0.5, b: 0.5 } },
      ],
    })
  })

  it('refuses recipes of other models, methods, places and weights', () => {
    const s = space()
    const recipe = s.decode(s.initial)
    if (recipe.kind !== 'piecewise-merge') throw new Error('unreachable')
    expect(() => s.encode({ ...recipe, sources: ['b', 'a'] })).toThrow(GenomeError)
    const elsewhere = { ...recipe, pieces: [{ from: { tensor: 'x', element: 0 }, weights: { a: 1, b: 0 } }] }
    expect(() => s.encode(elsewhere)).toThrow(GenomeError)
    const heavy = { ...recipe, pieces: [{ ...recipe.pieces[0]!, weights: { a: 9, b: 0 } }] }
    expect(() => s.encode(heavy)).toThrow('Expected a weight in [0, 1.5], got 9 for "a".')
  })

  it('says what does not go with it', () => {
    const problems = (config: Record<string, unknown>) =>
      genomeProblems(genomeSchema.parse({ merge_method: 'linear', pieces: {}, ...config }), ['a', 'b'], 'base').map(
        ({ path, message }) => `${path.join('.')}: ${message}`,
      )
    expect(problems({})).toEqual([])
    expect(problems({ merge_method: 'task_arithmetic' })).toEqual([
      'merge_method: "pieces" are combined by linear, and by nothing else',
    ])
    expect(problems({ layer_granularity: 1, filters: ['w'], normalize: true, embeddings: 'own' })).toEqual([
      'layer_granularity: "pieces" have weights of their own: leave this out',
      'filters: "pieces" have weights of their own: leave this out',
      'normalize: "pieces" have weights of their own: leave this out',
      'embeddings: "pieces" have weights of their own: leave this out',
    ])
    expect(problems({ weight: { min: 0.1, max: 1, scale: 'log' } })).toEqual([
      'weight.scale: the weights of "pieces" are searched on a linear axis',
    ])
  })

  it('needs the models themselves', () => {
    const genome = genomeSchema.parse({ merge_method: 'linear', pieces: {} })
    expect(() => createSearchSpace(genome, names, ['a', 'b'], undefined)).toThrow(ConfigError)
  })
})
