import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { loadEvaluatorFile, loadSearchConfig, loadYamlFile } from '../../src/config/load.ts'
import { parseResolvedConfig, resolvedConfigJson } from '../../src/config/resolved.ts'
import { ConfigError } from '../../src/errors.ts'
import { createSearchSpace } from '../../src/space/build-space.ts'
import { recipeFileSchema } from '../../src/space/recipe-file.ts'
import { STRATEGIES } from '../../src/strategies/registry.ts'

const FIXTURES = resolve(fileURLToPath(new URL('../fixtures/config', import.meta.url)))
const fixture = (name: string) => join(FIXTURES, name)
const folder = mkdtempSync(join(tmpdir(), 'amalgam-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const messageOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message.replaceAll(FIXTURES, 'DIR').replaceAll(folder, 'TMP')
  }
  throw new Error('Expected an error.')
}
/** A config beside the fixtures' models; `text` is appended to a valid beginning. */
const written = (text: string): string => {
  const path = join(folder, 'space.yaml')
  writeFileSync(path, text.replaceAll('MODELS', fixture('models')).replaceAll('EVALUATOR', fixture('evaluator.yaml')))
  return path
}
const GENOME = 'genome: {models: [MODELS/low.safetensors, MODELS/high.safetensors], merge_method: linear}\n'

describe('files that are refused', () => {
  const names = readdirSync(fixture('refused')).filter(name => name.endsWith('.yaml'))

  it.each(names)('%s says everything that is wrong, at once, each at its line', name => {
    const expected = readFileSync(fixture(`refused/${name.replace('.yaml', '.txt')}`), 'utf8')
    expect(`${messageOf(() => loadSearchConfig(fixture(`refused/${name}`)))}\n`).toBe(expected)
  })

  it('is told apart from a missing file, a folder, a large file and bytes that are not text', () => {
    expect(messageOf(() => loadSearchConfig(fixture('nothing.yaml')))).toBe('DIR/nothing.yaml: no such file.')
    expect(messageOf(() => loadSearchConfig(FIXTURES))).toBe('DIR: expected a YAML file, got a folder.')
    const large = join(folder, 'large.yaml')
    writeFileSync(large, ' '.repeat((1 << 20) + 1))
    expect(messageOf(() => loadSearchConfig(large))).toBe(
      'TMP/large.yaml: expected a config of at most 1048576 bytes, got 1048577.',
    )
    const latin = join(folder, 'latin.yaml')
    writeFileSync(latin, Uint8Array.of(0x61, 0xe4))
    expect(messageOf(() => loadSearchConfig(latin))).toBe('TMP/latin.yaml: expected UTF-8 text, but the bytes are not.')
  })
})

describe('loadSearchConfig', () => {
  it('fills in defaults and makes paths absolute', () => {
    expect(loadSearchConfig(fixture('minimal.yaml'))).toEqual({
      format: 1,
      configPath: fixture('minimal.yaml'),
      genome: {
        merge_method: 'linear',
        filters: [],
        allow_negative_weights: false,
        smooth: false,
        embeddings: 'first',
        groups: [],
        parameters: {},
        subset: false,
      },
      sources: [
        { id: 'low', path: fixture('models/low.safetensors') },
        { id: 'high', path: fixture('models/high.safetensors') },
      ],
      models: ['low', 'high'],
      evaluator: {
        kind: 'onnx',
        id: 'digits',
        options: expect.objectContaining({ graph: fixture('models/graph.onnx'), batch_size: 256 }),
      },
      strategy: { kind: 'auto', options: expect.objectContaining({ model_evaluations: 250 }) },
      budget: 100,
      seed: 0,
      slots: 8,
      workers: 'auto',
      mode: 'ordered',
      evaluation: { timeoutMs: 600_000 },
      baselines: { randomSearch: true },
      notes: [],
    })
  })

  it('reads every key', () => {
    const config = loadSearchConfig(fixture('full.yaml'))
    expect(config).toMatchObject({
      sources: [{ id: 'few' }, { id: 'many' }, { id: 'ancestor' }],
      models: ['few', 'many'],
      base: 'ancestor',
      evaluator: { kind: 'onnx', id: 'full' },
      objectives: [{ name: 'low' }, { name: 'low_nll', reference: 3 }],
      strategy: { kind: 'cma-es', options: { population_size: 12 } },
      budget: 300,
      seed: -7,
      slots: 4,
      workers: 2,
      mode: 'async',
      evaluation: { timeoutMs: 1500, memoryBytes: 4 * 2 ** 30 },
      baselines: { randomSearch: false },
    })
    expect(config.genome.groups[1]).toEqual({
      match: { source: 'few', filter: '*' },
      share: 'rest',
      weight: { min: 0, max: 1 },
    })
  })

  it('reads a mergekit-evolve file unchanged, once an evaluator replaces its tasks', () => {
    const config = loadSearchConfig(fixture('evolve.yaml'), { evaluator: fixture('evaluator.yaml') })
    expect(config).toMatchObject({ models: ['low', 'sharded'], base: 'base' })
    expect(config.sources.map(source => source.path)).toEqual([
      fixture('models/low.safetensors'),
      fixture('models/sharded'),
      fixture('models/base.safetensors'),
    ])
    expect(config.notes).toEqual([
      'genome.models: "base" is the base, so it gets no weight of its own.',
      'tasks, limit, shuffle: read and not used; the evaluator decides what is measured.',
    ])
    const names = [0, 1, 2, 3, 4, 5, 6, 7].flatMap(l =>
      ['self_attn.q', 'mlp.up', 'norm'].map(p => `model.layers.${l}.${p}.weight`),
    )
    const space = createSearchSpace(config.genome, names, config.models, config.base)
    // layer groups × (filters + the rest) × models
    expect(space.genes).toHaveLength(2 * 3 * 2)
    expect(space.genes[0]).toMatchObject({ low: -1.5, high: 1.5, initial: 0.5 })
    expect(messageOf(() => loadSearchConfig(fixture('evolve.yaml')))).toMatch(
      /evolve\.yaml:17:1: tasks: tasks of lm-evaluation-harness cannot be run/,
    )
  })

  it('lets the caller override what the file says', () => {
    const config = loadSearchConfig(fixture('full.yaml'), {
      strategy: 'sobol',
      budget: 5,
      seed: 6,
      slots: 7,
      workers: 3,
      mode: 'ordered',
      evaluator: fixture('evaluator.yaml'),
    })
    expect(config).toMatchObject({
      budget: 5,
      seed: 6,
      slots: 7,
      workers: 3,
      mode: 'ordered',
      evaluator: { id: 'digits' },
    })
    expect(config.strategy.kind).toBe('sobol')
    expect(config.strategy.options).not.toHaveProperty('population_size')
    expect(loadSearchConfig(fixture('full.yaml'), { strategy: 'cma-es' }).strategy.options).toMatchObject({
      population_size: 12,
    })
  })

  it('refuses overrides that are out of range, and says so beside the file’s problems', () => {
    expect(messageOf(() => loadSearchConfig(fixture('minimal.yaml'), { strategy: 'sobl', budget: 0 }))).toBe(
      'strategy: unknown strategy "sobl"; did you mean "sobol"?\nbudget: expected at least 1, got 0',
    )
    expect(messageOf(() => loadSearchConfig(fixture('minimal.yaml'), { evaluator: fixture('none.yaml') }))).toBe(
      'DIR/none.yaml: no such file.',
    )
  })

  it('names models after their files, or the folder where the file is called model, each once', () => {
    const low = fixture('models/low.safetensors')
    const config = loadSearchConfig(
      written(`genome:
  models: [${low}, {id: low-2, path: MODELS/high.safetensors}, MODELS/sharded]
  base_model: low-2
  merge_method: task_arithmetic
evaluator: EVALUATOR
`),
    )
    expect(config.sources.map(source => source.id)).toEqual(['low', 'low-2', 'sharded'])
    expect(config.base).toBe('low-2')
    expect(config.models).toEqual(['low', 'sharded'])
  })

  it('takes adapters as MODEL+ADAPTER, or alone where base_model says of what', () => {
    const adapter = join(folder, 'tuned')
    mkdirSync(adapter)
    for (const name of ['adapter_config.json', 'adapter_model.safetensors']) writeFileSync(join(adapter, name), '')
    const low = fixture('models/low.safetensors')
    const genome = (models: string, rest: string) =>
      written(`genome: {models: [${models}], merge_method: linear${rest}}\nevaluator: EVALUATOR\n`)
    const paths = (file: string) => loadSearchConfig(file).sources.map(({ id, path }) => [id, path])
    expect(paths(genome(`${low}+tuned, MODELS/high.safetensors`, ''))).toEqual([
      ['tuned', `${low}+${adapter}`],
      ['high', fixture('models/high.safetensors')],
    ])
    expect(paths(genome('tuned, MODELS/high.safetensors', ', base_model: MODELS/low.safetensors'))).toEqual([
      ['tuned', `${low}+${adapter}`],
      ['high', fixture('models/high.safetensors')],
      ['low', low],
    ])
    expect(messageOf(() => paths(genome('tuned', '')))).toContain(
      '"tuned" is an adapter, which means nothing without its model',
    )
    expect(messageOf(() => paths(genome(`${low}+MODELS/sharded`, '')))).toContain(
      'what follows a "+" is the folder of a low-rank adapter',
    )
  })

  it('treats a key without a value as absent, but not an unknown one', () => {
    expect(loadSearchConfig(written(`${GENOME}evaluator: EVALUATOR\nbudget:\nstrategy: null\n`)).budget).toBe(100)
    expect(messageOf(() => loadSearchConfig(written(`${GENOME}evaluator: EVALUATOR\nbuget:\n`)))).toBe(
      'TMP/space.yaml:3:1: buget: unknown key; did you mean "budget"?',
    )
  })

  it.each([
    ['{"__proto__": {"budget": 1}}', 'TMP/space.yaml:1:2: "__proto__" cannot be a key'],
    [
      `${GENOME}evaluator: EVALUATOR\nstrategy: {kind: constructor}\n`,
      `TMP/space.yaml:3:18: strategy.kind: unknown strategy "constructor"; there are ${Object.keys(STRATEGIES)
        .map(kind => `"${kind}"`)
        .join(', ')}`,
    ],
    [
      `${GENOME}evaluator: {kind: toString}\n`,
      'TMP/space.yaml:2:19: evaluator.kind: unknown evaluator kind "toString"; there are "onnx", "command", "http", "module"',
    ],
    [`${GENOME}evaluator: {}\n`, 'TMP/space.yaml:2:1: evaluator.kind: missing'],
    [`${GENOME}evaluator: EVALUATOR\nseed: .nan\n`, 'TMP/space.yaml:3:7: seed: expected a number, got NaN'],
    [
      `${GENOME}evaluator: EVALUATOR\nbudget: 1e9\n`,
      'TMP/space.yaml:3:9: budget: expected at most 10000000, got 1000000000',
    ],
  ])('is not fooled by %j', (text, message) => {
    expect(messageOf(() => loadSearchConfig(written(text)))).toBe(message)
  })

  it('writes nothing into any prototype', () => {
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      expect(() => loadSearchConfig(written(`${GENOME}evaluator: EVALUATOR\n${key}: {polluted: 1}\n`))).toThrow(
        ConfigError,
      )
    }
    expect({}).not.toHaveProperty('polluted')
  })
})

describe('loadEvaluatorFile', () => {
  it('takes its id from the file, or its name', () => {
    expect(loadEvaluatorFile(fixture('evaluator.yaml')).id).toBe('digits')
    const path = join(folder, 'mine.yaml')
    writeFileSync(path, 'kind: module\npath: ./mine.mjs\n')
    expect(loadEvaluatorFile(path)).toEqual({
      kind: 'module',
      id: 'mine',
      options: { path: join(folder, 'mine.mjs'), options: null },
    })
  })

  it('says what is wrong at its line', () => {
    expect(messageOf(() => loadEvaluatorFile(fixture('bad-evaluator.yml')))).toBe(
      'DIR/bad-evaluator.yml:1:7: kind: unknown evaluator kind "onx"; did you mean "onnx"?',
    )
  })
})

it('reads any other file against its schema, with the same messages', () => {
  const path = join(folder, 'recipe.yaml')
  writeFileSync(path, 'format: 2\nmodels:\n  a: {pth: x}\n')
  expect(messageOf(() => loadYamlFile(path, recipeFileSchema))).toBe(
    [
      'TMP/recipe.yaml:1:1: recipe: missing',
      'TMP/recipe.yaml:1:9: format: expected 1, got 2',
      'TMP/recipe.yaml:3:3: models.a.path: missing',
      'TMP/recipe.yaml:3:7: models.a.pth: unknown key; did you mean "path"?',
    ].join('\n'),
  )
})

describe('parseResolvedConfig', () => {
  const config = loadSearchConfig(fixture('full.yaml'))
  const json = resolvedConfigJson(config) as Record<string, unknown>

  it.each(['minimal.yaml', 'full.yaml'])('reads back what was recorded of %s', name => {
    const original = loadSearchConfig(fixture(name))
    expect(parseResolvedConfig(JSON.parse(JSON.stringify(resolvedConfigJson(original))))).toEqual(original)
  })

  it.each([
    [{ ...json, format: 2 }, 'format: expected 1, got 2'],
    [{ ...json, extra: 1 }, 'extra: unknown key; known are format, configPath, genome'],
    [{ ...json, budget: '5' }, 'budget: expected a number, got "5"'],
    [{ ...json, models: ['few', 'nobody'] }, 'models: "nobody" is not among the sources ["few","many","ancestor"]'],
    [
      { ...json, sources: [...config.sources, config.sources[0]] },
      'sources: ids must be unique, got ["few","many","ancestor","few"]',
    ],
    [{ ...json, models: ['many'] }, 'genome.models: linear needs at least two models to merge, got "many" only'],
    [{ ...json, strategy: { kind: 'toString', options: {} } }, 'strategy.kind: unknown strategy "toString"'],
    [
      { ...json, strategy: { kind: 'cma-es', options: { sigma0: 'x' } } },
      'strategy.options: not valid for this strategy',
    ],
    [{ ...json, evaluator: { kind: 'x', id: 'x', options: {} } }, 'evaluator.kind: unknown evaluator kind "x"'],
    [{ ...json, evaluator: { kind: 'onnx', id: 'x', options: {} } }, 'evaluator.options: not valid for this kind'],
    [null, 'expected a map of keys, got null'],
    [
      { ...json, strategy: { kind: 'cma-es', options: JSON.parse(`${'['.repeat(5e4)}${']'.repeat(5e4)}`) } },
      'nested too deeply',
    ],
  ])('refuses foreign data (%#)', (foreign, message) => {
    expect(messageOf(() => parseResolvedConfig(foreign))).toContain(message)
    expect(messageOf(() => parseResolvedConfig(foreign))).toMatch(/^The run's recorded config is not valid:\n {2}/)
  })
})
