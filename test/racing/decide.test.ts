import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Trial } from '../../src/candidate.ts'
import type { Objective } from '../../src/objective.ts'
import { decideRace } from '../../src/racing/decide.ts'
import { RaceHistory, type RaceView } from '../../src/racing/history.ts'
import { rungSizes } from '../../src/racing/rungs.ts'
import { createRng, type Rng } from '../../src/rng.ts'
import { scored } from '../helpers/trials.ts'

const ALPHA = 0.05
const N = 400
const OBJECTIVES: readonly Objective[] = ['a', 'b', 'c'].map(name => ({
  name,
  direction: 'maximize',
  unit: 'accuracy, 0..1',
  reference: 0,
  ideal: 1,
  perExample: { low: 0, high: 1 },
}))
const COUNTS = OBJECTIVES.map(() => N)

/** N answers of which the share `accuracy` is right, spread evenly, so that each half holds half of them. */
const even = (accuracy: number): Float32Array =>
  Float32Array.from({ length: N }, (_, j) => Math.floor((j + 1) * accuracy) - Math.floor(j * accuracy))
const drawn = (rng: Rng, accuracy: number): Float32Array =>
  Float32Array.from({ length: N }, () => (rng.uniform() < accuracy ? 1 : 0))
const meanOf = (scores: Float32Array): number => scores.reduce((sum, score) => sum + score, 0) / scores.length

/** What is known once `finished` candidates, each with its scores objective by objective, have been scored on everything. */
function viewOf(finished: readonly (readonly Float32Array[])[], reach: number, objectives = OBJECTIVES): RaceView {
  const sizes = rungSizes(
    objectives.map(() => N),
    2,
  )
  const history = new RaceHistory(objectives, 'worst', sizes, 1 / 4)
  for (const [id, scores] of finished.entries()) {
    const trial: Trial = {
      id,
      genome: Float64Array.of(0),
      parents: [],
      memo: null,
      evaluation: scored(scores.map(meanOf), scores),
    }
    history.tell(trial)
  }
  return { ...history.asked(1), reach }
}

function decided(
  scores: readonly Float32Array[],
  seen: number,
  view: RaceView,
  { isFirst = false, objectives = OBJECTIVES, rung = 3 } = {},
) {
  const exampleScores = scores.map(all => all.subarray(0, seen))
  const standing = { rung, values: exampleScores.map(meanOf), exampleScores, counts: scores.map(() => N), isFirst }
  return decideRace(standing, view, objectives, 'worst', { alpha: ALPHA })
}

const answers = fc.array(
  fc.integer({ min: 0, max: 1e9 }).map(seed => drawn(createRng(seed), (seed % 9) / 10 + 0.1)),
  { minLength: 3, maxLength: 3 },
)

describe('a candidate that has seen some of the examples', () => {
  it('is never stopped while it is the only one', () => {
    fc.assert(
      fc.property(answers, fc.integer({ min: 20, max: N - 1 }), fc.nat(3), (scores, seen, rung) => {
        expect(decided(scores, seen, viewOf([], 0), { isFirst: true, rung })).toBeUndefined()
      }),
    )
  })

  it('is never found dominated by one that it equals or betters on every example', () => {
    fc.assert(
      fc.property(answers, answers, fc.integer({ min: 20, max: N - 1 }), (scores, other, seen) => {
        const lower = scores.map((own, i) => own.map((score, j) => Math.min(score, other[i]![j]!)))
        expect(decided(scores, seen, viewOf([lower], 4))).toBeUndefined()
      }),
    )
  })

  it('meets the same fate in whatever order objectives and finished candidates come', () => {
    const finished = fc.array(answers, { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(answers, finished, fc.integer({ min: 20, max: N - 1 }), fc.nat(4), (scores, others, seen, reach) => {
        const fate = decided(scores, seen, viewOf(others, reach))
        expect(decided(scores, seen, viewOf([...others].reverse(), reach))).toBe(fate)
        const turned = (rows: readonly Float32Array[]): Float32Array[] => [rows[1]!, rows[2]!, rows[0]!]
        expect(decided(turned(scores), seen, viewOf(others.map(turned), reach))).toBe(fate)
      }),
      { seed: 5 }, // two finished ones that lead by exactly as much are told apart by their order
    )
  })

  it('is found dominated by its equal in at most a share alpha of cases, looked at after every rung', () => {
    const rng = createRng(6)
    const runs = 400
    let alarms = 0
    for (let run = 0; run < runs; run++) {
      const [own, other] = [0, 1].map(() => COUNTS.map(() => drawn(rng, 0.7)))
      const view = viewOf([other!], 4)
      if ([25, 50, 100, 200].some(seen => decided(own!, seen, view) === 'dominated')) alarms++
    }
    expect(alarms).toBeLessThan(runs * ALPHA + 3.72 * Math.sqrt(runs * ALPHA * (1 - ALPHA)))
  })

  it('is found dominated soon by one that is much better in everything, and by no two that share that', () => {
    const poor = COUNTS.map(() => even(0.3))
    expect(decided(poor, 100, viewOf([COUNTS.map(() => even(0.8))], 4))).toBe('dominated')
    const specialists = [
      [even(0.8), even(0.8), even(0.3)],
      [even(0.3), even(0.8), even(0.8)],
    ]
    expect(decided(poor, 100, viewOf(specialists, 4))).toBeUndefined()
  })
})

describe('a candidate that has come as far as those asked for with it', () => {
  const view = viewOf([COUNTS.map(() => even(0.5))], 3)

  it('goes on where its worst objective seems better than that of all others, by however little', () => {
    expect(
      decided(
        COUNTS.map(() => even(0.51)),
        200,
        view,
      ),
    ).toBeUndefined()
    expect(
      decided(
        COUNTS.map(() => even(0.49)),
        200,
        view,
      ),
    ).toBe('outranked')
  })

  it('extends the front only by more than a standard error of the difference', () => {
    // Half of 400 seen: each of the two errors is about √(¼ / 400) = 0.025, less where the answers agree, and both 0.035.
    expect(decided([even(0.52), even(0.4), even(0.4)], 200, view)).toBe('outranked')
    expect(decided([even(0.6), even(0.4), even(0.4)], 200, view)).toBeUndefined()
  })

  it('needs no margin in an objective that is known exactly', () => {
    const size: Objective = { name: 'size', direction: 'minimize', unit: 'bytes', reference: 100, ideal: 0 }
    const objectives = [OBJECTIVES[0]!, size]
    const history = new RaceHistory(objectives, 'worst', rungSizes([N, 0], 2), 1 / 4)
    const none = new Float32Array()
    history.tell({
      id: 0,
      genome: Float64Array.of(0),
      parents: [],
      memo: null,
      evaluation: scored([0.5, 50], [even(0.5), none]),
    })
    const known = { ...history.asked(1), reach: 3 }
    const fate = (bytes: number) => {
      const exampleScores = [even(0.45).subarray(0, 200), none]
      const standing = { rung: 3, values: [0.45, bytes], exampleScores, counts: [N, 0], isFirst: false }
      return decideRace(standing, known, objectives, 'worst', { alpha: ALPHA })
    }
    expect(fate(49)).toBeUndefined()
    expect(fate(50)).toBe('outranked')
  })
})
