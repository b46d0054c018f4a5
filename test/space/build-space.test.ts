import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../src/errors.ts'
import { createSearchSpace } from '../../src/space/build-space.ts'
import { type GenomeConfig, genomeSchema } from '../../src/space/genome-config.ts'
import { indexLayers, selectGroup } from '../../src/space/layer-groups.ts'
import { canonicalJson, recipeSchema } from '../../src/space/recipe.ts'
import { ofGroups } from '../helpers/parameter-merge.ts'

const digits = [0, 1, 2, 3, 4].flatMap(l => [`layers.${l}.weight`, `layers.${l}.bias`])
const llama = [
  'model.embed_tokens.weight',
  ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap(l =>
    ['self_attn.q_proj', 'self_attn.o_proj', 'mlp.up_proj', 'mlp.down_proj', 'input_layernorm'].map(
      part => `model.layers.${l}.${part}.weight`,
    ),
  ),
  'model.norm.weight',
  'lm_head.weight',
]
const genome = (config: Record<string, unknown> = {}): GenomeConfig =>
  genomeSchema.parse({ merge_method: 'task_arithmetic', ...config })
const space = (config: Record<string, unknown> = {}, names: readonly string[] = digits, sources = ['low', 'high']) =>
  ofGroups(createSearchSpace(genome(config), names, sources, 'base'))
const geneNames = (...args: Parameters<typeof space>) => space(...args).genes.map(gene => gene.name)
const errorOf = (make: () => unknown): string => {
  try {
    make()
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  throw new Error('Expected an error.')
}

describe('layer groups', () => {
  it('is one group over everything when nothing is said', () => {
    const s = space()
    expect(s.genes.map(gene => gene.name)).toEqual(['all/low/weight', 'all/high/weight'])
    expect(s.decode(Float64Array.of(0.2, 0.7))).toEqual({
      kind: 'parameter-merge',
      method: 'task_arithmetic',
      base: 'base',
      sources: ['low', 'high'],
      parameters: { normalize: false, lambda: 1 },
      groups: [{ layers: 'all', coefficients: { low: { weight: 0.2 }, high: { weight: 0.7 } } }],
    })
  })

  it('gives each layer of the digits classifier a weight per source', () => {
    expect(geneNames({ layer_granularity: 1 })).toEqual(
      [0, 1, 2, 3, 4].flatMap(l => [`layers.${l}/low/weight`, `layers.${l}/high/weight`]),
    )
  })

  it('allows the last group to be shorter', () => {
    const s = space({ layer_granularity: 2 })
    expect(s.decode(s.initial).groups.map(group => group.layers)).toEqual([
      [0, 2],
      [2, 4],
      [4, 5],
    ])
    expect(s.genes[0]!.name).toBe('layers.0-1/low/weight')
    expect(s.genes[4]!.name).toBe('layers.4/low/weight')
  })

  it('counts layers that occur, so gaps in the numbering cost no gene', () => {
    const s = space({ layer_granularity: 2 }, ['0.w', '2.w', '4.w'])
    expect(s.decode(s.initial).groups.map(group => group.layers)).toEqual([
      [0, 3],
      [4, 5],
    ])
  })

  it('puts the tensors before and after the layers with the first and the last group', () => {
    const s = space({ layer_granularity: 4 }, llama, ['low'])
    expect(s.genes).toHaveLength(2)
    const recipe = s.decode(Float64Array.of(0.25, 0.75))
    expect(recipe.groups.map(group => [group.layers, group.coefficients.low!.weight])).toEqual([
      ['pre', 0.25],
      [[0, 4], 0.25],
      [[4, 8], 0.75],
      ['post', 0.75],
    ])
  })

  it('gives them genes of their own, or holds them at the initial weight', () => {
    expect(geneNames({ embeddings: 'own' }, llama, ['low'])).toEqual([
      'pre/low/weight',
      'layers.0-7/low/weight',
      'post/low/weight',
    ])
    const s = space({ embeddings: 'frozen' }, llama)
    expect(s.genes.map(gene => gene.name)).toEqual(['layers.0-7/low/weight', 'layers.0-7/high/weight'])
    const recipe = s.decode(Float64Array.of(0, 0))
    expect(recipe.groups[0]).toEqual({ layers: 'pre', coefficients: { low: { weight: 0.5 }, high: { weight: 0.5 } } })
  })
})

describe('filters', () => {
  it('gives each filter and the rest a weight per layer group, the first filter that fits deciding', () => {
    const s = space({ layer_granularity: 4, filters: ['self_attn', 'mlp'] }, llama, ['low'])
    expect(s.genes.map(gene => gene.name)).toEqual([
      'layers.0-3:*/low/weight',
      'layers.0-3:self_attn/low/weight',
      'layers.0-3:mlp/low/weight',
      'layers.4-7:self_attn/low/weight',
      'layers.4-7:mlp/low/weight',
      'layers.4-7:*/low/weight',
    ])
    const recipe = s.decode(Float64Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    const select = selectGroup(recipe.groups, indexLayers(llama))
    const weight = (name: string) => recipe.groups[select(name)]!.coefficients.low!.weight
    expect(weight('model.embed_tokens.weight')).toBe(0.1)
    expect(weight('model.layers.3.self_attn.q_proj.weight')).toBe(0.2)
    expect(weight('model.layers.0.mlp.up_proj.weight')).toBe(0.3)
    expect(weight('model.layers.4.input_layernorm.weight')).toBe(0.6)
    expect(weight('lm_head.weight')).toBe(0.6)
  })

  it('makes no gene where a filter selects nothing in a layer group, or nothing is left for the rest', () => {
    expect(geneNames({ layer_granularity: 1, filters: ['weight', '4.bias'] }, digits, ['low'])).toEqual(
      [0, 1, 2, 3]
        .flatMap(l => [`layers.${l}:weight/low/weight`, `layers.${l}:*/low/weight`])
        .concat(['layers.4:weight/low/weight', 'layers.4:4.bias/low/weight']),
    )
  })

  it('refuses a filter that no tensor name contains, with the nearest name', () => {
    expect(errorOf(() => space({ filters: ['self_atn'] }, llama))).toBe(
      'genome.filters[0]: "self_atn" is part of no tensor name; did you mean "self_attn"?',
    )
    expect(errorOf(() => space({ filters: ['weight', 'experts'] }))).toBe(
      'genome.filters[1]: "experts" is part of no tensor name; names are made of "layers", "weight", "bias", ...',
    )
  })

  it('refuses a filter that earlier filters leave nothing', () => {
    expect(errorOf(() => space({ filters: ['attn', 'q_proj'] }, llama))).toBe(
      'genome.filters[1]: "q_proj" is left no tensor: the earlier filter "attn" takes "model.layers.0.self_attn.q_proj.weight"; put "q_proj" before it',
    )
  })
})

describe('ranges', () => {
  const rangeOf = (config: Record<string, unknown>, sources = ['low', 'high']) => {
    const gene = space(config, digits, sources).genes[0]!
    return gene.kind === 'real' ? [gene.low, gene.high, gene.initial, gene.scale] : undefined
  }

  it.each([
    [{ merge_method: 'linear' }, [0, 1, 0.5, 'linear']],
    [{}, [0, 1.5, 0.5, 'linear']],
    [{ allow_negative_weights: true }, [-1.5, 1.5, 0.5, 'linear']],
    [{ merge_method: 'linear', allow_negative_weights: true }, [-1, 1, 0.5, 'linear']],
    [{ weight: { min: 0.1, max: 2, initial: 0.3, scale: 'log' } }, [0.1, 2, 0.3, 'log']],
    [{ weight: { min: 0.6, max: 2 } }, [0.6, 2, 0.6, 'linear']],
  ])('%j', (config, expected) => {
    expect(rangeOf(config)).toEqual(expected)
  })

  it('starts at the uniform average', () => {
    expect([...space({}, digits, ['a', 'b', 'c', 'd']).initial]).toEqual([0.25, 0.25, 0.25, 0.25])
  })
})

describe('gradients', () => {
  const weights = (config: Record<string, unknown>, ...values: number[]) => {
    const s = space(config, digits, ['low'])
    return s.decode(Float64Array.from(values)).groups.map(group => group.coefficients.low!.weight)
  }

  it('interpolates control points over the layers, the ends falling on the first and last', () => {
    expect(geneNames({ gradient: { points: 3 } }, digits, ['low'])).toEqual(
      [0, 1, 2].map(p => `gradient.${p}/low/weight`),
    )
    expect(weights({ gradient: { points: 3 } }, 0, 1, 0.5)).toEqual([0, 0.5, 1, 0.75, 0.5])
    expect(weights({ gradient: { points: 2 } }, 0, 1)).toEqual([0, 0.25, 0.5, 0.75, 1])
  })

  it('interpolates over layer groups where there are some', () => {
    const s = space({ gradient: { points: 2 }, layer_granularity: 2 }, digits, ['low'])
    const recipe = s.decode(Float64Array.of(0, 1))
    expect(recipe.groups.map(group => [group.layers, group.coefficients.low!.weight])).toEqual([
      [[0, 2], 0],
      [[2, 4], 0.5],
      [[4, 5], 1],
    ])
  })

  it('reads smooth as a control point per layer_granularity layers, and without granularity as no change over depth', () => {
    expect(weights({ smooth: true, layer_granularity: 2 }, 0, 1, 0.5)).toEqual([0, 0.5, 1, 0.75, 0.5])
    expect(geneNames({ smooth: true })).toEqual(['all/low/weight', 'all/high/weight'])
    expect(geneNames({ smooth: true, layer_granularity: 5 })).toEqual(['all/low/weight', 'all/high/weight'])
  })

  it('refuses more control points than there are layers or groups', () => {
    expect(errorOf(() => space({ gradient: { points: 6 } }))).toBe(
      'genome.gradient.points: expected at most 5, the number of layers, got 6',
    )
    expect(errorOf(() => space({ gradient: { points: 4 }, layer_granularity: 2 }))).toBe(
      'genome.gradient.points: expected at most 3, the number of layer groups, got 4',
    )
  })

  it('needs numbered layers', () => {
    expect(errorOf(() => space({ layer_granularity: 1 }, ['weight']))).toBe(
      'genome.layer_granularity: needs numbered layers, but no tensor name has a number as in "layers.0.weight" (first name: "weight"); use "filters" instead',
    )
  })
})

describe('groups', () => {
  it('freezes, narrows and shares genes; the first entry that matches decides', () => {
    const s = space({
      layer_granularity: 1,
      groups: [
        { match: { layers: 0 }, frozen: 0 },
        { match: { layers: [1, 3], source: 'low' }, share: 'middle', weight: { min: 0, max: 2, initial: 1 } },
        { match: { source: 'low' }, weight: { min: -1, max: 1 } },
      ],
    })
    expect(s.genes.map(gene => gene.name)).toEqual([
      'shared.middle/weight',
      'layers.1/high/weight',
      'layers.2/high/weight',
      'layers.3/low/weight',
      'layers.3/high/weight',
      'layers.4/low/weight',
      'layers.4/high/weight',
    ])
    expect(s.genes[0]).toMatchObject({ low: 0, high: 2, initial: 1 })
    expect(s.genes[3]).toMatchObject({ low: -1, high: 1, initial: 0.5 })
    const recipe = s.decode(Float64Array.of(1.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    expect(recipe.groups.map(group => [group.coefficients.low!.weight, group.coefficients.high!.weight])).toEqual([
      [0, 0],
      [1.5, 0.1],
      [1.5, 0.2],
      [0.3, 0.4],
      [0.5, 0.6],
    ])
  })

  it('separates the tensors before the layers from the first group when an entry addresses them', () => {
    const s = space({ groups: [{ match: { layers: 'pre' }, frozen: 0 }] }, llama, ['low'])
    expect(s.decode(Float64Array.of(0.7)).groups.map(group => [group.layers, group.coefficients.low!.weight])).toEqual([
      ['pre', 0],
      [[0, 8], 0.7],
      ['post', 0.7],
    ])
  })

  it('matches a filter or the rest', () => {
    const s = space({ filters: ['bias'], groups: [{ match: { filter: 'bias' }, frozen: 1 }] }, digits, ['low'])
    expect(s.genes.map(gene => gene.name)).toEqual(['all:*/low/weight'])
    const rest = space({ filters: ['bias'], groups: [{ match: { filter: '*' }, frozen: 1 }] }, digits, ['low'])
    expect(rest.genes.map(gene => gene.name)).toEqual(['all:bias/low/weight'])
  })

  it('shares control points and freezes layers within a gradient', () => {
    const s = space({
      gradient: { points: 2 },
      groups: [
        { match: { layers: [4, 5] }, frozen: 0 },
        { match: { source: 'low' }, share: 's' },
        { match: { source: 'high' }, share: 's' },
      ],
    })
    expect(s.genes.map(gene => gene.name)).toEqual(['shared.s.0/weight', 'shared.s.1/weight'])
    const recipe = s.decode(Float64Array.of(0, 1))
    expect(recipe.groups.map(group => group.coefficients.high!.weight)).toEqual([0, 0.25, 0.5, 0.75, 0])
  })

  it.each([
    [
      { layer_granularity: 2, groups: [{ match: { layers: [0, 3] }, frozen: 0 }] },
      'genome.groups[0].match.layers: [0, 3) cuts the layer group layers.2-3, which is [2, 4); match whole groups or lower layer_granularity',
    ],
    [
      { layer_granularity: 1, groups: [{ match: { layers: 9 }, frozen: 0 }] },
      'genome.groups[0]: this entry decides nothing: nothing matches it, or earlier entries match first',
    ],
    [
      {
        groups: [
          { match: { source: 'low' }, frozen: 0 },
          { match: { source: 'low' }, frozen: 1 },
        ],
      },
      'genome.groups[1]: this entry decides nothing: nothing matches it, or earlier entries match first',
    ],
    [
      {
        groups: [
          { match: { source: 'low' }, share: 'x' },
          { match: { source: 'high' }, share: 'x', weight: { min: 0, max: 1 } },
        ],
      },
      'genome.groups[1]: the gene "shared.x/weight" is shared with entries that give it another range; give them all the same',
    ],
    [
      { groups: [{ match: { source: 'lwo' }, frozen: 0 }] },
      'genome.groups[0].match.source: unknown model "lwo"; did you mean "low"?',
    ],
    [
      { groups: [{ match: { filter: 'attn' }, frozen: 0 }] },
      'genome.groups[0].match.filter: unknown filter "attn"; there are "*"',
    ],
    [
      {
        groups: [
          { match: { source: 'low' }, frozen: 0 },
          { match: { source: 'high' }, frozen: 0 },
        ],
      },
      'genome: there is nothing to search: every weight is frozen; free at least one of them in "groups"',
    ],
    [
      { gradient: { points: 2 }, groups: [{ match: { layers: 0 }, share: 'x' }] },
      'genome.groups[0].match.layers: with "gradient" or "smooth" a gene spreads over all layers, so only "frozen" can be limited to some of them',
    ],
    [{ gradient: { points: 2 }, smooth: true }, 'genome.gradient: say either "smooth: true" or "gradient", not both'],
    [{ filters: ['bias', 'bias'] }, 'genome.filters[1]: "bias" is listed twice'],
    [{ merge_method: 'linear', lambda: 1 }, 'genome.lambda: linear has no lambda; it has normalize'],
  ])('%j', (config, message) => {
    expect(errorOf(() => space(config))).toBe(message)
  })

  it('needs a base for task vectors, models to merge, and two of them for an average', () => {
    expect(errorOf(() => ofGroups(createSearchSpace(genome(), digits, ['low'], undefined)))).toBe(
      'genome.merge_method: task_arithmetic needs "base_model", the common ancestor',
    )
    expect(errorOf(() => ofGroups(createSearchSpace(genome(), digits, [], 'base')))).toBe(
      'genome.models: there is no model to merge besides the base',
    )
    expect(errorOf(() => space({ merge_method: 'linear' }, digits, ['low']))).toBe(
      'genome.models: linear needs at least two models to merge, got "low" only',
    )
    expect(errorOf(() => space({}, []))).toBe('genome: the models have no tensors to merge')
  })
})

describe('global genes', () => {
  it('searches lambda', () => {
    const s = space({ lambda: { min: 0, max: 2 } })
    expect(s.genes[0]).toEqual({ kind: 'real', name: 'lambda', low: 0, high: 2, initial: 1, scale: 'linear' })
    expect(s.decode(Float64Array.of(0.5, 1, 1)).parameters).toEqual({ normalize: false, lambda: 0.5 })
    expect(space({ lambda: 0.3 }).decode(Float64Array.of(1, 1)).parameters.lambda).toBe(0.3)
  })

  it('searches the method; lambda matters only while the method has one', () => {
    const s = space({ merge_method: ['linear', 'task_arithmetic'], lambda: { min: 0, max: 2 } })
    expect(s.genes.slice(0, 2)).toEqual([
      { kind: 'categorical', name: 'method', choices: ['linear', 'task_arithmetic'], initial: 0 },
      {
        kind: 'real',
        name: 'lambda',
        low: 0,
        high: 2,
        initial: 1,
        scale: 'linear',
        activeWhen: { gene: 'method', oneOf: [1] },
      },
    ])
    const linear = s.decode(Float64Array.of(0, 0.5, 0.2, 0.3))
    expect(linear).toMatchObject({ method: 'linear', base: undefined, parameters: { normalize: true } })
    expect(linear.parameters).not.toHaveProperty('lambda')
    expect(s.decode(Float64Array.of(1, 0.5, 0.2, 0.3))).toMatchObject({
      method: 'task_arithmetic',
      base: 'base',
      parameters: { normalize: false, lambda: 0.5 },
    })
    expect([...s.encode(linear)]).toEqual([0, 1, 0.2, 0.3])
  })
})

describe('decode', () => {
  const s = space({ merge_method: ['linear', 'task_arithmetic'] })
  it.each([
    [[0, 1], 'Expected a genome of shape (3,), got (2,).'],
    [[0, 1.2, 2], 'Expected gene "all/high/weight" to lie in [0, 1.5], got 2.'],
    [[0, Number.NaN, 0], 'Expected gene "all/low/weight" to lie in [0, 1.5], got NaN.'],
    [[0.5, 0, 0], 'Expected gene "method" to be a whole number, got 0.5.'],
    [[2, 0, 0], 'Expected gene "method" to lie in [0, 1], got 2.'],
  ])('refuses %j', (values, message) => {
    expect(() => s.decode(Float64Array.from(values))).toThrow(message)
  })
})

const SPACES = {
  plain: space(),
  layers: space({ layer_granularity: 1, normalize: true }),
  filters: space({ layer_granularity: 3, filters: ['attn', 'mlp'] }, llama),
  own: space({ embeddings: 'own', allow_negative_weights: true }, llama),
  gradient: space({ gradient: { points: 4 }, filters: ['mlp'] }, llama),
  smooth: space({ smooth: true, layer_granularity: 3 }, llama),
  shared: space({
    layer_granularity: 1,
    groups: [
      { match: { layers: [1, 4] }, share: 'middle' },
      { match: { layers: 4 }, frozen: 0.3 },
    ],
  }),
  methods: space({ merge_method: ['linear', 'task_arithmetic'], lambda: { min: 0.1, max: 2, scale: 'log' } }),
}

describe.each(Object.entries(SPACES))('the %s space', (name, s) => {
  const genomes = fc
    .tuple(
      ...s.genes.map(gene =>
        gene.kind === 'categorical'
          ? fc.integer({ min: 0, max: gene.choices.length - 1 })
          : fc.double({ min: gene.low, max: gene.high, noNaN: true }),
      ),
    )
    .map(values => Float64Array.from(values))

  it('has unique gene names and starts inside its bounds', () => {
    expect(new Set(s.genes.map(gene => gene.name)).size).toBe(s.genes.length)
    expect(() => s.decode(s.initial)).not.toThrow()
    expect([...s.initial]).toEqual(s.genes.map(gene => gene.initial))
  })

  it('decodes to recipes that the schema accepts and that select every tensor', () => {
    const recipe = s.decode(s.initial)
    expect(recipeSchema.parse(JSON.parse(JSON.stringify(recipe)))).toEqual(JSON.parse(JSON.stringify(recipe)))
    const names = name === 'plain' || name === 'layers' || name === 'shared' || name === 'methods' ? digits : llama
    const select = selectGroup(recipe.groups, indexLayers(names))
    expect(new Set(names.map(select)).size).toBe(recipe.groups.length)
  })

  it('encodes what it decoded: decode ∘ encode ∘ decode = decode', () => {
    const exact = name !== 'gradient' && name !== 'smooth'
    fc.assert(
      fc.property(genomes, genome => {
        const recipe = s.decode(genome)
        const again = s.decode(s.encode(recipe))
        if (exact) expect(canonicalJson(again)).toBe(canonicalJson(recipe))
        recipe.groups.forEach((group, i) => {
          for (const [source, { weight }] of Object.entries(group.coefficients)) {
            expect(again.groups[i]!.coefficients[source]!.weight).toBeCloseTo(weight!, 9)
          }
        })
      }),
      { numRuns: 100 },
    )
  })
})

it('knows a space by its genes and how they reach the tensors', () => {
  expect(space().id).toBe(space({ lambda: 1 }).id)
  const ids = Object.values(SPACES).map(s => s.id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(space({ weight: { min: 0, max: 1 } }).id).not.toBe(space().id)
})
