import { describe, expect, it } from 'vitest'
import { ConfigError, MergeError } from '../../src/errors.ts'
import type { KernelPlan, TensorPlan } from '../../src/merge/method.ts'
import { METHODS } from '../../src/merge/methods.ts'
import { OPERATORS } from '../../src/merge/operators/registry.ts'
import { planRecipe } from '../../src/merge/plan.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'
import { failure, group, linearRecipe, taskArithmeticRecipe } from './fixture.ts'

const IDS = ['base', 'a', 'b']
const NAMES = [
  'embed_tokens.weight',
  'layers.0.mlp.w',
  'layers.0.attn.w',
  'layers.1.mlp.w',
  'layers.1.attn.w',
  'norm.weight',
]

/** Both methods here have kernels. */
const kernelPlan = (plan: TensorPlan): KernelPlan => {
  if (plan.kernel === 'operator') throw new TypeError('Expected the plan of a kernel.')
  return plan
}
const planOf = (recipe: ParameterMerge) => kernelPlan(planRecipe(recipe, IDS, NAMES).groups[0]!)
const complaint = (recipe: ParameterMerge) => {
  const error = failure(() => planRecipe(recipe, IDS, NAMES))
  return [error.constructor, error.message, error.hint]
}

describe('linear', () => {
  it('divides by the sum in float64 before it rounds to float32', () => {
    expect(planOf(linearRecipe({ a: 0.1, b: 0.2 })).terms).toEqual([
      { source: 1, coefficient: Math.fround(0.1 / (0.1 + 0.2)) },
      { source: 2, coefficient: Math.fround(0.2 / (0.1 + 0.2)) },
    ])
  })

  it('takes the weights as they are when it is told not to normalize', () => {
    expect(planOf(linearRecipe({ a: 3, b: -1 }, { normalize: false })).terms.map(t => t.coefficient)).toEqual([3, -1])
  })

  it('takes negative weights with a positive sum', () => {
    expect(planOf(linearRecipe({ a: 3, b: -1 })).terms.map(t => t.coefficient)).toEqual([1.5, -0.5])
  })

  it.each([
    [{ a: 0, b: 0 }, '0'],
    [{ a: 1, b: -1 }, '0'],
    [{ a: 0.1 + 0.2, b: -0.3 }, '5.551115123125783e-17'],
  ])('refuses the weights %j, which leave nothing to divide by', (weights, sum) => {
    expect(complaint(linearRecipe(weights))).toEqual([
      MergeError,
      `The weights of group 1 add up to ${sum}, and linear divides by their sum.`,
      'Change the weights, or set normalize to false.',
    ])
  })

  it('is not confused by small weights', () => {
    expect(planOf(linearRecipe({ a: 1e-12, b: 3e-12 })).terms.map(t => t.coefficient)).toEqual([0.25, 0.75])
  })

  it('does not read a source whose weight is zero', () => {
    expect(planOf(linearRecipe({ a: 1, b: 0 })).terms).toEqual([{ source: 1, coefficient: 1 }])
    expect(planOf(linearRecipe({ a: 0, b: 0 }, { normalize: false })).terms).toEqual([{ source: 1, coefficient: 0 }])
  })
})

describe('task arithmetic', () => {
  it('scales the sum by lambda, in float64', () => {
    const plan = planOf(taskArithmeticRecipe('base', { a: 0.1, b: 0.2 }, { lambda: 0.7 }))
    expect(plan).toEqual({
      kernel: 'task-arithmetic',
      base: 0,
      terms: [
        { source: 1, coefficient: Math.fround(0.7 * 0.1) },
        { source: 2, coefficient: Math.fround(0.7 * 0.2) },
      ],
    })
  })

  it('divides by the sum only when told to, and never by almost nothing', () => {
    const coefficients = (weights: Record<string, number>, parameters: ParameterMerge['parameters']) =>
      planOf(taskArithmeticRecipe('base', weights, parameters)).terms.map(t => t.coefficient)
    expect(coefficients({ a: 1, b: 3 }, {})).toEqual([1, 3])
    expect(coefficients({ a: 1, b: 3 }, { normalize: true })).toEqual([0.25, 0.75])
    expect(coefficients({ a: 1, b: -1 }, { normalize: true })).toEqual([1, -1])
  })

  it('copies the base when nothing is added', () => {
    const copy = { kernel: 'linear', base: undefined, terms: [{ source: 0, coefficient: 1 }] }
    expect(planOf(taskArithmeticRecipe('base', { a: 1, b: 2 }, { lambda: 0 }))).toEqual(copy)
    expect(planOf(taskArithmeticRecipe('base', { a: 0, b: 1e-60 }))).toEqual(copy)
  })

  it('needs a base', () => {
    expect(complaint({ ...taskArithmeticRecipe('base', { a: 1 }), base: undefined })).toEqual([
      ConfigError,
      'The method task_arithmetic needs a base, the model that all sources were tuned from.',
      undefined,
    ])
  })
})

describe('a recipe', () => {
  const recipe = linearRecipe({ a: 1, b: 1 })

  it('governs each tensor by the first group that selects it', () => {
    const plan = planRecipe(
      {
        ...recipe,
        groups: [
          group({ a: 1, b: 0 }, { layers: 'pre' }),
          group({ a: 1, b: 1 }, { layers: [0, 1], filter: 'mlp' }),
          group({ a: 1, b: 2 }, { layers: [0, 2] }),
          group({ a: 0, b: 1 }),
        ],
      },
      IDS,
      NAMES,
    )
    expect(NAMES.map(plan.groupOf)).toEqual([0, 1, 2, 2, 2, 3])
    expect(plan.groups.map(group => kernelPlan(group).terms.length)).toEqual([1, 2, 2, 1])
  })

  it('leaves no tensor to chance', () => {
    const plan = planRecipe({ ...recipe, groups: [group({ a: 1, b: 1 }, { layers: [0, 2] })] }, IDS, NAMES)
    const error = failure(() => plan.groupOf('norm.weight'))
    expect(error).toBeInstanceOf(MergeError)
    expect(error.message).toContain('"norm.weight"')
  })

  it.each<[string, ParameterMerge, string, string | undefined]>([
    [
      'an unknown method',
      { ...recipe, method: 'linaer' },
      `There is no merge method "linaer"; known are ${[...OPERATORS.keys()].join(', ')}.`,
      'Did you mean linear?',
    ],
    [
      'an unknown source',
      linearRecipe({ a: 1, c: 1 }),
      'The recipe names the source "c", which is not among "base", "a", "b".',
      'Did you mean "a"?',
    ],
    [
      'an unknown base',
      { ...recipe, base: 'bsae' },
      'The recipe names the source "bsae", which is not among "base", "a", "b".',
      'Did you mean "base"?',
    ],
    ['a source twice', { ...recipe, sources: ['a', 'a'] }, 'The recipe names a source twice: "a", "a".', undefined],
    ['no sources', { ...recipe, sources: [] }, 'A recipe needs at least one source.', undefined],
    [
      'an unknown parameter',
      linearRecipe({ a: 1 }, { normalise: true }),
      'linear has no parameter "normalise"; it has "normalize".',
      'Did you mean "normalize"?',
    ],
    [
      'a parameter of the wrong kind',
      taskArithmeticRecipe('base', { a: 1 }, { lambda: 'big' }),
      'The parameter lambda of task_arithmetic must be a finite number, not "big".',
      undefined,
    ],
    [
      'an infinite parameter',
      taskArithmeticRecipe('base', { a: 1 }, { lambda: Number.POSITIVE_INFINITY }),
      'The parameter lambda of task_arithmetic must be a finite number, not Infinity.',
      undefined,
    ],
    [
      'a number for a switch',
      linearRecipe({ a: 1 }, { normalize: 1 }),
      'The parameter normalize of linear must be a boolean, not 1.',
      undefined,
    ],
    [
      'a group without a source',
      { ...recipe, groups: [group({ a: 1 })] },
      'group 1 has no weight for the source "b".',
      undefined,
    ],
    [
      'a group with a source too many',
      { ...recipe, groups: [group({ a: 1, b: 1 }), group({ a: 1, b: 1, base: 1 })] },
      'group 2 weighs "base", which is not among "a", "b".',
      undefined,
    ],
    [
      'an unknown coefficient',
      { ...recipe, groups: [{ layers: 'all', coefficients: { a: { weihgt: 1 }, b: { weight: 1 } } }] },
      'group 1: linear has no "weihgt" per source; it has "weight".',
      'Did you mean "weight"?',
    ],
    ['a NaN', linearRecipe({ a: Number.NaN, b: 1 }), 'group 1: the weight of "a" must be finite, not NaN.', undefined],
  ])('with %s is refused', (_, wrong, message, hint) => {
    expect(complaint(wrong)).toEqual([ConfigError, message, hint])
  })

  it('with a coefficient beyond float32 is refused', () => {
    expect(complaint(linearRecipe({ a: 1e39 }, { normalize: false }))[1]).toBe(
      'The coefficient 1e+39 in group 1 is beyond the range of float32.',
    )
  })
})

describe('the registry', () => {
  it('knows each method by its own name, with a reference and defaults of the right kind', () => {
    expect([...METHODS.keys()]).toEqual(['linear', 'task_arithmetic'])
    for (const [name, method] of METHODS) {
      expect(OPERATORS.get(name)?.title).toBe(method.title)
      expect(method.name).toBe(name)
      expect(method.reference.url).toMatch(/^https:\/\/arxiv\.org\/abs\/\d{4}\.\d{5}$/)
      for (const parameter of method.parameters) expect(typeof parameter.default).toBe(parameter.kind)
    }
  })
})
