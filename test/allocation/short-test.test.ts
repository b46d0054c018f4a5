import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chooseShortTest } from '../../src/allocation/short-test.ts'
import { kendallTau } from '../../src/numerics/kendall-tau.ts'
import { studentQuantile } from '../../src/report/intervals.ts'
import { createRng } from '../../src/rng.ts'

const meanOf = (list: ArrayLike<number>): number => Array.from(list).reduce((sum, x) => sum + x, 0) / list.length

/** Answers of models with one ability each to examples of very different difficulty, a third of which have nothing to do with it. */
function bank(N: number, seed: number): { readonly answers: (ability: number) => Float32Array; useful: boolean[] } {
  const rng = createRng(seed)
  const items = Array.from({ length: N }, (_, j) => ({ a: j % 3 === 0 ? 0 : 1.5, b: 2 * rng.normal() }))
  return {
    useful: items.map(({ a, b }) => a > 0 && Math.abs(b) < 2),
    answers: ability =>
      Float32Array.from(items, ({ a, b }) => (rng.uniform() < 1 / (1 + Math.exp(-a * ability + b)) ? 1 : 0)),
  }
}

describe('a short test', () => {
  it('takes examples that go with the score, and so ranks better than the first ones', () => {
    let usefulOnes = 0
    const gains = Array.from({ length: 20 }, (_, seed) => {
      const rng = createRng(100 + seed)
      const { answers, useful } = bank(300, seed)
      const known = Array.from({ length: 15 }, () => answers(rng.normal()))
      const test = chooseShortTest(known, 20)
      usefulOnes += test.examples.filter(j => useful[j]).length
      const fresh = Array.from({ length: 40 }, () => answers(rng.normal()))
      const truth = fresh.map(meanOf)
      const estimates = fresh.map(list => test.predict(test.examples.map(j => list[j]!)).value)
      const first = fresh.map(list => meanOf(list.subarray(0, 20)))
      return kendallTau(estimates, truth)! - kendallTau(first, truth)!
    })
    expect(usefulOnes / 400).toBeGreaterThan(0.6) // 0.46 by chance
    expect(gains.filter(gain => gain > 0).length).toBeGreaterThanOrEqual(16) // 15 of 20 by chance: p = 0.02
    expect(meanOf(gains)).toBeGreaterThan(0.05)
  })

  it('has intervals that hold the score on all examples as often as they say', () => {
    let [covered, count] = [0, 0]
    for (let seed = 0; seed < 20; seed++) {
      const rng = createRng(500 + seed)
      const { answers } = bank(300, seed)
      const known = Array.from({ length: 15 }, () => answers(rng.normal()))
      const test = chooseShortTest(known, 20)
      for (let i = 0; i < 40; i++) {
        const list = answers(rng.normal())
        const { value, standardError } = test.predict(test.examples.map(j => list[j]!))
        if (Math.abs(value - meanOf(list)) <= studentQuantile(15) * standardError) covered++
        count++
      }
    }
    expect(covered / count).toBeGreaterThan(0.9)
    expect(covered / count).toBeLessThan(0.99)
  })

  it('measures its error on models that it was not chosen by', () => {
    const rng = createRng(8)
    const { answers } = bank(100, 8)
    const known = Array.from({ length: 6 }, () => answers(rng.normal()))
    const squares = known.map((list, i) => {
      const { examples, predict } = chooseShortTest(known.toSpliced(i, 1), 10)
      return (predict(examples.map(j => list[j]!)).value - meanOf(list)) ** 2
    })
    expect(chooseShortTest(known, 10).predict(new Float32Array(10)).standardError).toBeCloseTo(
      Math.sqrt(meanOf(squares)),
      12,
    )
  })

  it('gives each stratum its share, chooses no example twice and counts only how many are right', () => {
    const scores = fc.array(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 24, maxLength: 24 }), {
      minLength: 4,
      maxLength: 6,
    })
    fc.assert(
      fc.property(scores, fc.integer({ min: 1, max: 24 }), (answers, count) => {
        const strata = Array.from({ length: 24 }, (_, j) => (j < 12 ? 'a' : j < 18 ? 'b' : 'c'))
        const { examples, predict } = chooseShortTest(answers, count, strata)
        expect(new Set(examples).size).toBe(count)
        for (const [stratum, share] of [
          ['a', 1 / 2],
          ['b', 1 / 4],
          ['c', 1 / 4],
        ] as const) // prettier-ignore
          expect(Math.abs(examples.filter(j => strata[j] === stratum).length - share * count)).toBeLessThan(1)
        const one = predict(examples.map((_, n) => (n === 0 ? 1 : 0)))
        expect(predict(examples.map((_, n) => (n === count - 1 ? 1 : 0)))).toEqual(one)
        expect(one.value).toBeGreaterThanOrEqual(0)
        expect(one.value).toBeLessThanOrEqual(1)
        expect(one.standardError).toBeGreaterThanOrEqual(0)
      }),
    )
  })

  it('refuses what it cannot do', () => {
    const answers = [
      [1, 0],
      [0, 1],
      [1, 1],
      [0, 0],
    ] // prettier-ignore
    expect(() => chooseShortTest(answers.slice(1), 1)).toThrow('Expected the answers of at least 4 models, got 3.')
    expect(() => chooseShortTest(answers, 3)).toThrow('Expected to choose 1 to 2 examples, got 3.')
    expect(() => chooseShortTest(answers, 1).predict([1, 0])).toThrow(
      'Expected 1 answers, one for each chosen example, got 2.',
    )
  })
})
