import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Objective } from '../../src/objective.ts'
import {
  type Comparison,
  compareModels,
  holm,
  type Incomparable,
  meanValue,
  type Scored,
  valueInterval,
  verdictOf,
} from '../../src/report/statistics.ts'
import { createRng, type Rng } from '../../src/rng.ts'

const timing = { totalMs: 0, mergeMs: 0, inferenceMs: 0 }

function scored(exampleScores: readonly (readonly number[])[], values?: readonly number[]): Scored {
  const averages = exampleScores.map(scores => scores.reduce((sum, s) => sum + s, 0) / scores.length)
  return {
    status: 'scored',
    values: values ?? averages,
    exampleScores: exampleScores.map(s => Float32Array.from(s)),
    timing,
  }
}

const accuracy = (name: string): Objective => ({
  name,
  direction: 'maximize',
  unit: 'accuracy, 0..1',
  reference: 0,
  ideal: 1,
})
const nll: Objective = { name: 'nll', direction: 'minimize', unit: 'nats/example', reference: 4, ideal: 0 }

function compared(result: Comparison | Incomparable): Comparison {
  if ('reason' in result) throw new Error(result.reason)
  return result
}

const rng = () => createRng(1)

describe('compareModels', () => {
  it('gains where the first model is better, whatever the direction', () => {
    const [good, bad] = [scored([[1, 1, 1, 0]]), scored([[1, 0, 0, 0]])]
    expect(compared(compareModels(good, bad, [accuracy('a')], rng())).gain).toBe(0.5)
    const [low, high] = [scored([[0.5, 0.25]]), scored([[1.5, 1.25]])]
    expect(compared(compareModels(low, high, [nll], rng())).gain).toBe(1)
  })

  it('weighs objectives equally, however many examples each has', () => {
    const a = scored([[1, 1], new Array<number>(98).fill(0)])
    const b = scored([[0, 0], new Array<number>(98).fill(0)])
    const result = compared(compareModels(a, b, [accuracy('a'), accuracy('b')], rng()))
    expect(result).toMatchObject({ gain: 0.5, examples: 100, discordant: 2, scale: 'unit', p: 0.5 })
  })

  it('brings objectives of different units to the scale from ideal to reference', () => {
    const a = scored([
      [1, 1],
      [1, 1, 1],
    ])
    const b = scored([
      [1, 0],
      [2, 2, 2],
    ])
    const result = compared(compareModels(a, b, [accuracy('a'), nll], rng()))
    // ½ · 0.5 / (1 − 0) + ½ · 1 / (4 − 0)
    expect(result.gain).toBeCloseTo(0.375, 12)
    expect(result.scale).toBe('normalized')
  })

  it('uses the distance to the reference where an objective has no ideal', () => {
    const bytes: Objective = { name: 'bytes', direction: 'minimize', unit: 'bytes', reference: 200 }
    const a = scored([
      [1, 1],
      [50, 150, 100],
    ])
    const b = scored([
      [1, 1],
      [150, 250, 200],
    ])
    expect(compared(compareModels(a, b, [accuracy('a'), bytes], rng())).gain).toBeCloseTo(0.25, 12)
  })

  it('changes sign and nothing else when the models are exchanged', () => {
    const bits = (n: number) => fc.array(fc.integer({ min: 0, max: 1 }), { minLength: n, maxLength: n })
    fc.assert(
      fc.property(bits(9), bits(9), bits(14), bits(14), (a1, b1, a2, b2) => {
        const objectives = [accuracy('x'), accuracy('y')]
        const forth = compared(compareModels(scored([a1, a2]), scored([b1, b2]), objectives, rng()))
        const back = compared(compareModels(scored([b1, b2]), scored([a1, a2]), objectives, rng()))
        expect(back.gain).toBeCloseTo(-forth.gain, 12)
        expect(back.p).toBeCloseTo(forth.p, 12)
        expect(back.interval!.low).toBeCloseTo(-forth.interval!.high, 12)
      }),
      { numRuns: 100, seed: 1 },
    )
  })

  it('is the same whichever order the examples have', () => {
    const [a, b] = [
      [0.1, 0.9, 0.4, 0.3, 0.8, 0.5],
      [0.2, 0.5, 0.1, 0.7, 0.9, 0.3],
    ]
    const order = [3, 0, 5, 1, 4, 2]
    const forth = compared(compareModels(scored([a]), scored([b]), [nll], rng()))
    const mixed = compared(
      compareModels(scored([order.map(j => a[j]!)]), scored([order.map(j => b[j]!)]), [nll], rng()),
    )
    expect(mixed.gain).toBeCloseTo(forth.gain, 6)
    expect(mixed.p).toBeCloseTo(forth.p, 10)
  })

  it('does not count the same examples twice when two objectives scored them', () => {
    const random = createRng(3)
    const a = Array.from({ length: 200 }, () => (random.uniform() < 0.6 ? 1 : 0))
    const b = Array.from({ length: 200 }, () => (random.uniform() < 0.5 ? 1 : 0))
    const once = compared(compareModels(scored([a]), scored([b]), [accuracy('x')], rng()))
    const twice = compared(compareModels(scored([a, a]), scored([b, b]), [accuracy('x'), accuracy('y')], rng()))
    expect(twice.p).toBeCloseTo(once.p, 12)
    expect(twice.gain).toBeCloseTo(once.gain, 12)
  })

  it('says why models cannot be compared', () => {
    const plain: Scored = { status: 'scored', values: [1], timing }
    expect(compareModels(plain, plain, [accuracy('a')], rng())).toEqual({
      reason: 'the evaluator gives no score per example',
    })
    expect(compareModels(scored([[1, 0]]), plain, [accuracy('a')], rng())).toEqual({
      reason: 'no score per example is recorded for "a"',
    })
    expect(compareModels(scored([[1, 0]]), scored([[1, 0, 1]]), [accuracy('a')], rng())).toEqual({
      reason: 'they were scored on different numbers of examples: 2 and 3',
    })
    expect(compareModels(scored([[1, Number.NaN]], [1]), scored([[1, 0]]), [accuracy('a')], rng())).toEqual({
      reason: 'an example score of "a" is not finite',
    })
  })

  it('compares on the objectives that have example scores', () => {
    const bytes: Objective = { name: 'bytes', direction: 'minimize', unit: 'bytes', reference: 1e9 }
    const a: Scored = {
      status: 'scored',
      values: [1, 10],
      exampleScores: [Float32Array.of(1, 1), new Float32Array()],
      timing,
    }
    const b: Scored = { ...a, values: [0.5, 20], exampleScores: [Float32Array.of(1, 0), new Float32Array()] }
    expect(compared(compareModels(a, b, [accuracy('a'), bytes], rng())).gain).toBe(0.5)
  })
})

/** Share of `runs` simulated comparisons whose verdict is a claim, and of correct claims. */
function simulate(runs: number, rates: readonly (readonly [number, number])[], sizes: readonly number[], random: Rng) {
  let better = 0
  let worse = 0
  const objectives = sizes.map((_, i) => accuracy(`task ${i}`))
  for (let run = 0; run < runs; run++) {
    const pairs = sizes.map((size, i) =>
      Array.from({ length: size }, () => {
        const hard = random.uniform() // shared difficulty: the scores of a pair are correlated
        const [p, q] = rates[i]!
        return [
          random.uniform() * 0.4 + hard * 0.6 < p ? 1 : 0,
          random.uniform() * 0.4 + hard * 0.6 < q ? 1 : 0,
        ] as const
      }),
    )
    const a = scored(pairs.map(task => task.map(pair => pair[0])))
    const b = scored(pairs.map(task => task.map(pair => pair[1])))
    const result = compared(compareModels(a, b, objectives, random.split(`run ${run}`)))
    const verdict = verdictOf(result.gain, result.p)
    if (verdict === 'better') better++
    if (verdict === 'worse') worse++
  }
  return { better: better / runs, worse: worse / runs }
}

describe('the whole decision', () => {
  it('claims a difference between equal models in at most 5 % of runs', () => {
    const { better, worse } = simulate(
      600,
      [
        [0.7, 0.7],
        [0.5, 0.5],
      ],
      [80, 120],
      createRng(21),
    )
    expect(better + worse).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / 600))
    expect(better + worse).toBeGreaterThan(0.01)
  })

  it('finds a gap of ten points on 2 × 300 examples nearly always, and on the right side', () => {
    const { better, worse } = simulate(
      60,
      [
        [0.75, 0.65],
        [0.6, 0.5],
      ],
      [300, 260],
      createRng(22),
    )
    expect(better).toBeGreaterThan(0.9)
    expect(worse).toBe(0)
  })
})

describe('holm', () => {
  it('is the textbook step-down procedure, in the order given', () => {
    expect(holm([0.01, 0.04, 0.03, 0.005]).map(p => Number(p.toFixed(12)))).toEqual([0.03, 0.06, 0.06, 0.02])
    expect(holm([])).toEqual([])
    expect(holm([0.2])).toEqual([0.2])
    expect(holm([0.9, 0.8])).toEqual([1, 1])
  })

  it('never lowers a p-value, keeps their order, and never exceeds Bonferroni', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 }), ps => {
        const corrected = holm(ps)
        ps.forEach((p, i) => {
          expect(corrected[i]).toBeGreaterThanOrEqual(p)
          expect(corrected[i]).toBeLessThanOrEqual(Math.min(1, ps.length * p) + 1e-15)
          ps.forEach((q, j) => {
            if (p < q) expect(corrected[i]).toBeLessThanOrEqual(corrected[j]!)
          })
        })
      }),
      { numRuns: 100, seed: 2 },
    )
  })
})

describe('verdictOf', () => {
  it('needs both the test and the direction', () => {
    expect(verdictOf(0.1, 0.05)).toBe('better')
    expect(verdictOf(0.1, 0.0501)).toBe('not distinguishable')
    expect(verdictOf(-0.1, 0.001)).toBe('worse')
    expect(verdictOf(0, 0.001)).toBe('not distinguishable')
  })
})

describe('valueInterval', () => {
  it('is Wilson for 0/1 scores and t for graded ones', () => {
    expect(valueInterval(scored([[0, 0, 0, 0, 0]]), 0)!.low).toBe(0)
    const graded = valueInterval(scored([[1, 2, 3, 4, 5]]), 0)!
    expect((graded.low + graded.high) / 2).toBeCloseTo(3, 12)
  })

  it('does not exist where the value is not the mean of the example scores', () => {
    expect(valueInterval(scored([[1, 2, 3]], [Math.exp(2)]), 0)).toBeUndefined()
    expect(valueInterval({ status: 'scored', values: [1], timing }, 0)).toBeUndefined()
  })
})

describe('meanValue', () => {
  it('has an interval narrower than those of its tasks and never of zero width', () => {
    const objectives = [accuracy('a'), accuracy('b')]
    const both = scored([new Array<number>(50).fill(1), new Array<number>(80).fill(1)])
    const { value, interval } = meanValue(both.values, both, objectives)!
    expect(value).toBe(1)
    expect(interval!.low).toBeGreaterThan(0.9)
    expect(interval!.high - interval!.low).toBeGreaterThan(0.01)
  })

  it('covers the mean of two accuracies in about 95 % of samples', () => {
    const random = createRng(31)
    let covered = 0
    for (let sample = 0; sample < 1000; sample++) {
      const bits = (p: number, n: number) => Array.from({ length: n }, () => (random.uniform() < p ? 1 : 0))
      const both = scored([bits(0.95, 60), bits(0.6, 90)])
      const { low, high } = meanValue(both.values, both, [accuracy('a'), accuracy('b')])!.interval!
      if (low <= 0.775 && 0.775 <= high) covered++
    }
    expect(covered / 1000).toBeGreaterThan(0.935)
    expect(covered / 1000).toBeLessThan(0.985)
  })

  it('does not average different units or directions, nor a single objective', () => {
    expect(meanValue([0.5, 1], undefined, [accuracy('a'), nll])).toBeUndefined()
    expect(meanValue([0.5], undefined, [accuracy('a')])).toBeUndefined()
    expect(meanValue([0.5, 0.7], undefined, [accuracy('a'), accuracy('b')])).toEqual({
      value: 0.6,
      interval: undefined,
    })
  })
})
