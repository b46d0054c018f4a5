import { describe, expect, it } from 'vitest'
import { CornerSearch } from '../../../src/strategies/cma-es/corner-search.ts'

const certainty = Float64Array.of(4, 1, 3, 2)
const nowhere = { corner: undefined, certainty }

/** Scores what is invited until nothing is; @returns the corners generation by generation. */
function play(search: CornerSearch, loss: (corner: string) => number, heading: string, places = 2): string[][] {
  const generations: string[][] = []
  let best = Number.POSITIVE_INFINITY
  for (;;) {
    const corners = search.invite({ corner: heading, certainty }, best, places)
    if (corners.length === 0) return generations
    generations.push([...corners])
    best = Math.min(best, ...corners.map(loss))
    search.hear(corners.map(loss))
  }
}
const distance = (corner: string, goal: string): number => [...corner].filter((digit, i) => digit !== goal[i]).length

describe('the search among corners', () => {
  it('flips every coordinate once, the least certain first, and joins what was better', () => {
    const generations = play(new CornerSearch(), corner => distance(corner, '0101'), '0000')
    expect(generations).toEqual([['0000'], ['0100', '0001'], ['0101', '0111', '1101']])
  })

  it('takes a step by itself where only one flip was better', () => {
    const generations = play(new CornerSearch(), corner => distance(corner, '0100'), '0000')
    expect(generations).toEqual([['0000'], ['0100', '0001'], ['0110', '1100']])
  })

  it('stays with the corner where joining is worse', () => {
    const loss = (corner: string): number => (corner === '0101' ? 9 : distance(corner, '0101'))
    const generations = play(new CornerSearch(), loss, '0000')
    expect(generations.at(-1)).toEqual(['0101', '0111', '1101'])
  })

  it('scores nothing but new headings while another candidate is ahead', () => {
    const search = new CornerSearch()
    expect(search.invite({ corner: '0000', certainty }, -1, 2)).toEqual(['0000'])
    search.hear([5])
    expect(search.invite({ corner: '0000', certainty }, -1, 2)).toEqual([])
    expect(search.invite(nowhere, -1, 2)).toEqual([])
    expect(search.invite({ corner: '0010', certainty }, -1, 2)).toEqual(['0010'])
  })

  it('tries first what the heading disagrees about', () => {
    const search = new CornerSearch()
    search.invite({ corner: '0000', certainty }, 9, 1)
    search.hear([1])
    expect(search.invite({ corner: '1000', certainty }, 1, 1)).toEqual(['1000'])
  })

  it('ends after thirty headings and a hundred flips', () => {
    const search = new CornerSearch()
    const wide = new Float64Array(200).fill(1)
    let headings = 0
    for (let k = 0; k < 200; k++) {
      const corner = `${'0'.repeat(k)}1${'0'.repeat(199 - k)}`
      const invited = search.invite({ corner, certainty: wide }, -1, 10)
      headings += invited.length
      search.hear(invited.map(() => 5 + k))
    }
    expect(headings).toBe(30)
    let flips = 0
    for (let k = 0; k < 50; k++) {
      const invited = search.invite({ corner: undefined, certainty: wide }, 5, 10)
      flips += invited.length
      search.hear(invited.map(() => 6))
    }
    expect(flips).toBe(100)
  })

  it('passes over failures', () => {
    const search = new CornerSearch()
    search.invite({ corner: '0000', certainty }, 9, 2)
    search.hear([Number.POSITIVE_INFINITY])
    expect(search.invite(nowhere, 9, 2)).toEqual([])
  })

  it('goes on from a snapshot as it would have', () => {
    const uninterrupted = new CornerSearch()
    let restored = new CornerSearch()
    const loss = (corner: string): number => distance(corner, '0101')
    let best = Number.POSITIVE_INFINITY
    for (let generation = 0; generation < 4; generation++) {
      const corners = uninterrupted.invite({ corner: '0000', certainty }, best, 2)
      expect(restored.invite({ corner: '0000', certainty }, best, 2)).toEqual(corners)
      restored = CornerSearch.restore(JSON.parse(JSON.stringify(restored.snapshot())))
      best = Math.min(best, ...corners.map(loss))
      uninterrupted.hear(corners.map(loss))
      restored.hear(corners.map(loss))
      restored = CornerSearch.restore(JSON.parse(JSON.stringify(restored.snapshot())))
    }
    expect(restored.snapshot()).toEqual(uninterrupted.snapshot())
  })
})
