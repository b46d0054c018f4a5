import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { WeightDtype } from '../../../src/formats/dtype.ts'
import { openCheckpoint } from '../../../src/formats/open-file.ts'
import { writeSafetensors } from '../../../src/formats/write-file.ts'
import { compileMergekit, type KnownModel } from '../../../src/merge/mergekit/compile.ts'
import { type ExportFacts, exportMergekit } from '../../../src/merge/mergekit/export.ts'
import { exportText, readMaskOrigin } from '../../../src/merge/mergekit/export-text.ts'
import { mergeMergekit, parseMergekit } from '../../../src/merge/mergekit/merge-config.ts'
import { OPERATORS } from '../../../src/merge/operators/registry.ts'
import { planTensors } from '../../../src/merge/plan.ts'
import { mergeToFiles } from '../../../src/merge/write-model.ts'
import type { ParameterMerge, Recipe, RecipeGroup } from '../../../src/space/recipe.ts'
import { gen, temporaryFolders, tensor } from '../fixture.ts'

const newFolder = temporaryFolders()
const LAYERS = 4
const NAMES = [
  'model.embed_tokens.weight',
  ...Array.from({ length: LAYERS }, (_, l) =>
    ['input_layernorm', 'self_attn.q_proj', 'mlp.up_proj'].map(part => `model.layers.${l}.${part}.weight`),
  ).flat(),
  'model.norm.weight',
  'lm_head.weight',
]
const facts = (rest: Partial<ExportFacts> = {}): ExportFacts => ({
  tensors: NAMES.map(name => ({ name, dtype: 'F32' as WeightDtype })),
  hasOthers: false,
  models: new Map([
    ['base', '/models/base'],
    ['math', '/models/math'],
    ['code', '/models/code'],
  ]),
  modelType: 'llama',
  ...rest,
})

const recipe = (
  method: string,
  groups: readonly RecipeGroup[],
  rest: Partial<ParameterMerge> = {},
): ParameterMerge => ({
  kind: 'parameter-merge',
  method,
  base: 'base',
  sources: ['math', 'code'],
  parameters: {},
  groups,
  ...rest,
})
const weights = (math: number, code: number, rest: Partial<RecipeGroup> = {}): RecipeGroup => ({
  layers: 'all',
  coefficients: { math: { weight: math }, code: { weight: code } },
  ...rest,
})

/** Per tensor what a recipe computes: operator, its settings, which sources. */
function planned(what: Recipe) {
  const ids = ['base', 'math', 'code']
  const tensors = NAMES.map(name => ({ name, elements: 1 }))
  const plans = planTensors(what, ids, tensors)
  return new Map(NAMES.map((name, t) => [name, plans[t]!.map(({ plan }) => plan)[0]!]))
}

describe('a recipe as a mergekit configuration', () => {
  it('lists models where one set of coefficients governs everything', () => {
    const exported = exportMergekit(recipe('ties', [weights(1, 0.5)], { parameters: { lambda: 0.7 } }), facts())
    expect(exported.config).toEqual({
      merge_method: 'ties',
      base_model: '/models/base',
      models: [
        { model: '/models/base' },
        { model: '/models/math', parameters: { weight: 1, density: 1 } },
        { model: '/models/code', parameters: { weight: 0.5, density: 1 } },
      ],
      parameters: { normalize: true, lambda: 0.7, rescale: false },
      dtype: 'float32',
    })
    expect(exported.remarks).toEqual([])
  })

  it('writes layer groups as slices, filters as filters, and names what lies outside the layers', () => {
    const groups = [
      weights(0.1, 0.2, { layers: 'pre' }),
      weights(0.3, 0.4, { layers: [0, 2], filter: 'mlp' }),
      weights(0.5, 0.6, { layers: [0, 2] }),
      weights(0.7, 0.8),
    ]
    const { config } = exportMergekit(recipe('task_arithmetic', groups), facts())
    expect(config.slices?.map(({ sources }) => sources.map(({ layer_range }) => layer_range))).toEqual([
      [
        [0, 2],
        [0, 2],
        [0, 2],
      ],
      [
        [2, 4],
        [2, 4],
        [2, 4],
      ],
    ])
    expect(config.slices?.[0]?.sources[1]?.parameters).toEqual({
      weight: [{ filter: 'model.embed_tokens.weight', value: 0.1 }, { filter: 'mlp', value: 0.3 }, { value: 0.5 }],
    })
    expect(config.slices?.[1]?.sources[1]?.parameters).toEqual({ weight: 0.7 })
  })

  it('puts heads of model types that mergekit does not describe into the first slice, and says so', () => {
    const groups = [weights(1, 2, { layers: [0, 2] }), weights(3, 4)]
    const { config, remarks } = exportMergekit(recipe('task_arithmetic', groups), facts({ modelType: 'vit' }))
    expect(config.slices?.[0]?.sources[1]?.parameters?.weight).toEqual([
      { filter: 'model.embed_tokens.weight', value: 3 },
      { filter: 'model.norm.weight', value: 3 },
      { filter: 'lm_head.weight', value: 3 },
      { value: 1 },
    ])
    expect(remarks.join()).toContain('no description of model type "vit"')
  })

  it('asks for the type of the sources, and says where there is none such', () => {
    const typed = (...dtypes: WeightDtype[]) =>
      exportMergekit(
        recipe('ties', [weights(1, 1)]),
        facts({ tensors: NAMES.map((name, i) => ({ name, dtype: dtypes[i % dtypes.length]! })) }),
      )
    expect(typed('BF16').config).toMatchObject({ dtype: 'float32', out_dtype: 'bfloat16' })
    expect(typed('F64').config).not.toHaveProperty('dtype')
    expect(typed('BF16', 'F32').remarks.join()).toContain('The models mix BF16, F32')
  })

  it.each<[string, Recipe, string]>([
    [
      'pieces',
      {
        kind: 'piecewise-merge',
        method: 'linear',
        base: undefined,
        sources: ['math'],
        parameters: { normalize: false },
        pieces: [{ from: { tensor: NAMES[0]!, element: 0 }, weights: { math: 1 } }],
      },
      'it is made of pieces',
    ],
    [
      'methods of groups',
      recipe('ties', [weights(1, 1, { layers: [0, 2], method: 'linear' }), weights(1, 1)]),
      'it merges by linear, ties, and a configuration has one method',
    ],
    ['foreign methods', recipe('tsv_m', [weights(1, 1)]), 'mergekit has no method tsv_m'],
    [
      'statistics',
      recipe('fisher', [weights(1, 1)], { base: undefined }),
      'mergekit has no method fisher; a configuration cannot name the files of statistics that fisher needs',
    ],
    [
      'flavors',
      recipe('ties', [weights(1, 1)], { parameters: { flavor: 'paper' } }),
      "mergekit's ties has no flavor, which is paper here instead of mergekit",
    ],
    [
      'foreign parameters',
      recipe('sce', [{ layers: 'all', coefficients: { math: {}, code: {} } }], { parameters: { floor: 1e-9 } }),
      'has no floor, which is 1e-9 here instead of 0.000001',
    ],
  ])('refuses %s', (_, what, message) => {
    expect(() => exportMergekit(what, facts())).toThrow(message)
  })

  it('refuses tensors whose names are parts of others', () => {
    const tensors = ['norm.weight', 'model.layers.0.norm.weight', 'model.layers.0.up.weight'].map(name => ({
      name,
      dtype: 'F32' as WeightDtype,
    }))
    const groups = [weights(1, 1, { layers: 'post' }), weights(2, 2)]
    expect(() => exportMergekit(recipe('ties', groups), facts({ tensors }))).toThrow(
      'no part of the name "model.layers.0.norm.weight" tells it from the tensors that have another weight',
    )
  })

  it('refuses layers with gaps', () => {
    const tensors = [0, 2, 4].map(l => ({ name: `model.layers.${l}.up.weight`, dtype: 'F32' as WeightDtype }))
    expect(() => exportMergekit(recipe('ties', [weights(1, 1)]), facts({ tensors }))).toThrow('numbered 0, 2, 4')
  })

  it('means the same to a reader, for any recipe', () => {
    const layers = fc.oneof(
      fc.constantFrom('pre' as const, 'post' as const, 'all' as const),
      fc
        .integer({ min: 0, max: LAYERS - 1 })
        .chain(first => fc.integer({ min: first + 1, max: LAYERS }).map(end => [first, end] as const)),
    )
    const number = fc.integer({ min: -8, max: 8 }).map(n => n / 4)
    const group = fc.record(
      {
        layers,
        math: number,
        code: number,
        lambda: number,
        filter: fc.constantFrom('self_attn', 'mlp', 'norm', '.1.'),
      },
      { requiredKeys: ['layers', 'math', 'code', 'lambda'] },
    )
    fc.assert(
      fc.property(fc.array(group, { maxLength: 4 }), number, (groups, last) => {
        const what = recipe('ties', [
          ...groups.map(({ layers: where, math, code, lambda, filter }) =>
            weights(math, code, { layers: where, parameters: { lambda }, ...(filter !== undefined && { filter }) }),
          ),
          weights(last, 1),
        ])
        let exported: ReturnType<typeof exportMergekit>
        try {
          exported = exportMergekit(what, facts())
        } catch (error) {
          expect(String(error)).toContain('no part of the name') // "norm" of a layer or of the model
          return
        }
        const known = new Map<string, KnownModel>(
          [...facts().models.values()].map(name => [
            name,
            {
              name,
              tied: false,
              modelType: 'llama',
              tensors: new Map(NAMES.map(t => [t, { shape: [1], dtype: 'F32' }])),
            },
          ]),
        )
        const read = parseMergekit(parse(exportText(exported, undefined)))
        const program = compileMergekit(read, known, 0)
        const plans = planned(what)
        expect(program.tensors).toHaveLength(NAMES.length)
        for (const entry of program.tensors) {
          const plan = plans.get(entry.name)!
          if (entry.kind !== 'merged' || plan.kernel !== 'operator') throw new Error('Expected an operator.')
          expect(entry.settings).toEqual(plan.settings)
          expect(program.models[entry.base!.model]).toBe('/models/base')
          expect(entry.inputs.map(({ model }) => program.models[model])).toEqual(['/models/math', '/models/code'])
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('an exported configuration, merged', () => {
  const folder = newFolder()
  const ids = ['base', 'math', 'code']
  for (const [s, id] of ids.entries()) {
    mkdirSync(join(folder, id))
    const base = (t: number) => gen(100 + t, 24)
    const own = (t: number) => gen(1 + s * 31 + t, 24)
    writeSafetensors(
      join(folder, id, 'model.safetensors'),
      NAMES.map((name, t) => [
        name,
        tensor(
          base(t).map((b, i) => b + (s === 0 ? 0 : own(t)[i]! / 8)),
          [4, 6],
        ),
      ]),
    )
    writeFileSync(join(folder, id, 'config.json'), JSON.stringify({ model_type: 'llama', num_hidden_layers: LAYERS }))
  }
  const references = ids.map(id => ({ id, path: join(folder, id) }))
  const models = new Map(references.map(({ id, path }) => [id, path]))
  const exact = [...OPERATORS.values()].filter(operator => {
    try {
      exportMergekit(recipeOf(operator.name), facts({ models }))
      return !['linear', 'task_arithmetic'].includes(operator.name) // these have float32 kernels
    } catch {
      return false
    }
  })

  function recipeOf(method: string): ParameterMerge {
    const operator = OPERATORS.get(method)!
    const sources = ['math', 'code'].slice(0, Math.min(2, operator.models[1]))
    const coefficientsOf = (scale: number) =>
      Object.fromEntries(
        sources.map((id, m) => [
          id,
          Object.fromEntries(
            operator.coefficients.map(({ name }) => [
              name,
              { weight: scale * (1 - 0.25 * m), density: 0.5, gamma: 0.05, epsilon: 0.25, scale }[name] ?? 1,
            ]),
          ),
        ]),
      )
    const required = operator.parameters.filter(
      parameter => parameter.kind === 'number' && parameter.default === undefined,
    )
    return {
      kind: 'parameter-merge',
      method,
      base: operator.base === 'none' ? undefined : 'base',
      sources,
      parameters: {
        ...(operator.random && { seed: 5 }),
        ...Object.fromEntries(required.map(({ name }) => [name, 0.3])),
      },
      groups: [
        { layers: [0, 2], filter: 'mlp', coefficients: coefficientsOf(0.5) },
        { layers: [0, 2], coefficients: coefficientsOf(0.75) },
        { layers: 'all', coefficients: coefficientsOf(1) },
      ],
    }
  }

  it('are the twenty methods of mergekit', () => {
    expect(exact).toHaveLength(18)
  })

  it.each(exact.map(({ name }) => name))('%s: bit for bit what the recipe gives', async method => {
    const what = recipeOf(method)
    const origin = OPERATORS.get(method)!.random
      ? { seed: 5, ids: new Map(what.sources.map(id => [models.get(id)!, id])) }
      : undefined
    const text = exportText(exportMergekit(what, facts({ models })), origin)
    const out = newFolder()
    const [ours, again] = [join(out, 'recipe.safetensors'), join(out, 'mergekit')]
    await mergeToFiles(what, references, ours)
    await mergeMergekit(parse(text), again, { folder, text })
    const [a, b] = [openCheckpoint(ours), openCheckpoint(again)]
    expect([...b.tensors.keys()].sort()).toEqual([...a.tensors.keys()].sort())
    for (const name of NAMES) expect(Buffer.compare(a.read(name), b.read(name))).toBe(0)
    a.close()
    b.close()
  })

  it('carries the seed and the ids that random masks follow in a comment', () => {
    const exported = exportMergekit(recipe('dare_ties', [weights(1, 1)]), facts())
    expect(exported.remarks.join()).toContain('mergekit draws random masks from its own generator')
    const origin = { seed: 7, ids: new Map([['/models/math', 'math']]) }
    expect(readMaskOrigin(exportText(exported, origin))).toEqual(origin)
    expect(readMaskOrigin('merge_method: linear\n')).toBeUndefined()
    expect(() => readMaskOrigin('# amalgam: {"seed": 1.5}\n')).toThrow('is damaged')
  })
})
