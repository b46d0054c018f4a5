import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MergeError } from '../../src/errors.ts'
import { createMerger, type Merger } from '../../src/merge/merge.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import type { MergeOperator, OperatorParameter } from '../../src/merge/operators/operator.ts'
import { OPERATORS } from '../../src/merge/operators/registry.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'
import { gen, type Model, saveModels, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()

/** More than are kept sorted, so that order statistics count and search. */
const LONG = 17_000
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'layers.0.w': [12, 20],
  'layers.0.b': [20],
  'layers.1.conv': [4, 3, 2, 3],
  'layers.1.two': [2],
  'layers.1.long': [LONG],
  'layers.2.row': [1, 37],
  'layers.2.same': [9],
  'embed_tokens.w': [5, 6],
}

/** Task vectors with many equal magnitudes, some zeros, and a tensor that nobody changed. */
function modelOf(which: number): Model {
  return Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape], t) => {
      const n = shape.reduce((product, size) => product * size, 1)
      const base = gen(100 + t, n)
      const delta = gen(1 + 10 * which + 100 * t, n).map((value, i) =>
        (i + which) % 7 === 0 ? 0 : Math.round(value * 32) / 256,
      )
      const changed = which > 0 && name !== 'layers.2.same' && !(which === 3 && name === 'layers.0.b')
      return [name, tensor(changed ? base.map((value, i) => value + delta[i]!) : base, shape)]
    }),
  )
}

const IDS = ['base', 'a', 'b', 'c']
const sources = () => saveModels(newFolder(), Object.fromEntries(IDS.map((id, which) => [id, modelOf(which)])))

/** A thousand steps: what is below float32's range, and counts as 0 there, is not asked for. */
const number = (low: number, high: number) =>
  fc.integer({ min: 0, max: 1000 }).map(k => low + ((high - low) * k) / 1000)

function arbitraryOf(parameter: OperatorParameter): fc.Arbitrary<number | boolean | string> {
  if (parameter.kind === 'boolean') return fc.boolean()
  if (parameter.kind === 'choice') return fc.constantFrom(...parameter.choices)
  const [low, high] = parameter.searchRange
  if (parameter.integer) return fc.integer({ min: low, max: high })
  return number(low, high)
}

/** Densities reach 1, weights below 0 where that means something, blocks are as small as the tensors. */
const SPECIAL: Readonly<Record<string, fc.Arbitrary<number>>> = {
  density: fc.oneof(fc.constant(1), number(0.5, 0.8), number(0.2, 0.8)),
  n: fc.integer({ min: 1, max: 3 }),
  m: fc.integer({ min: 3, max: 8 }),
  t: number(0, 0.4),
}
const NEGATIVE = new Set(['task_arithmetic', 'ties', 'dare_linear', 'dare_ties', 'breadcrumbs_ties', 'lines', 'star'])

function recipesOf(operator: MergeOperator): fc.Arbitrary<ParameterMerge> {
  const chosen = IDS.slice(1, 1 + Math.min(3, operator.models[1]))
  const parameters = fc.record(
    Object.fromEntries(operator.parameters.map(p => [p.name, SPECIAL[p.name] ?? arbitraryOf(p)])),
  )
  const coefficients = fc.record(
    Object.fromEntries(
      chosen.map(id => [
        id,
        fc.record(
          Object.fromEntries(
            operator.coefficients.map(c => [
              c.name,
              c.name === 'weight' && NEGATIVE.has(operator.name)
                ? number(-1, 1.5)
                : (SPECIAL[c.name] ?? (arbitraryOf(c) as fc.Arbitrary<number>)),
            ]),
          ),
        ),
      ]),
    ),
  )
  return fc.record({ parameters, coefficients, seed: fc.integer({ min: 0, max: 3 }), withBase: fc.boolean() }).map(
    ({ parameters: given, coefficients: own, seed, withBase }): ParameterMerge => ({
      kind: 'parameter-merge',
      method: operator.name,
      base: operator.base === 'required' || (operator.base === 'optional' && withBase) ? 'base' : undefined,
      sources: chosen,
      parameters: operator.random ? { ...given, seed } : given,
      groups: [{ layers: 'all', coefficients: own }],
    }),
  )
}

const searched = [...OPERATORS.values()].filter(({ needs }) => needs === undefined)

/** The merge, or the message of its refusal. */
function attempt(merger: Merger, recipe: ParameterMerge, exact: boolean): MergedModel | string {
  try {
    return merger.merge(recipe, { exact })
  } catch (error) {
    if (error instanceof MergeError) return error.message
    throw error
  }
}

describe('a candidate in one pass', () => {
  const references = sources()

  it('is planned for every operator that needs weights only, task arithmetic and linear by kernels of their own', () => {
    const without = searched.filter(({ candidate }) => candidate === undefined).map(({ name }) => name)
    expect(without).toEqual(['linear', 'task_arithmetic'])
  })

  it.each(searched.map(operator => [operator.name, operator] as const))('is the definition of %s', (_, operator) => {
    const shared = loadSharedSources(references, { threads: 2 })
    const [fast, exact] = [createMerger(shared, 0), createMerger(shared, 1)]
    const isSlow = [
      'pcb',
      'cabs',
      'ties',
      'karcher',
      'tsv_m',
      'iso_c',
      'iso_cts',
      'star',
      'dc_merge',
      'opcm',
      'wudi',
    ].includes(operator.name)
    fc.assert(
      fc.property(recipesOf(operator), recipe => {
        const [found, expected] = [attempt(fast, recipe, false), attempt(exact, recipe, true)]
        if (typeof expected === 'string' || typeof found === 'string') {
          expect(found).toBe(expected)
          return
        }
        for (const [name, { data }] of expected.tensors) {
          const own = found.tensors.get(name)!.data
          let worst = 0
          for (let i = 0; i < data.length; i++) {
            worst = Math.max(worst, Math.abs(own[i]! - data[i]!) / Math.max(1, Math.abs(data[i]!)))
          }
          expect(worst, name).toBeLessThanOrEqual(2e-6)
        }
      }),
      { numRuns: isSlow ? 4 : 12, seed: 5 },
    )
  })
})
