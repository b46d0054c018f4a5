import { describe, expect, it } from 'vitest'
import { dominates, nonDominatedSort } from '../../../src/archive/dominance.ts'
import { createRng } from '../../../src/rng.ts'
import { EMPTY_NSGA3_MEMORY, selectNsga3 } from '../../../src/strategies/evolution/nsga3-selection.ts'
import { referenceDirections } from '../../../src/strategies/evolution/reference-directions.ts'

const cloud = (n: number, m: number, seed: number): number[][] => {
  const rng = createRng(seed)
  return Array.from({ length: n }, () => Array.from({ length: m }, () => rng.uniform()))
}

describe('selectNsga3', () => {
  it('takes whole fronts first, and as many points as asked for', () => {
    for (const m of [1, 2, 3, 5]) {
      const losses = cloud(60, m, m)
      const directions = referenceDirections(m, 30)
      const { survivors, niches } = selectNsga3(losses, 30, directions, EMPTY_NSGA3_MEMORY, createRng(1))
      expect(new Set(survivors).size).toBe(30)
      expect(niches).toHaveLength(30)
      const ranks = new Map(nonDominatedSort(losses).flatMap((front, rank) => front.map(i => [i, rank])))
      const worst = Math.max(...survivors.map(i => ranks.get(i)!))
      for (const [i, rank] of ranks) if (rank < worst) expect(survivors).toContain(i)
    }
  })

  it('takes all where there are not more than asked for', () => {
    const { survivors } = selectNsga3(cloud(5, 3, 1), 9, referenceDirections(3, 10), EMPTY_NSGA3_MEMORY, createRng(1))
    expect([...survivors].sort()).toEqual([0, 1, 2, 3, 4])
    const none = selectNsga3([], 9, referenceDirections(3, 10), EMPTY_NSGA3_MEMORY, createRng(1))
    expect(none.survivors).toEqual([])
  })

  it('fills every niche of a dense flat front with the point next to its direction', () => {
    const directions = referenceDirections(3, 15)
    // Each direction's own point, and two further from it, on the plane where the losses sum to 1.
    const losses = directions.flatMap(w => [
      [...w],
      [w[0]! + 0.02, w[1]! - 0.02, w[2]!],
      [w[0]!, w[1]! + 0.03, w[2]! - 0.03],
    ])
    const inside = losses.filter(point => Math.min(...point) >= 0)
    const { survivors } = selectNsga3(inside, 15, directions, EMPTY_NSGA3_MEMORY, createRng(1))
    expect(survivors.map(i => inside[i]!.join()).sort()).toEqual(directions.map(w => w.join()).sort())
  })

  it('chooses the same whatever the units of the losses', () => {
    const losses = cloud(80, 3, 7)
    const scaled = losses.map(([a, b, c]) => [1024 * a! + 512, b! / 1024, c! * 2 ** -20 - 8])
    const directions = referenceDirections(3, 28)
    const one = selectNsga3(losses, 28, directions, EMPTY_NSGA3_MEMORY, createRng(3))
    const other = selectNsga3(scaled, 28, directions, EMPTY_NSGA3_MEMORY, createRng(3))
    expect(other.survivors).toEqual(one.survivors)
  })

  it('remembers ideal, worst and extreme points from one selection to the next', () => {
    const directions = referenceDirections(2, 5)
    const first = selectNsga3(
      [
        [0, 4],
        [4, 0],
        [9, 9],
      ],
      3,
      directions,
      EMPTY_NSGA3_MEMORY,
      createRng(1),
    )
    expect(first.memory).toEqual({
      ideal: [0, 0],
      worst: [9, 9],
      extremes: [
        [4, 0],
        [0, 4],
      ],
    })
    const second = selectNsga3(
      [
        [1, 2],
        [2, 1],
      ],
      2,
      directions,
      first.memory,
      createRng(1),
    )
    expect(second.memory).toEqual(first.memory)
  })

  it('stands points that are all equal, and a single objective', () => {
    const equal = Array.from({ length: 8 }, () => [1, 1, 1])
    const { survivors } = selectNsga3(equal, 4, referenceDirections(3, 6), EMPTY_NSGA3_MEMORY, createRng(1))
    expect(survivors).toHaveLength(4)
    const single = selectNsga3([[3], [1], [2]], 2, referenceDirections(1, 6), EMPTY_NSGA3_MEMORY, createRng(1))
    expect(single.survivors).toEqual([1, 2])
  })

  it('never keeps a point and drops one that dominates it', () => {
    const losses = cloud(50, 2, 9)
    const { survivors } = selectNsga3(losses, 20, referenceDirections(2, 20), EMPTY_NSGA3_MEMORY, createRng(1))
    const kept = new Set(survivors)
    for (const i of survivors)
      for (let j = 0; j < 50; j++) if (dominates(losses[j]!, losses[i]!)) expect(kept.has(j)).toBe(true)
  })
})
