import { describe, expect, it } from 'vitest'
import type { Domain, Gene, Genome } from '../../../src/candidate.ts'
import type { Objective } from '../../../src/objective.ts'
import { createRng } from '../../../src/rng.ts'
import { spreadOverFront } from '../../../src/strategies/map/choose-batch.ts'
import { map } from '../../../src/strategies/map/map.ts'
import { boundingBox, predictedFront } from '../../../src/strategies/map/predicted-front.ts'
import { fitSurrogate } from '../../../src/strategies/map/surrogate.ts'
import type { Strategy, StrategyContext, ToldTrial } from '../../../src/strategies/strategy.ts'
import { corners } from '../../problems/multi-objective.ts'
import { candidateOf, maximize, minimize, realDomain } from '../../problems/problem.ts'
import { sphere } from '../../problems/single-objective.ts'

interface Setting {
  readonly domain: Domain
  readonly objectives: readonly Objective[]
  /** Losses; `undefined`: failed. */
  readonly losses: (genome: Genome) => readonly number[] | undefined
  readonly options?: unknown
  readonly more?: Partial<StrategyContext>
}

function create({ domain, objectives, options, more }: Setting, seed = 1): Strategy {
  const context = { domain, objectives, rng: createRng(seed), budget: undefined, ...more }
  return map.create(context, map.options.parse(options ?? {}))
}

interface Seen {
  readonly trials: readonly ToldTrial[]
  readonly strategy: Strategy
}

function search(setting: Setting, budget: number, seed = 1): Seen {
  const strategy = create(setting, seed)
  const trials: ToldTrial[] = []
  while (trials.length < budget) {
    const [proposal] = strategy.ask(1)
    if (proposal === undefined) break
    const trial = { ...candidateOf(proposal, trials.length), losses: setting.losses(proposal.genome) }
    strategy.tell([trial])
    trials.push(trial)
  }
  return { trials, strategy }
}

const roleOf = ({ memo }: ToldTrial): unknown => (memo as { readonly role: string }).role

function cornersSetting(d: number, m: number): Setting {
  const { domain, objectives, evaluate } = corners(d, m)
  return { domain, objectives, losses: genome => evaluate(genome) }
}

describe('map', () => {
  it('samples first, then verifies what it predicts, and tells the prediction', () => {
    const setting = cornersSetting(3, 2)
    const { trials } = search(setting, 40)
    const roles = trials.map(roleOf)
    expect(roles.slice(0, 15)).toEqual(new Array(15).fill('sample'))
    expect(roles.slice(15).filter(role => role === 'front').length).toBeGreaterThan(20)
    for (const { memo, losses } of trials.slice(15)) {
      const { predicted } = memo as { readonly predicted: readonly number[] }
      for (const [k, value] of predicted.entries()) expect(value).toBeCloseTo(losses![k]!, 4) // a quadratic is predicted exactly
    }
  })

  it('spreads the verified points over the whole front', () => {
    const { trials } = search(cornersSetting(2, 2), 40)
    // The front is the segment between the two points: losses (t², (1 - t)²) · 0.36, t in 0..1.
    const share = trials.filter(trial => roleOf(trial) === 'front').map(({ losses }) => Math.sqrt(losses![0]! / 0.36))
    for (const target of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
      expect(Math.min(...share.map(t => Math.abs(t - target)))).toBeLessThan(0.1)
    }
  })

  it('predicts nothing outside the sampled box', () => {
    const rng = createRng(4)
    const points = Array.from({ length: 30 }, () =>
      Float64Array.of(0.2 + 0.3 * rng.uniform(), 0.5 + 0.2 * rng.uniform()),
    )
    const surrogateOf = (k: number) =>
      fitSurrogate(
        minimize(`f${k}`, 1),
        {
          points,
          values: Float64Array.from(points, u => (k === 0 ? u[0]! + u[1]! : -u[0]! - u[1]! + u[0]! ** 2)),
          examples: new Float64Array(30),
          focus: new Float64Array(30).fill(1),
        },
        { link: 'identity', model: 'auto' },
      )!
    const box = boundingBox(points)
    const front = predictedFront([surrogateOf(0), surrogateOf(1)], box, points, point => point, createRng(1))
    expect(front.length).toBeGreaterThan(10)
    for (const { point } of front) {
      for (const i of [0, 1]) {
        expect(point[i]).toBeGreaterThanOrEqual(box.low[i]!)
        expect(point[i]).toBeLessThanOrEqual(box.high[i]!)
      }
    }
    // Both losses pull to opposite corners: the front reaches them.
    expect(Math.min(...front.map(({ point }) => point[0]! - box.low[0]!))).toBeLessThan(0.01)
  })

  it('finds the minimum of one objective, at a bound too', () => {
    const { domain, objectives, evaluate, optimizer } = sphere(4)
    const inner = search({ domain, objectives, losses: evaluate }, 40).trials
    expect(Math.min(...inner.map(({ losses }) => losses![0]!))).toBeLessThan(1e-10)
    const shifted = (x: Genome) => [x.reduce((sum, v, i) => sum + (v - 3 * optimizer[i]!) ** 2, 0)]
    const best = search({ domain, objectives, losses: shifted }, 40).trials.reduce((a, b) =>
      b.losses![0]! < a.losses![0]! ? b : a,
    )
    for (const [i, v] of best.genome.entries()) expect(v).toBeCloseTo(Math.max(-4, Math.min(4, 3 * optimizer[i]!)), 5)
  })

  it('refuses to predict from noise: says so, spreads and varies instead, and gives it as the reason to stop', () => {
    const rng = createRng(9)
    const setting: Setting = {
      domain: realDomain(2, 0, 1),
      objectives: [minimize('smooth', 1), minimize('noise', 10)],
      losses: x => [x[0]!, rng.normal()],
      more: { budget: 60 },
    }
    const { trials, strategy } = search(setting, 60)
    const roles = new Set(trials.slice(30).map(roleOf))
    expect(roles).toEqual(new Set(['spread', 'variation']))
    expect(strategy.diagnostics()).toMatchObject({ refused: ['noise'] })
    expect(strategy.stopReason()?.criterion).toBe('surrogate-does-not-predict')
    expect(strategy.stopReason()?.detail).toMatch(
      /^after 60 evaluations the leave-one-out rank correlation of the surrogates is -?0\.\d\d for noise, below 0\.5; \d+ evaluations went to spread points and variations of the best instead of predicted fronts$/,
    )
  })

  it('gives no reason to stop where it predicts, or while there is budget left', () => {
    expect(search({ ...cornersSetting(2, 2), more: { budget: 30 } }, 30).strategy.stopReason()).toBeUndefined()
  })

  it('keeps away from where candidates fail', () => {
    const base = cornersSetting(2, 2)
    // The front runs from (0.2, 0.8) to (0.8, 0.2); its upper half fails.
    const setting = { ...base, losses: (x: Genome) => (x[0]! < 0.45 ? undefined : base.losses(x)) }
    const { trials } = search(setting, 60)
    const late = trials.slice(40)
    expect(late.filter(({ losses }) => losses === undefined).length).toBeLessThan(late.length / 3)
  })

  it('searches integer genes on their grid', () => {
    const genes: readonly Gene[] = [
      { kind: 'integer', name: 'a', low: 0, high: 20, initial: 3 },
      { kind: 'real', name: 'b', low: 0, high: 1, scale: 'linear', initial: 0.5 },
    ]
    const setting: Setting = {
      domain: { genes, initial: Float64Array.of(3, 0.5) },
      objectives: [minimize('f', 1)],
      losses: x => [(x[0]! / 20 - 0.63) ** 2 + (x[1]! - 0.3) ** 2],
    }
    const { trials } = search(setting, 30)
    for (const { genome } of trials) expect(Number.isInteger(genome[0])).toBe(true)
    const best = trials.reduce((a, b) => (b.losses![0]! < a.losses![0]! ? b : a))
    expect(best.genome[0]).toBe(13)
    expect(best.genome[1]).toBeCloseTo(0.3, 3)
  })

  it('goes on when a space of few points is used up', () => {
    const domain: Domain = {
      genes: [{ kind: 'integer', name: 'a', low: 0, high: 3, initial: 0 }],
      initial: Float64Array.of(0),
    }
    const { trials } = search({ domain, objectives: [minimize('f', 1)], losses: x => [x[0]!] }, 20)
    expect(trials).toHaveLength(20)
  })

  it('refuses categorical genes and empty spaces', () => {
    const method: Gene = { kind: 'categorical', name: 'method', choices: ['linear', 'ties'], initial: 0 }
    const setting = { ...cornersSetting(1, 1), domain: { genes: [method], initial: Float64Array.of(0) } }
    expect(() => create(setting)).toThrow(
      'Strategy "map" fits quadratics in numbers, but gene "method" is a choice between 2.',
    )
    expect(() => create({ ...setting, domain: { genes: [], initial: new Float64Array(0) } })).toThrow(
      'Strategy "map" needs at least one gene, got none.',
    )
    expect(() => create({ ...cornersSetting(7, 2), options: { mode: 'bayesian' } })).toThrow(
      'Strategy "map" bins directions of at most 6 genes, but the space has 7.',
    )
  })

  it('samples less where earlier runs have sampled already', () => {
    const setting = cornersSetting(3, 2)
    const prior = search(setting, 12).trials
    const { trials } = search({ ...setting, more: { prior } }, 12, 2)
    expect(trials.filter(trial => roleOf(trial) === 'sample').length).toBeLessThanOrEqual(4)
    expect(trials.filter(trial => roleOf(trial) === 'front').length).toBeGreaterThanOrEqual(8)
  })

  it('takes numbers of examples from scores only where the value is their mean', () => {
    const setting: Setting = {
      domain: realDomain(1, 0, 1),
      objectives: [maximize('accuracy', 0, 1)],
      losses: () => [-0.5],
    }
    const noiseOf = (scores: readonly number[]) => {
      const strategy = create(setting)
      for (let id = 0; id < 12; id++) {
        const [proposal] = strategy.ask(1)
        const value = id % 2 === 0 ? 0.4 : 0.6
        const exampleScores = [Float32Array.from(scores, s => s * value * 2)]
        strategy.tell([{ ...candidateOf(proposal!, id), losses: [-value], exampleScores }])
      }
      return JSON.parse(JSON.stringify(strategy.diagnostics())).objectives.accuracy.noise
    }
    expect(noiseOf([0.5, 0.5, 0.5, 0.5])).toBeGreaterThan(0.5)
    expect(noiseOf([0.9, 0.9])).toBe(0)
  })

  it('nests by itself where the sources are too many for the budget', () => {
    const domain = realDomain(12, 0, 1, new Float64Array(12).fill(1 / 12))
    const objectives = Array.from({ length: 12 }, (_, k) => minimize(`task${k}`, 1, 0))
    const losses = (x: Genome) =>
      objectives.map((_, k) => x.reduce((s, v, i) => s + (v - (i === k ? 0.8 : 0)) ** 2, 0) / 12)
    const modeAt = (budget: number) => create({ domain, objectives, losses, more: { budget } }).diagnostics().mode
    expect([100, 200, 250].map(modeAt)).toEqual(['plain', 'nested', 'plain'])
    const { trials } = search({ domain, objectives, losses, more: { budget: 200 } }, 110)
    expect(trials.slice(0, 80).every(trial => roleOf(trial) === 'sample')).toBe(true)
    expect(trials.slice(101).some(trial => roleOf(trial) === 'front')).toBe(true)
  })
})

describe('spreadOverFront', () => {
  const front = Array.from({ length: 11 }, (_, i) => ({
    point: Float64Array.of(i / 10),
    losses: [i / 10, 1 - i / 10],
  }))

  it('picks the points that leave the least of the front uncovered', () => {
    const chosen = spreadOverFront(front, [[2, 2]], [3, 3], 1, () => true)
    expect(chosen.map(({ point }) => point[0])).toEqual([0.5])
    const more = spreadOverFront(front, [[0.5, 0.5]], [3, 3], 2, () => true)
    const places = more.map(({ point }) => point[0]!)
    expect(Math.min(...places)).toBeLessThan(0.3)
    expect(Math.max(...places)).toBeGreaterThan(0.7)
  })

  it('passes over points beyond the reference and points that may not be proposed', () => {
    const chosen = spreadOverFront(front, [[2, 2]], [0.45, 3], 20, point => point[0] !== 0.1)
    expect(chosen.map(({ point }) => point[0]).sort()).toEqual([0, 0.2, 0.3, 0.4])
  })

  it('stops where everything is covered', () => {
    expect(spreadOverFront(front, [[0, 0]], [3, 3], 5, () => true)).toEqual([])
  })
})
