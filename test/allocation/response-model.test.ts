import { describe, expect, it } from 'vitest'
import {
  chooseExamples,
  fitResponseModel,
  predictMean,
  skillOf,
  unknownSkill,
} from '../../src/allocation/response-model.ts'
import { createRng } from '../../src/rng.ts'

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** 2PL items and models: who is right where. */
function simulate(seed: number, models: number, items: number) {
  const rng = createRng(seed)
  const bank = Array.from({ length: items }, () => ({ a: Math.exp(0.3 * rng.normal()), b: 1.2 * rng.normal() }))
  const abilities = Array.from({ length: models }, () => 0.7 * rng.normal()) // candidates of a run are alike
  const answers = abilities.map(theta =>
    Float32Array.from(bank, ({ a, b }) => (rng.uniform() < sigmoid(a * (theta - b)) ? 1 : 0)),
  )
  return { bank, abilities, answers }
}
const mean = (list: ArrayLike<number>): number => Array.from(list).reduce((sum, x) => sum + x, 0) / list.length
const correlation = (x: readonly number[], y: readonly number[]): number => {
  const [mx, my] = [mean(x), mean(y)]
  const product = (a: readonly number[], b: readonly number[], ma: number, mb: number) =>
    a.reduce((sum, value, i) => sum + (value - ma) * (b[i]! - mb), 0)
  return product(x, y, mx, my) / Math.sqrt(product(x, x, mx, mx) * product(y, y, my, my))
}

describe('the response model', () => {
  it('recovers the difficulties of items from forty models', () => {
    const { bank, answers } = simulate(1, 40, 300)
    const model = fitResponseModel(answers, 1)
    const offsets = bank.map((_, j) => model.items[2 * j + 1]!)
    const truth = bank.map(({ a, b }) => -a * b)
    expect(correlation(offsets, truth)).toBeGreaterThan(0.9)
  })

  it('predicts the mean of all answers from twenty better than their own mean does, with honest intervals', () => {
    let [own, model, covered, count] = [0, 0, 0, 0]
    for (let seed = 0; seed < 8; seed++) {
      const { answers } = simulate(100 + seed, 35, 300)
      const fitted = fitResponseModel(answers.slice(0, 15))
      for (const list of answers.slice(15)) {
        const examples = Array.from({ length: 20 }, (_, n) => 15 * n)
        const seen = examples.map(j => list[j]!)
        const { value, standardError } = predictMean(fitted, examples, seen)
        own += (mean(seen) - mean(list)) ** 2
        model += (value - mean(list)) ** 2
        if (Math.abs(value - mean(list)) < 1.96 * standardError) covered++
        count++
      }
    }
    expect(model).toBeLessThan(0.7 * own)
    expect(covered / count).toBeGreaterThan(0.88)
  })

  it('knows the mean exactly once everything was answered', () => {
    const { answers } = simulate(3, 12, 40)
    const model = fitResponseModel(answers)
    const everything = Array.from({ length: 40 }, (_, j) => j)
    const { value, standardError } = predictMean(model, everything, answers[0]!)
    expect(value).toBeCloseTo(mean(answers[0]!), 12)
    expect(standardError).toBe(0)
  })

  it('chooses examples that leave less doubt than the first ones would, and none twice', () => {
    const { answers } = simulate(4, 20, 200)
    const model = fitResponseModel(answers)
    const start = unknownSkill(model)
    const chosen = chooseExamples(model, start, 20, new Set([0, 1, 2]))
    expect(new Set(chosen).size).toBe(20)
    for (const j of chosen) expect(j).toBeGreaterThan(2)
    const doubt = (examples: readonly number[]): number =>
      mean(
        answers.map(
          list =>
            predictMean(
              model,
              examples,
              examples.map(j => list[j]!),
            ).standardError,
        ),
      )
    expect(doubt(chosen)).toBeLessThan(doubt(Array.from({ length: 20 }, (_, j) => j)))
  })

  it('takes a candidate of whom nothing is known to be like those it has seen', () => {
    const { answers } = simulate(5, 20, 200)
    const model = fitResponseModel(answers)
    expect(skillOf(model, [], []).mode).toEqual(model.mean)
    expect(predictMean(model, [], []).value).toBeCloseTo(mean(answers.map(mean)), 1)
  })

  it('is the same for the same answers', () => {
    const { answers } = simulate(6, 10, 50)
    expect(fitResponseModel(answers)).toEqual(fitResponseModel(answers.map(list => list.slice())))
  })
})
