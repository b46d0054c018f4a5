import { describe, expect, it } from 'vitest'
import { Observations } from '../../src/strategies/observations.ts'
import type { ToldTrial } from '../../src/strategies/strategy.ts'

const trial = (id: number, losses: readonly number[] | undefined): ToldTrial => ({
  id,
  genome: Float64Array.of(id),
  parents: [],
  memo: null,
  losses,
})

function filled(losses: readonly (readonly number[] | undefined)[], limit = 100, m = 1): Observations {
  const observations = new Observations(1, m, limit)
  for (const [id] of losses.entries()) observations.ask(Float64Array.of(id))
  observations.tell(losses.map((row, id) => trial(id, row)))
  return observations
}

describe('observations', () => {
  it('are in ask order, whatever the order of tells, after those of earlier runs', () => {
    const observations = new Observations(1, 1, 100)
    observations.addPrior([trial(7, [1]), trial(3, [2])])
    for (let id = 0; id < 4; id++) observations.ask(Float64Array.of(id))
    observations.tell([trial(3, [5]), trial(0, [6])])
    observations.tell([trial(2, undefined)])
    expect(observations.kept.map(entry => entry.id)).toEqual([-2, -1, 0, 2, 3])
    expect(observations.kept.map(entry => entry.losses?.[0])).toEqual([1, 2, 6, undefined, 5])
    expect(observations.pending.map(genome => genome[0])).toEqual([1])
    expect([observations.asked, observations.told]).toEqual([4, 3])
  })

  it('refuse an id twice, and one never asked for', () => {
    const observations = filled([[1]])
    const message = 'Expected the id of a candidate asked for and not yet told, got'
    expect(() => observations.tell([trial(0, [1])])).toThrow(`${message} 0.`)
    expect(() => observations.tell([trial(9, [1])])).toThrow(`${message} 9.`)
  })

  it('count losses that are not finite as failed', () => {
    expect(filled([[Number.NaN], [Number.POSITIVE_INFINITY], [1]]).kept.map(entry => entry.losses)).toEqual([
      undefined,
      undefined,
      [1],
    ])
  })

  it('keep the best half of the limit and the newest others', () => {
    // The best are the oldest; 26 trials are one more than a quarter over the limit of 20.
    const observations = filled(
      Array.from({ length: 26 }, (_, id) => [id]),
      20,
    )
    observations.limit()
    expect(observations.kept.map(entry => entry.id)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    ])
  })

  it('leave everything until a quarter more than the limit is there', () => {
    const observations = filled(
      Array.from({ length: 25 }, (_, id) => [id]),
      20,
    )
    observations.limit()
    expect(observations.kept).toHaveLength(25)
  })

  it('keep non-dominated trials of several objectives before dominated ones, and failed ones last', () => {
    const losses = Array.from({ length: 26 }, (_, id) =>
      id < 10 ? [id, 9 - id] : id === 25 ? undefined : [20, 20 + id],
    )
    const observations = filled(losses, 20, 2)
    observations.limit()
    expect(observations.kept.map(entry => entry.id).slice(0, 10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('come back from their snapshot', () => {
    const observations = filled([[1, 2], undefined, [3, Number.MIN_VALUE]], 10, 2)
    observations.ask(Float64Array.of(-0))
    const state = JSON.parse(JSON.stringify(observations.snapshot()))
    const restored = Observations.restore(state, 1, 2, 10)
    expect(restored.snapshot()).toEqual(observations.snapshot())
    expect(restored.kept).toEqual(observations.kept)
    expect(Object.is(restored.pending[0]![0], -0)).toBe(true)
  })

  it('refuse a snapshot of another shape', () => {
    const state = filled([[1], [2], [3]]).snapshot()
    expect(() => Observations.restore(state, 2, 1, 10)).toThrow('Expected rows of 2 numbers, got 3 in all.')
    expect(() => Observations.restore({ ...state, ids: [0] }, 1, 1, 10)).toThrow(
      'Expected 1 genomes and losses, got 3 and 3.',
    )
  })
})
