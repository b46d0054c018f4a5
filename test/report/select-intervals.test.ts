import { describe, expect, it } from 'vitest'
import { lossesOf, type Objective } from '../../src/objective.ts'
import { meanInterval } from '../../src/report/intervals.ts'
import { type Behind, simultaneousIntervals } from '../../src/report/select-intervals.ts'
import { compareModels, type Incomparable, type Scored } from '../../src/report/statistics.ts'
import { createRng, type Rng } from '../../src/rng.ts'
import { type Scalarization, scalarize, scalarPieces } from '../../src/scalarization.ts'
import { accuracy, scored, timing } from './fake-run.ts'

const graded: Objective = { name: 'nll', direction: 'minimize', unit: 'nats', reference: 5, ideal: 0 }
const size: Objective = {
  name: 'bytes',
  direction: 'minimize',
  unit: 'bytes',
  reference: 1000,
  ideal: 0,
  isExact: true,
}

function intervals(
  models: readonly Scored[],
  objectives: readonly Objective[],
  { kind = 'worst' as Scalarization, best = 0, seed = 1 } = {},
): readonly Behind[] {
  const found = simultaneousIntervals(models, best, objectives, kind, createRng(seed))
  if ('reason' in found) throw new Error(found.reason)
  return found
}

const model = (lists: readonly (readonly number[])[]): Scored => scored(lists) as Scored

describe('scalarPieces', () => {
  it('are pieces whose largest is the scalarisation', () => {
    const rng = createRng(8)
    const objectives = [accuracy('a'), graded, { ...accuracy('c'), ideal: undefined, reference: 0.3 }, size].map(
      ({ ideal, ...objective }) => ({ ...objective, ...(ideal !== undefined && { ideal }) }),
    )
    for (const kind of ['worst', 'mean'] as const)
      for (let m = 1; m <= 4; m++) {
        const some = objectives.slice(0, m)
        for (let k = 0; k < 50; k++) {
          const values = [rng.uniform(), 4 * rng.uniform(), rng.uniform(), 900 * rng.uniform()].slice(0, m)
          const losses = values.map((value, i) => (some[i]!.direction === 'minimize' ? value : -value))
          const largest = Math.max(
            ...scalarPieces(kind, some).map(({ offset, slopes }) =>
              slopes.reduce((sum, slope, i) => sum + slope * values[i]!, offset),
            ),
          )
          expect(largest).toBeCloseTo(scalarize(kind, losses, some), 10)
        }
      }
  })
})

describe('simultaneousIntervals', () => {
  it('of two models is the paired t interval, up to the simulation of its critical value', () => {
    const rng = createRng(2)
    const [a, b] = [0, 0.4].map(shift => Array.from({ length: 80 }, () => 2 + shift + rng.normal()))
    const { difference, interval } = intervals([model([a!]), model([b!])], [graded])[1]!
    const plain = meanInterval(b!.map((x, i) => Math.fround(x) - Math.fround(a![i]!)))!
    expect(difference).toBeCloseTo((plain.low + plain.high) / 2, 6)
    expect((interval.low + interval.high) / 2).toBeCloseTo(difference, 6)
    expect((interval.high - interval.low) / (plain.high - plain.low)).toBeGreaterThan(0.96)
    expect((interval.high - interval.low) / (plain.high - plain.low)).toBeLessThan(1.04)
  })

  it('of two models with 0/1 scores is the interval that the report quotes for a comparison', () => {
    const rng = createRng(3)
    const [a, b] = [0.8, 0.7].map(p => Array.from({ length: 60 }, () => (rng.uniform() < p ? 1 : 0)))
    const objectives = [accuracy('a')]
    const { interval } = intervals([model([a!]), model([b!])], objectives)[1]!
    const plain = compareModels(model([a!]), model([b!]), objectives, createRng(1))
    if (!('p' in plain)) throw new Error(plain.reason)
    expect((interval.low + interval.high) / 2).toBeCloseTo((plain.interval!.low + plain.interval!.high) / 2, 9)
    expect(interval.high - interval.low).toBeCloseTo(plain.interval!.high - plain.interval!.low, 1)
  })

  it('a copy is level with its twin, with room for what 0/1 scores do not show', () => {
    const ones = [1, 1, 1, 0, 1, 0, 1, 1, 1, 1]
    const [, twin] = intervals([model([ones, ones]), model([ones, ones])], [accuracy('a'), accuracy('b')])
    expect(twin!.difference).toBe(0)
    expect(twin!.interval.low).toBeLessThan(-0.05)
    expect(twin!.interval.high).toBeGreaterThan(0.05)
  })

  it('exact objectives add no error and count in full', () => {
    const rng = createRng(6)
    const ones = Array.from({ length: 40 }, () => Number(rng.uniform() < 0.9))
    const sized = (bytes: number): Scored => ({
      status: 'scored',
      values: [ones.reduce((sum, x) => sum + x, 0) / ones.length, bytes],
      exampleScores: [Float32Array.from(ones), new Float32Array(0)],
      timing,
    })
    const [, larger] = intervals([sized(500), sized(900)], [accuracy('a'), size])
    expect(larger!.difference).toBeCloseTo(0.4 * (1 + 0.05 / 2), 9)
    expect(larger!.interval.low).toBeGreaterThan(0.2)
    const alone = simultaneousIntervals(
      [sized(500), sized(900)],
      0,
      [accuracy('a'), { ...size, isExact: undefined } as never],
      'worst',
      createRng(1),
    )
    expect(alone).toEqual({ reason: 'no score per example is recorded for "bytes"' })
  })

  it('says why there are none', () => {
    const reasonOf = (models: readonly Scored[], objectives: readonly Objective[]): string =>
      (simultaneousIntervals(models, 0, objectives, 'worst', createRng(1)) as Incomparable).reason
    const one = model([[1, 0, 1]])
    expect(reasonOf([one, model([[1, 0]])], [accuracy('a')])).toContain('different numbers of examples of "a": 3 and 2')
    expect(reasonOf([one, { ...one, values: [0.1] }], [accuracy('a')])).toContain('not the mean of its example scores')
    expect(reasonOf([one, { status: 'scored', values: [0.5], timing }], [accuracy('a')])).toContain(
      'no score per example',
    )
    expect(reasonOf([one, model([[1, Number.NaN, 0]])], [accuracy('a')])).toContain('not finite')
    expect(reasonOf([model([[0.5]]), model([[0.25]])], [graded])).toBe('there are too few examples')
    expect(reasonOf([one, one], [size])).toContain('no objective has examples')
  })

  it('does not depend on the order of the models beyond the simulation, and is a function of the seed', () => {
    const models = draw(createRng(77), 5, 60, 2).map(model)
    const objectives = [accuracy('a'), accuracy('b')]
    expect(intervals(models, objectives)).toEqual(intervals(models, objectives))
    const turned = intervals([...models].reverse(), objectives, { best: 4 }).toReversed()
    intervals(models, objectives).forEach(({ difference, interval }, k) => {
      expect(turned[k]!.difference).toBeCloseTo(difference, 12)
      expect(Math.abs(turned[k]!.interval.low - interval.low)).toBeLessThan(0.02)
    })
  })
})

/** Answers of `K` models to `n` examples of each of `m` objectives; difficulty is shared, ability is model k's. */
function draw(rng: Rng, K: number, n: number, m: number): number[][][] {
  const hard = Array.from({ length: m }, () => Array.from({ length: n }, () => rng.normal()))
  return Array.from({ length: K }, (_, k) =>
    hard.map((list, o) => list.map(b => (rng.uniform() < rate(k, o, b) ? 1 : 0))),
  )
}

/** Chance of model k on an example of objective o: even ones are better at the first. */
function rate(k: number, o: number, difficulty: number): number {
  return 1 / (1 + Math.exp(-(1 + (k % 2 === o ? 0.4 : 0) - 0.25 * (k % 3) - difficulty)))
}

function truth(K: number, m: number): number[][] {
  return Array.from({ length: K }, (_, k) =>
    Array.from({ length: m }, (_, o) => {
      let [sum, weight] = [0, 0]
      for (let z = -6; z <= 6; z += 0.01) {
        const density = Math.exp((-z * z) / 2)
        sum += density * rate(k, o, z)
        weight += density
      }
      return sum / weight
    }),
  )
}

describe('coverage, all intervals at once, of the member that came out best', () => {
  const SAMPLES = 300
  type Held = { readonly low: number; readonly high: number }
  const holds = ({ low, high }: Held, value: number): boolean => low - 1e-12 <= value && value <= high + 1e-12

  /** Share of samples in which all intervals hold, and in which all of `single` would. */
  function coverage(
    objectives: readonly Objective[],
    kind: Scalarization,
    truths: readonly number[],
    sample: (rng: Rng) => Scored[],
    single: (model: Scored, best: Scored) => Held = () => ({ low: 0, high: 0 }),
  ): { readonly all: number; readonly single: number } {
    let [all, alone] = [0, 0]
    for (let s = 0; s < SAMPLES; s++) {
      const models = sample(createRng(21).split(`${s}`))
      const losses = models.map(model => scalarize(kind, lossesOf(model, objectives)!, objectives))
      const best = losses.indexOf(Math.min(...losses))
      const isCovered = (interval: Held, k: number): boolean => holds(interval, truths[k]! - truths[best]!)
      if (intervals(models, objectives, { kind, best, seed: s }).every(({ interval }, k) => isCovered(interval, k)))
        all++
      if (models.every((model, k) => k === best || isCovered(single(model, models[best]!), k))) alone++
    }
    return { all: all / SAMPLES, single: alone / SAMPLES }
  }

  it('is 95 % for ten graded models of one objective, where single intervals miss far oftener', () => {
    const sample = (rng: Rng): Scored[] => {
      const shared = Array.from({ length: 40 }, () => rng.normal())
      return Array.from({ length: 10 }, (_, k) => model([shared.map(x => 0.05 * (k % 3) + x + 0.5 * rng.normal())]))
    }
    const truths = Array.from({ length: 10 }, (_, k) => 0.05 * (k % 3))
    const paired = (a: Scored, b: Scored): Held =>
      meanInterval(a.exampleScores![0]!.map((x, e) => x - b.exampleScores![0]![e]!))!
    const { all, single } = coverage([graded], 'worst', truths, sample, paired)
    expect(all).toBeGreaterThan(0.92)
    expect(single).toBeLessThan(0.85)
  }, 60_000)

  it.each(['worst', 'mean'] as const)(
    'is at least 95 % for six models with 0/1 scores, by the %s',
    kind => {
      const objectives = [accuracy('a'), accuracy('b')]
      const truths = truth(6, 2).map(values =>
        scalarize(
          kind,
          values.map(x => -x),
          objectives,
        ),
      )
      expect(coverage(objectives, kind, truths, rng => draw(rng, 6, 50, 2).map(model)).all).toBeGreaterThan(0.92)
    },
    60_000,
  )
})
