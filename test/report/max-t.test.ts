import { describe, expect, it } from 'vitest'
import { choleskySemidefinite, packedOffset } from '../../src/numerics/cholesky.ts'
import { maxTQuantile } from '../../src/report/max-t.ts'
import { createRng } from '../../src/rng.ts'

const identity = (n: number): Float64Array => {
  const packed = new Float64Array(packedOffset(n))
  for (let i = 0; i < n; i++) packed[packedOffset(i) + i] = 1
  return packed
}
const everyone = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

describe('maxTQuantile', () => {
  // H. L. Harter, "Tables of range and studentized range", Ann. Math. Statist. 31, 1960: q.95(k, ν), over √2.
  it.each([
    [2, 10, 3.151],
    [3, 10, 3.877],
    [3, 60, 3.399],
    [5, 20, 4.232],
    [10, 30, 4.824],
    [10, 1e9, 4.474],
    [20, 1e9, 5.012],
  ])('is the studentized range of %i independent estimates with %i degrees of freedom', (k, nu, q) => {
    const found = maxTQuantile({ covariance: identity(k), owner: everyone(k), nu }, createRng(5).split(`${k} ${nu}`))
    expect(Math.abs((found * Math.SQRT2) / q - 1)).toBeLessThan(0.03)
  })

  it('takes correlation into account: with estimates that move together in two blocks it is that of two', () => {
    const owner = everyone(8)
    const covariance = new Float64Array(packedOffset(8))
    for (let a = 0, at = 0; a < 8; a++) for (let b = 0; b <= a; b++, at++) covariance[at] = (a - b) % 2 === 0 ? 1 : 0
    const blocks = maxTQuantile({ covariance, owner, nu: 1e9 }, createRng(3))
    expect(Math.abs(blocks - 1.96)).toBeLessThan(0.08)
    expect(maxTQuantile({ covariance: identity(8), owner, nu: 1e9 }, createRng(3))).toBeGreaterThan(2.9)
  })

  it('leaves out differences inside one owner, and is 0 where nothing is left', () => {
    const covariance = identity(4)
    const rng = () => createRng(9)
    const two = maxTQuantile({ covariance, owner: [0, 0, 1, 1], nu: 1e9 }, rng())
    expect(two).toBeLessThan(maxTQuantile({ covariance, owner: everyone(4), nu: 1e9 }, rng()))
    expect(maxTQuantile({ covariance, owner: [0, 0, 0, 0], nu: 1e9 }, rng())).toBe(0)
    expect(maxTQuantile({ covariance: new Float64Array(packedOffset(4)), owner: everyone(4), nu: 9 }, rng())).toBe(0)
  })

  it('is a function of the seed', () => {
    const of = (seed: number) => maxTQuantile({ covariance: identity(5), owner: everyone(5), nu: 30 }, createRng(seed))
    expect(of(1)).toBe(of(1))
    expect(of(1)).not.toBe(of(2))
  })
})

describe('choleskySemidefinite', () => {
  it('factors singular covariances: L Lᵀ is the matrix', () => {
    const rng = createRng(4)
    const [n, rank] = [9, 4]
    const rows = Array.from({ length: n }, () => Array.from({ length: rank }, () => rng.normal()))
    rows[5] = [...rows[2]!]
    rows[7] = rows[7]!.map(() => 0)
    const product = (x: readonly number[], y: readonly number[]) => x.reduce((sum, v, i) => sum + v * y[i]!, 0)
    const packed = Float64Array.from(rows.flatMap((row, i) => rows.slice(0, i + 1).map(other => product(row, other))))
    const l = Float64Array.from(packed)
    choleskySemidefinite(l, n)
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let sum = 0
        for (let k = 0; k <= j; k++) sum += l[packedOffset(i) + k]! * l[packedOffset(j) + k]!
        expect(sum).toBeCloseTo(packed[packedOffset(i) + j]!, 9)
      }
  })
})
