import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyOperator, settingsOf } from '../../../src/merge/operators/apply.ts'
import { positionRandom } from '../../../src/merge/operators/hash-random.ts'
import type { MergeOperator } from '../../../src/merge/operators/operator.ts'
import { findOperator, OPERATORS } from '../../../src/merge/operators/registry.ts'
import { keepRandom, restoreMagnitude } from '../../../src/merge/operators/sparsify.ts'
import { difference, sumOfMagnitudes } from '../../../src/merge/operators/vectors.ts'
import { A, apply, B, base, C, type Case } from './fixture.ts'

const all = [...OPERATORS.values()]

/** As many of the models as the operator takes, with coefficients that every operator accepts. */
function plain(operator: MergeOperator, models: readonly Float64Array[] = [A, B, C], change: Case = {}): Float64Array {
  const taken = models.slice(0, Math.min(models.length, operator.models[1]))
  const given: Case = {
    base: operator.base === 'required' ? base : undefined,
    models: taken,
    ids: taken.map((_, m) => `model-${m}`),
    parameters: { t: 0.3, n: 2, m: 4 },
    coefficients: { weight: taken.map((_, m) => 0.4 + 0.2 * m), density: taken.map(() => 0.5) },
    depth: 0.5,
    ...change,
  }
  return apply(operator, given)
}

const close = (found: Float64Array, expected: Float64Array, tolerance = 1e-10) =>
  found.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!), `element ${i}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(expected[i]!)),
    )
  })

describe('every operator', () => {
  it.each(all.map(operator => [operator.name, operator] as const))(
    '%s leaves its inputs alone and gives finite numbers of their shape',
    (_, operator) => {
      const copies = [base, A, B, C].map(x => x.slice())
      const out = plain(operator)
      expect(out).toHaveLength(24)
      expect(out.every(Number.isFinite)).toBe(true)
      expect([base, A, B, C]).toEqual(copies)
      expect(plain(operator)).toEqual(out)
    },
  )

  it.each(all.filter(({ base: needs }) => needs === 'required').map(operator => [operator.name, operator] as const))(
    '%s returns the base bit for bit where no model changed it',
    (_, operator) => {
      const models = Array.from({ length: Math.min(3, operator.models[1]) }, () => base.slice())
      const settings = settingsOf(
        operator,
        {
          parameters: 't' in defaults(operator) ? { t: 0.3 } : {},
          coefficients: models.map(() => (operator.coefficients.some(c => c.name === 'weight') ? { weight: 1 } : {})),
          seed: 0,
        },
        true,
        'group 1',
      )
      const tensor = { name: 'w', shape: [4, 6], base, models }
      const ids = models.map((_, m) => `${m}`)
      const survey = operator.survey?.({ ids, tensors: [tensor] }, settings)
      const out = applyOperator(operator, { ...tensor, ...settings, ids, survey, depth: 0 })
      expect(out).toEqual(base)
    },
  )

  const ordered = new Set(['slerp', 'nuslerp', 'layer_swap', 'cabs', 'opcm'])
  it.each(
    all
      .filter(({ name, models }) => models[1] > 1 && !ordered.has(name))
      .map(operator => [operator.name, operator] as const),
  )('%s does not depend on the order of the models beyond rounding', (_, operator) => {
    const order = [2, 0, 1]
    const weights = [0.4, 0.6, 0.8]
    const forward = plain(operator, [A, B, C], { coefficients: { weight: weights, density: [0.5, 0.5, 0.5] } })
    const turned = plain(
      operator,
      order.map(m => [A, B, C][m]!),
      {
        ids: order.map(m => `model-${m}`),
        coefficients: { weight: order.map(m => weights[m]!), density: [0.5, 0.5, 0.5] },
      },
    )
    close(turned, forward, 1e-7)
  })
})

const defaults = (operator: MergeOperator) => Object.fromEntries(operator.parameters.map(p => [p.name, p.default]))

describe('identities', () => {
  it.each([
    'linear',
    'task_arithmetic',
    'ties',
    'dare_linear',
    'dare_ties',
    'della',
    'della_linear',
    'breadcrumbs',
    'breadcrumbs_ties',
    'sce',
    'ram',
    'passthrough',
    'karcher',
    'multislerp',
  ])('%s of one model of weight 1 is that model', name => {
    const operator = findOperator(name)
    const models = operator.models[0] > 1 ? [A, A] : [A]
    const out = apply(operator, {
      base: operator.base === 'required' ? base : undefined,
      models,
      coefficients: { weight: models.map(() => 1) },
    })
    close(out, A, 1e-7)
  })

  it.each(['dare_linear', 'della_linear', 'breadcrumbs'])('%s at density 1 is task arithmetic', name => {
    const coefficients = { weight: [0.3, 0.7, -0.2], density: [1, 1, 1] }
    close(
      apply(findOperator(name), { base, coefficients }),
      apply(findOperator('task_arithmetic'), { base, coefficients }),
    )
  })

  it.each([
    'task_arithmetic',
    'ties',
    'breadcrumbs',
    'tsv_m',
    'iso_c',
    'iso_cts',
    'star',
    'consensus',
    'lines',
    'cabs',
    'wudi',
    'opcm',
    'dc_merge',
  ])('%s scales with the task vectors', name => {
    const operator = findOperator(name)
    const scaled = [A, B, C].map(x => base.map((b, i) => b + 0.5 * (x[i]! - b)))
    const whole = difference(plain(operator), base)
    const half = difference(plain(operator, scaled), base)
    close(
      half,
      whole.map(value => value / 2),
      1e-9,
    )
  })

  it('no operator adds anything at scale 0', () => {
    for (const operator of all) {
      const scale = operator.parameters.find(({ name }) => name === 'lambda' || name === 'alpha')
      if (
        scale === undefined ||
        operator.base !== 'required' ||
        operator.name === 'lines' ||
        operator.name === 'ramplus_tl'
      )
        continue
      close(plain(operator, [A, B, C], { parameters: { [scale.name]: 0, n: 2, m: 4 } }), base)
    }
  })

  it('operators that say they are linear are, in each weight', () => {
    for (const operator of all) {
      if (operator.cost !== 'linear' || operator.base !== 'required' || operator.coefficients.length === 0) continue
      const at = (weight: number[]) => difference(plain(operator, [A, B, C], { coefficients: { weight } }), base)
      const sum = at([1, 0, 0]).map((value, i) => 0.3 * value + 0.9 * at([0, 1, 0])[i]! - 0.4 * at([0, 0, 1])[i]!)
      close(at([0.3, 0.9, -0.4]), sum, 1e-9)
    }
  })
})

describe('random masks', () => {
  it('follow seed, model and tensor, and nothing else', () => {
    const at = (seed: number, model: string, tensor: string) =>
      Array.from({ length: 50 }, (_, i) => positionRandom(seed, model, tensor).at(i))
    expect(at(1, 'a', 'w')).toEqual(at(1, 'a', 'w'))
    for (const [seed, model, tensor] of [
      [2, 'a', 'w'],
      [1, 'b', 'w'],
      [1, 'a', 'v'],
      [1, 'aw', ''],
      [1 + 2 ** 40, 'a', 'w'],
    ] as const) {
      expect(at(seed, model, tensor)).not.toEqual(at(1, 'a', 'w'))
    }
  })

  it('are uniform', () => {
    const random = positionRandom(7, 'model', 'tensor')
    const n = 40_000
    const cells = new Float64Array(20)
    for (let i = 0; i < n; i++) cells[Math.floor(random.at(i) * 20)]! += 1
    for (const count of cells) expect(Math.abs(count - n / 20)).toBeLessThan(5 * Math.sqrt(n / 20))
  })

  it('keep more at a higher density, and never less', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a]
        const random = positionRandom(3, 'model', 'tensor')
        const [few, many] = [keepRandom(A, low, random), keepRandom(A, high, random)]
        few.forEach((value, i) => {
          if (value !== 0) expect(many[i]).toBe(value)
        })
      }),
    )
  })

  it('keep as much as the density says', () => {
    const n = 100_000
    const kept = keepRandom(new Float64Array(n).fill(1), 0.3, positionRandom(11, 'model', 'tensor'))
    const count = kept.reduce((total, value) => total + value, 0)
    expect(Math.abs(count - 0.3 * n)).toBeLessThan(5 * Math.sqrt(n * 0.3 * 0.7))
  })

  it('keep the magnitude of a task vector, as an independent implementation has it', () => {
    // Mask i % 3 != 0, weights 1: factor 1.51923077 for the first model.
    const mask = { at: (i: number) => (i % 3 === 0 ? 0.9 : 0.1) }
    const taus = [A, B, C].map(x => difference(x, base))
    const kept = taus.map(tau => restoreMagnitude(keepRandom(tau, 0.5, mask), tau))
    expect(kept[0]![1]! / taus[0]![1]!).toBeCloseTo(1.51923077, 8)
    for (const [m, tau] of taus.entries()) expect(sumOfMagnitudes(kept[m]!)).toBeCloseTo(sumOfMagnitudes(tau), 12)
  })
})

describe('settings', () => {
  const ties = findOperator('ties')
  const given = { parameters: {}, coefficients: [{ weight: 1 }, { weight: 0.5 }], seed: 0 }

  it('fills in defaults', () => {
    expect(settingsOf(ties, given, true, 'group 1')).toEqual({
      parameters: { normalize: true, lambda: 1, rescale: false, flavor: 'mergekit' },
      coefficients: { weight: [1, 0.5], density: [1, 1] },
      seed: 0,
    })
  })

  it.each([
    [
      { ...given, parameters: { lamda: 1 } },
      'group 1: ties has no parameter "lamda"; it has normalize, lambda, rescale, flavor.',
    ],
    [{ ...given, parameters: { lambda: Number.NaN } }, 'group 1: lambda of ties must be a finite number, got NaN.'],
    [
      { ...given, parameters: { flavor: 'sweet' } },
      'group 1: flavor of ties must be one of mergekit, paper, got "sweet".',
    ],
    [{ ...given, parameters: { normalize: 1 } }, 'group 1: normalize of ties must be true or false, got 1.'],
    [
      { ...given, coefficients: [{}, { weight: 1 }] },
      'group 1: weight of ties must be a finite number, and is missing.',
    ],
    [{ ...given, coefficients: [{ weight: 1, density: 1.5 }] }, 'group 1: density of ties must be in [0, 1], got 1.5.'],
    [
      { ...given, coefficients: [{ weight: 1, gamma: 1 }] },
      'group 1: ties has no coefficient "gamma"; it has weight, density.',
    ],
    [{ ...given, coefficients: [] }, 'ties merges at least 1 model besides the base, got 0.'],
  ])('refuses %j', (bad, message) => {
    expect(() => settingsOf(ties, bad, true, 'group 1')).toThrow(message)
  })

  it('asks for a base where one is needed, and refuses one where it means nothing', () => {
    expect(() => settingsOf(ties, given, false, 'group 1')).toThrow('ties needs a base')
    expect(() => settingsOf(findOperator('linear'), given, true, 'group 1')).toThrow('linear has no base')
  })
})

describe('published tables of operators', () => {
  it('describes every operator, parameter and coefficient', () => {
    for (const operator of all) {
      expect(operator.reference.url).toMatch(/^https:\/\//)
      for (const parameter of [...operator.parameters, ...operator.coefficients]) {
        expect(parameter.description).toMatch(/\.$/)
        if (parameter.kind !== 'number') continue
        const [low, high] = parameter.searchRange
        expect(low).toBeLessThanOrEqual(high)
        const [least, most] = parameter.bounds ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
        expect(low).toBeGreaterThanOrEqual(least)
        expect(high).toBeLessThanOrEqual(most)
      }
    }
  })
})
