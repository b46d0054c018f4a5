import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { tournamentWinners } from '../../../src/strategies/evolution/mating.ts'

describe('tournamentWinners', () => {
  it('lets all members compete equally often: with an order among them, each round of n tournaments has two of the best', () => {
    const n = 20
    for (const seed of [1, 2, 3]) {
      const winners = tournamentWinners(n, (first, second) => second < first, createRng(seed))
      for (let round = 0; round < 50; round++) {
        const wins = new Array<number>(n).fill(0)
        for (let k = 0; k < n; k++) wins[winners.next().value]!++
        expect(wins[0]).toBe(2)
        expect(wins[n - 1]).toBe(0)
        expect(Math.max(...wins)).toBe(2)
      }
    }
  })

  it('never pits a member against itself inside a round, so two parents drawn in a row differ', () => {
    for (const n of [4, 5, 9]) {
      const winners = tournamentWinners(n, () => false, createRng(n))
      expect(winners.next().value).not.toBe(winners.next().value)
    }
  })

  it('without an order all win as often in the long run, and a single member always wins', () => {
    const winners = tournamentWinners(5, () => false, createRng(4))
    const wins = new Array<number>(5).fill(0)
    for (let k = 0; k < 5000; k++) wins[winners.next().value]!++
    for (const count of wins) expect(Math.abs(count - 1000)).toBeLessThan(100)
    expect(tournamentWinners(1, () => true, createRng(1)).next().value).toBe(0)
  })
})
