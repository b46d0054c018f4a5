import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Gene } from '../../src/candidate.ts'
import { GenomeError } from '../../src/errors.ts'
import type { MergeOperator } from '../../src/merge/operators/operator.ts'
import { planRecipe } from '../../src/merge/plan.ts'
import { createSearchSpace } from '../../src/space/build-space.ts'
import { type GenomeConfig, genomeSchema } from '../../src/space/genome-config.ts'
import { genomeProblems } from '../../src/space/genome-problems.ts'
import { COEFFICIENTS, parametersOf, SEARCHABLE_METHODS } from '../../src/space/methods.ts'
import { canonicalJson, recipeSchema } from '../../src/space/recipe.ts'
import { resetInactive } from '../../src/strategies/unit-cube.ts'
import { ofGroups } from '../helpers/parameter-merge.ts'

const names = [
  'embed_tokens.weight',
  ...[0, 1, 2, 3].flatMap(l => [`layers.${l}.attn.w`, `layers.${l}.mlp.w`]),
  'norm.weight',
]
const models = (most: number) => ['a', 'b', 'c'].slice(0, most)
const genome = (config: Record<string, unknown>): GenomeConfig => genomeSchema.parse(config)
const space = (config: Record<string, unknown>, sources = ['a', 'b'], base: string | undefined = 'base') =>
  ofGroups(createSearchSpace(genome(config), names, sources, base))
const geneNames = (...args: Parameters<typeof space>) => space(...args).genes.map(gene => gene.name)
const problem = (config: Record<string, unknown>, sources = ['a', 'b'], base: string | undefined = 'base') =>
  genomeProblems(genome(config), sources, base).map(({ path, message }) => `${path.join('.')}: ${message}`)[0]

/** Everything that the operator has, as genes: coefficients in their range, parameters as range or choices. */
function everything(operator: MergeOperator): Record<string, unknown> {
  const range = ([min, max]: readonly [number, number]) => (min === max ? min : { min, max })
  const parameters = Object.fromEntries(
    parametersOf(operator).map(parameter => [
      parameter.name,
      parameter.kind === 'number'
        ? range(parameter.searchRange)
        : { choices: parameter.kind === 'boolean' ? [true, false] : parameter.choices },
    ]),
  )
  const coefficients = Object.fromEntries(
    operator.coefficients.map(({ name, searchRange }) => [name, range(searchRange)]),
  )
  return { merge_method: operator.name, layer_granularity: 2, filters: ['mlp'], ...coefficients, parameters }
}

const genomesOf = (genes: readonly Gene[]) =>
  fc
    .tuple(
      ...genes.map(gene =>
        gene.kind === 'categorical'
          ? fc.integer({ min: 0, max: gene.choices.length - 1 })
          : gene.kind === 'integer'
            ? fc.integer({ min: gene.low, max: gene.high })
            : fc.double({ min: gene.low, max: gene.high, noNaN: true }),
      ),
    )
    .map(values => Float64Array.from(values))

/** decode ∘ encode ∘ decode = decode, recipes that the schema accepts and a merge can be planned with. */
function holds(s: ReturnType<typeof space>, sources: readonly string[], runs = 30): void {
  fc.assert(
    fc.property(genomesOf(s.genes), values => {
      const recipe = s.decode(values)
      const json = JSON.parse(JSON.stringify(recipe))
      expect(recipeSchema.parse(json)).toEqual(json)
      expect(planRecipe(recipe, ['base', ...sources], names).groups).toHaveLength(recipe.groups.length)
      const encoded = s.encode(recipe)
      expect(canonicalJson(s.decode(encoded))).toBe(canonicalJson(recipe))
      // What is inactive does not matter.
      expect(canonicalJson(s.decode(resetInactive(s, values.slice())))).toBe(canonicalJson(recipe))
    }),
    { numRuns: runs },
  )
}

describe.each(SEARCHABLE_METHODS.map(operator => [operator.name, operator] as const))('%s', (_, operator) => {
  const sources = models(operator.models[1])
  const config = everything(operator)
  const searched = [...operator.coefficients, ...parametersOf(operator)]

  // arcee_fusion has nothing: the next test says so.
  if (searched.length > 0)
    it('has a gene for all that it has, and recipes come back from their genomes', () => {
      const s = space(config, sources)
      const found = new Set(s.genes.map(gene => gene.name.split('/').at(-1)))
      const fixed = searched.filter(
        ({ name }) => typeof (config.parameters as Record<string, unknown>)[name] === 'number',
      )
      expect([...found].sort()).toEqual(
        searched
          .filter(entry => !fixed.includes(entry))
          .map(({ name }) => name)
          .sort(),
      )
      holds(s, sources)
    })

  it('searches weights, densities and what has no default when nothing is said', () => {
    const least = [...operator.coefficients.filter(({ name }) => ['weight', 'density'].includes(name))].map(c => c.name)
    const open = operator.parameters.filter(parameter => parameter.kind === 'number' && parameter.default === undefined)
    const expected = [...least, ...open.map(({ name }) => name)].sort()
    if (expected.length === 0) {
      expect(() => space({ merge_method: operator.name }, sources)).toThrow('genome: there is nothing to search: ')
      return
    }
    const s = space({ merge_method: operator.name }, sources)
    expect([...new Set(s.genes.map(gene => gene.name.split('/').at(-1)))].sort()).toEqual(expected)
    holds(s, sources, 10)
  })
})

describe('coefficients', () => {
  it('ties and dare_ties have a density per model and group, from 1 down, as in mergekit-evolve', () => {
    for (const method of ['ties', 'dare_ties']) {
      const s = space({ merge_method: method, layer_granularity: 2 })
      expect(s.genes.map(gene => gene.name)).toEqual(
        ['layers.0-1', 'layers.2-3'].flatMap(part =>
          ['a', 'b'].flatMap(source => [`${part}/${source}/weight`, `${part}/${source}/density`]),
        ),
      )
      expect(s.genes[1]).toMatchObject({ kind: 'real', low: 0.05, high: 1, initial: 1 })
    }
  })

  it('a number holds one, a range searches it, and what is not said is not in the recipe', () => {
    const s = space({ merge_method: 'breadcrumbs', density: 0.9, gamma: { min: 0, max: 0.1 } })
    expect(s.genes.map(gene => gene.name)).toEqual(['all/a/weight', 'all/a/gamma', 'all/b/weight', 'all/b/gamma'])
    expect(s.genes[1]).toMatchObject({ initial: 0.01 })
    expect(s.decode(Float64Array.of(1, 0.05, 0.5, 0)).groups[0]!.coefficients).toEqual({
      a: { weight: 1, density: 0.9, gamma: 0.05 },
      b: { weight: 0.5, density: 0.9, gamma: 0 },
    })
    expect(space({ merge_method: 'tsv_m', weight: 1, parameters: { alpha: { min: 0, max: 1 } } }).genes).toHaveLength(
      2 - 1,
    )
  })

  it('exceptions are of the coefficients they name', () => {
    const s = space({
      merge_method: 'ties',
      layer_granularity: 2,
      groups: [
        { match: { source: 'a' }, density: 0.5 },
        { match: { layers: [2, 4], source: 'b' }, density: { min: 0.2, max: 0.4 }, frozen: 1 },
        { match: { source: 'b' }, share: 's' },
      ],
    })
    expect(s.genes.map(gene => gene.name)).toEqual([
      'layers.0-1/a/weight',
      'shared.s/weight',
      'shared.s/density',
      'layers.2-3/a/weight',
      'layers.2-3/b/density',
    ])
    expect(s.genes[4]).toMatchObject({ low: 0.2, high: 0.4, initial: 0.4 })
    holds(s, ['a', 'b'])
  })
})

describe('parameters', () => {
  it('are genes of a layer group, or of the whole model', () => {
    const setting = { min: 0.5, max: 1.5 }
    expect(
      geneNames({
        merge_method: 'dare_linear',
        layer_granularity: 2,
        weight: 1,
        density: 0.5,
        parameters: { lambda: setting },
      }),
    ).toEqual(['layers.0-1/lambda', 'layers.2-3/lambda'])
    const s = space({
      merge_method: 'dare_linear',
      layer_granularity: 2,
      weight: 1,
      density: 0.5,
      parameters: { lambda: { ...setting, per: 'model' }, rescale: { choices: [true, false] }, seed: 7 },
    })
    expect(s.genes.map(gene => gene.name)).toEqual(['lambda', 'layers.0-1/rescale', 'layers.2-3/rescale'])
    const recipe = s.decode(Float64Array.of(0.7, 0, 1))
    expect(recipe.parameters).toEqual({ normalize: false, lambda: 0.7, seed: 7 })
    expect(recipe.groups.map(group => group.parameters)).toEqual([
      { rescale: true },
      { rescale: true },
      { rescale: false },
      { rescale: false },
    ])
  })

  it('are integers where the operator counts, and start at its default', () => {
    const s = space({ merge_method: 'consensus', parameters: { k: { min: 1, max: 3, per: 'model' } } })
    expect(s.genes[0]).toEqual({ kind: 'integer', name: 'k', low: 1, high: 3, initial: 2 })
  })

  it('are interpolated over depth with the weights', () => {
    const s = space({ merge_method: 'slerp', gradient: { points: 2 } }, ['a'])
    expect(s.genes.map(gene => gene.name)).toEqual(['gradient.0/t', 'gradient.1/t'])
    const recipe = s.decode(Float64Array.of(0, 0.75))
    expect(recipe.groups.map(group => group.parameters?.t)).toEqual([0, 0, 0.25, 0.5, 0.75, 0.75])
  })

  it('of one method at its default change nothing, said or not', () => {
    expect(space({ merge_method: 'ties', normalize: true, parameters: { lambda: 1 } }).id).toBe(
      space({ merge_method: 'ties' }).id,
    )
  })
})

describe('methods', () => {
  const mixed = {
    merge_method: ['linear', 'ties', 'karcher', 'dare_ties'],
    parameters: { lambda: { min: 0.5, max: 1.5 }, seed: { choices: [1, 2] } },
  }

  it('coefficients and parameters that only some have matter only with those', () => {
    const s = space(mixed)
    const conditions = Object.fromEntries(s.genes.map(gene => [gene.name, gene.activeWhen?.oneOf]))
    expect(conditions).toEqual({
      method: undefined,
      lambda: [1, 3],
      seed: [3],
      'all/a/weight': [0, 1, 3],
      'all/a/density': [1, 3],
      'all/b/weight': [0, 1, 3],
      'all/b/density': [1, 3],
    })
    holds(s, ['a', 'b'], 100)
  })

  it('are a gene of each layer group if so said, with conditions of the group', () => {
    const s = space({ ...mixed, merge_method: { choices: mixed.merge_method, per: 'group' }, layer_granularity: 2 })
    expect(s.genes.filter(gene => gene.name.endsWith('method')).map(gene => gene.name)).toEqual([
      'layers.0-1/method',
      'layers.2-3/method',
    ])
    expect(s.genes.find(gene => gene.name === 'layers.2-3/b/density')?.activeWhen).toEqual({
      gene: 'layers.2-3/method',
      oneOf: [1, 3],
    })
    const at = (values: Record<string, number>) =>
      s.decode(Float64Array.from(s.genes, gene => values[gene.name] ?? gene.initial))
    expect(at({ 'layers.0-1/method': 1, 'layers.2-3/method': 3, seed: 1, lambda: 0.5 })).toMatchObject({
      method: 'ties',
      base: 'base',
      parameters: { normalize: true, lambda: 0.5, seed: 2 },
      groups: [
        { layers: 'pre' },
        { layers: [0, 2] },
        { layers: [2, 4], method: 'dare_ties', parameters: { normalize: false, lambda: 0.5 } },
        { layers: 'post', method: 'dare_ties' },
      ],
    })
    const average = at({ 'layers.2-3/method': 2 })
    expect(average).toMatchObject({ method: 'linear', base: undefined })
    expect(average.groups[2]).toEqual({ layers: [2, 4], method: 'karcher', coefficients: { a: {}, b: {} } })
    holds(s, ['a', 'b'], 100)
  })

  it('refuses a recipe whose groups have several where the space has one', () => {
    const s = space({ ...mixed, merge_method: { choices: mixed.merge_method, per: 'group' }, layer_granularity: 2 })
    const recipe = s.decode(Float64Array.from(s.genes, gene => (gene.name === 'layers.2-3/method' ? 1 : gene.initial)))
    expect(() => space({ merge_method: 'linear' }).encode(recipe)).toThrow(GenomeError)
    expect(() => space({ merge_method: 'linear' }).encode(recipe)).toThrow('the method "linear", got "ties"')
  })
})

describe('subset', () => {
  it('switches models off; where all are off, the initial weights hold', () => {
    const s = space({ merge_method: 'task_arithmetic', subset: true }, ['a', 'b', 'c'])
    expect(s.genes.slice(0, 3).map(gene => gene.name)).toEqual(['subset/a', 'subset/b', 'subset/c'])
    expect(s.genes[3]!.activeWhen).toEqual({ gene: 'subset/a', oneOf: [0] })
    const weights = (...values: number[]) =>
      Object.values(s.decode(Float64Array.from(values)).groups[0]!.coefficients).map(({ weight }) => weight)
    expect(weights(0, 1, 0, 0.5, 0.6, 0.7)).toEqual([0.5, 0, 0.7])
    expect(weights(1, 1, 1, 0.5, 0.6, 0.7)).toEqual([1 / 3, 1 / 3, 1 / 3])
    expect([...s.encode(s.decode(Float64Array.of(0, 1, 0, 0.5, 0.6, 0.7)))]).toEqual([0, 1, 0, 0.5, 1 / 3, 0.7])
    holds(s, ['a', 'b', 'c'], 100)
  })

  it('goes with several methods, of which some have no weights', () => {
    const s = space({ merge_method: ['ties', 'karcher'], subset: true, layer_granularity: 2 })
    expect(s.genes.find(gene => gene.name === 'subset/a')?.activeWhen).toEqual({ gene: 'method', oneOf: [0] })
    holds(s, ['a', 'b'], 100)
  })
})

describe('problems', () => {
  it.each([
    [{ merge_method: 'ties', scale: 1 }, 'scale: ties has no scale per model; it has weight, density'],
    [{ merge_method: 'slerp', weight: 1 }, 'weight: slerp has no weight per model; it has none', ['a']],
    [{ merge_method: 'ties', density: { min: 0, max: 2 } }, 'density: density of ties is in [0, 1], got 0 to 2'],
    [
      { merge_method: 'ties', parameters: { lamda: 1 } },
      'parameters.lamda: ties has no "lamda"; did you mean "lambda"?',
    ],
    [
      { merge_method: 'ties', parameters: { density: 1 } },
      'parameters.density: density is said per model: give it as genome.density',
    ],
    [{ merge_method: 'ties', parameters: { lambda: true } }, 'parameters.lambda: lambda of ties is a number, got true'],
    [
      { merge_method: 'ties', parameters: { rescale: 1 } },
      'parameters.rescale: rescale of ties is true or false, got 1',
    ],
    [
      { merge_method: 'ties', parameters: { rescale: { min: 0, max: 1 } } },
      'parameters.rescale: rescale of ties has no range; say {choices: [true, false]}',
    ],
    [
      { merge_method: 'ties', parameters: { flavor: 'papre' } },
      'parameters.flavor: flavor of ties is mergekit or paper, got "papre"',
    ],
    [
      { merge_method: 'ties', parameters: { flavor: { choices: ['paper', 'paper'] } } },
      'parameters.flavor: choices of flavor must differ from each other',
    ],
    [
      { merge_method: 'ties', parameters: { flavor: { choices: ['paper', 'mergekit'], initial: 'x' } } },
      'parameters.flavor: initial must be one of the choices, got "x"',
    ],
    [
      { merge_method: 'ties', parameters: { lambda: { min: 0, max: 1, per: 'group' } } },
      'parameters.lambda.per: lambda of ties is one for the whole model; say "per: model"',
    ],
    [
      { merge_method: 'dare_ties', parameters: { seed: { min: 0, max: 3, per: 'group' } } },
      'parameters.seed.per: seed of dare_ties is one for the whole model; say "per: model"',
    ],
    [
      { merge_method: 'ties', parameters: { seed: 1 } },
      'parameters.seed: ties has no seed; it has normalize, lambda, rescale, flavor',
    ],
    [
      { merge_method: 'consensus', parameters: { k: { min: 0.5, max: 2 } } },
      'parameters.k: k of consensus is a whole number, got 0.5, 2, 0.5',
    ],
    [
      { merge_method: 'consensus', parameters: { k: { min: 1, max: 3, scale: 'log' } } },
      'parameters.k: k of consensus is a whole number: it has no logarithmic scale; list {choices: [...]} instead',
    ],
    [
      { merge_method: 'consensus', smooth: true, parameters: { k: { min: 1, max: 3 } } },
      'parameters.k: with "gradient" or "smooth" genes spread over all layers, and choices cannot; say "per: model"',
    ],
    [
      { merge_method: { choices: ['ties', 'linear'], per: 'group' }, smooth: true },
      'merge_method.per: with "gradient" or "smooth" genes spread over all layers, and methods cannot; say "per: model"',
    ],
    [
      { merge_method: 'ties', lambda: 1, parameters: { lambda: 1 } },
      'parameters.lambda: say lambda once: here or as genome.lambda',
    ],
    [{ merge_method: 'karcher', normalize: true }, 'normalize: karcher has no normalize; it has max_iter, tol'],
    [
      { merge_method: 'karcher', subset: true },
      'subset: models are switched off by a weight of 0, and karcher has none',
    ],
    [
      { merge_method: 'ties', subset: true },
      'subset: there is one model: switched off, nothing would be merged',
      ['a'],
    ],
    [{ merge_method: 'slerp' }, 'models: slerp merges one model besides the base, got "a", "b"'],
    [
      { merge_method: 'model_stock' },
      'models: model_stock needs at least two models to merge besides the base, got "a" only',
      ['a'],
    ],
    [
      { merge_method: 'ties', groups: [{ match: { source: 'a' }, gamma: 0.1 }] },
      'groups.0.gamma: ties has no gamma per model; it has weight, density',
    ],
  ])('%j', (config, message, sources?: string[]) => {
    expect(problem(config, sources)).toBe(message)
  })

  it('slerp needs the model it starts from', () => {
    expect(genomeProblems(genome({ merge_method: 'slerp' }), ['a'], undefined)[0]?.message).toBe(
      'slerp needs "base_model", the model it starts from',
    )
  })

  it('says what could be searched where nothing is', () => {
    expect(() => space({ merge_method: 'karcher' })).toThrow(
      'genome: there is nothing to search: karcher has no weights; give a range or choices for parameters.max_iter or parameters.tol',
    )
    expect(() => space({ merge_method: 'arcee_fusion' }, ['a'])).toThrow(
      'genome: there is nothing to search: arcee_fusion has no numbers to choose',
    )
  })
})

it('every coefficient is searched by some operator', () => {
  for (const name of COEFFICIENTS) {
    expect(SEARCHABLE_METHODS.some(operator => operator.coefficients.some(c => c.name === name))).toBe(true)
  }
})
