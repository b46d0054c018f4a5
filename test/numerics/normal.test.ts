import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  erfc,
  erfcx,
  inverseMillsRatio,
  log1mexp,
  logH,
  logHSlope,
  normalCdf,
  normalLogCdf,
  normalPdf,
  normalQuantile,
} from '../../src/numerics/normal.ts'

const table = z.array(z.tuple([z.number(), z.number()]))
const gold = z
  .strictObject({ erfc: table, erfcx: table, cdf: table, logCdf: table, quantile: table, logH: table })
  .parse(JSON.parse(readFileSync(new URL('../fixtures/numerics/normal.json', import.meta.url), 'utf8')))

function relativeError(actual: number, expected: number): number {
  return actual === expected ? 0 : Math.abs(actual - expected) / Math.max(Math.abs(expected), Number.MIN_VALUE)
}

describe('the normal distribution agrees with 60-digit arithmetic', () => {
  const cases: readonly [string, (x: number) => number, z.infer<typeof table>, number][] = [
    ['erfc', erfc, gold.erfc, 3e-15],
    ['erfcx', erfcx, gold.erfcx, 3e-15],
    ['normalCdf', normalCdf, gold.cdf, 3e-15],
    ['normalLogCdf', normalLogCdf, gold.logCdf, 3e-15],
    ['normalQuantile', normalQuantile, gold.quantile, 1e-14],
    ['logH', logH, gold.logH, 1e-12],
  ]
  for (const [name, f, rows, limit] of cases) {
    it(`${name} to ${limit}`, () => {
      expect(rows.length).toBeGreaterThan(15)
      for (const [x, expected] of rows) expect(relativeError(f(x), expected), `${name}(${x})`).toBeLessThan(limit)
    })
  }
})

describe('the normal distribution', () => {
  it('has an inverse Mills ratio that is the slope of log Φ, also where Φ underflows', () => {
    expect(inverseMillsRatio(0)).toBeCloseTo(Math.sqrt(2 / Math.PI), 14)
    for (const x of [-30, -3, -0.5, 1, 4]) {
      const slope = (normalLogCdf(x + 1e-5) - normalLogCdf(x - 1e-5)) / 2e-5
      expect(inverseMillsRatio(x)).toBeCloseTo(slope, 5)
    }
    // φ(x) / Φ(x) → -x - 1/x
    expect(inverseMillsRatio(-1000)).toBeCloseTo(1000.001, 6)
  })

  it('has quantiles that invert the distribution function', () => {
    const level = fc.double({ min: 1e-12, max: 1 - 1e-12, noNaN: true })
    fc.assert(fc.property(level, p => relativeError(normalCdf(normalQuantile(p)), p) < 1e-13))
    expect([normalQuantile(0), normalQuantile(1), normalQuantile(-1)]).toEqual([-Infinity, Infinity, Number.NaN])
  })

  it('has a density that is the slope of the distribution function', () => {
    for (const x of [-6, -2.5, -0.3, 0, 1.1, 4]) {
      const step = 1e-5
      const slope = (normalCdf(x + step) - normalCdf(x - step)) / (2 * step)
      expect(relativeError(slope, normalPdf(x))).toBeLessThan(1e-6)
    }
  })

  it('has a slope of log h that agrees with differences, far into the tail', () => {
    for (const u of [-1e7, -1e4, -50, -20.01, -19.99, -3, -1.0005, -0.9995, -0.2, 0.5, 3, 30]) {
      const step = Math.abs(u) > 100 ? -1e-3 * u : 1e-5 * Math.max(1, Math.abs(u))
      const slope = (logH(u + step) - logH(u - step)) / (2 * step)
      expect(relativeError(logHSlope(u, logH(u)), slope), `u = ${u}`).toBeLessThan(1e-6)
    }
  })

  it('takes log(1 - exp(x)) without cancellation at both ends', () => {
    expect(log1mexp(-1e-20)).toBeCloseTo(Math.log(1e-20), 12)
    expect(relativeError(log1mexp(-50), -Math.exp(-50))).toBeLessThan(1e-15)
    expect(relativeError(log1mexp(-Math.LN2), -Math.LN2)).toBeLessThan(1e-15)
  })
})
