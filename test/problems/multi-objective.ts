import type { Gene } from '../../src/candidate.ts'
import { minimize, realDomain, type TestProblem } from './problem.ts'

/**
 * ZDT1 (E. Zitzler, K. Deb, L. Thiele, Evolutionary Computation 8(2), 2000): two objectives on [0, 1]^d, d >= 2; front
 * f2 = 1 - sqrt(f1) where x_1 ... x_{d-1} are 0. Hypervolume of the front against (1.1, 1.1): 1.21 - 1/3 = 0.87667.
 */
export function zdt1(d: number): TestProblem {
  const optimizer = new Float64Array(d)
  optimizer[0] = 0.25
  return {
    name: `ZDT1, d = ${d}`,
    domain: realDomain(d, 0, 1),
    objectives: [minimize('f1', 1.1, 0), minimize('f2', 1.1, 0)],
    optimizer,
    optimum: [0.25, 0.5],
    evaluate: x => {
      const g = 1 + (9 * x.subarray(1).reduce((sum, v) => sum + v, 0)) / (d - 1)
      return [x[0]!, g * (1 - Math.sqrt(x[0]! / g))]
    },
  }
}

/**
 * DTLZ2 (K. Deb, L. Thiele, M. Laumanns, E. Zitzler, CEC 2002) with m objectives on [0, 1]^d, d >= m: the front is the part of the
 * unit sphere in the positive orthant, reached where x_{m-1} ... x_{d-1} are 0.5.
 */
export function dtlz2(d: number, m: number): TestProblem {
  const optimizer = new Float64Array(d).fill(0.5)
  const evaluate = (x: Float64Array): number[] => {
    const g = x.subarray(m - 1).reduce((sum, v) => sum + (v - 0.5) ** 2, 0)
    return Array.from({ length: m }, (_, i) => {
      let value = 1 + g
      for (let j = 0; j < m - 1 - i; j++) value *= Math.cos((x[j]! * Math.PI) / 2)
      if (i > 0) value *= Math.sin((x[m - 1 - i]! * Math.PI) / 2)
      return value
    })
  }
  return {
    name: `DTLZ2, d = ${d}, m = ${m}`,
    domain: realDomain(d, 0, 1),
    objectives: Array.from({ length: m }, (_, i) => minimize(`f${i + 1}`, 1.1, 0)),
    optimizer,
    optimum: evaluate(optimizer),
    evaluate,
  }
}

/** Squared distances to m corners of the unit cube: every point of their convex hull is on the front. Any d >= 1, any m >= 1. */
export function corners(d: number, m: number): TestProblem {
  const domain = realDomain(d, 0, 1)
  const evaluate = (x: Float64Array): number[] =>
    Array.from(
      { length: m },
      (_, k) => x.reduce((sum, v, i) => sum + (v - ((i + k) % 2 === 0 ? 0.2 : 0.8)) ** 2, 0) / d,
    )
  return {
    name: `distances to ${m} points, d = ${d}`,
    domain,
    objectives: Array.from({ length: m }, (_, k) => minimize(`distance${k}`, 1, 0)),
    optimizer: domain.initial,
    optimum: evaluate(domain.initial),
    evaluate,
  }
}

/** Every kind of gene, a log scale and a condition: which method, and for one of them a density. */
export function mixed(): TestProblem {
  const genes: readonly Gene[] = [
    { kind: 'categorical', name: 'method', choices: ['linear', 'ties', 'dare'], initial: 0 },
    { kind: 'real', name: 'weight', low: -1, high: 2, scale: 'linear', initial: 0.5 },
    { kind: 'integer', name: 'layer', low: 3, high: 9, initial: 4 },
    { kind: 'real', name: 'rate', low: 1e-4, high: 1, scale: 'log', initial: 1e-2 },
    {
      kind: 'real',
      name: 'density',
      low: 0.1,
      high: 1,
      scale: 'linear',
      initial: 1,
      activeWhen: { gene: 'method', oneOf: [1, 2] },
    },
  ]
  const evaluate = (x: Float64Array): number[] => [
    (x[0] === 1 ? 0 : 0.5) +
      (x[1]! - 0.7) ** 2 +
      (x[2]! - 6) ** 2 / 9 +
      (Math.log10(x[3]!) + 2) ** 2 +
      (x[0] === 0 ? 0 : (x[4]! - 0.6) ** 2),
  ]
  const optimizer = Float64Array.of(1, 0.7, 6, 0.01, 0.6)
  return {
    name: 'mixed genes',
    domain: { genes, initial: Float64Array.from(genes, gene => gene.initial) },
    objectives: [minimize('distance', 10, 0)],
    optimizer,
    optimum: [0],
    evaluate,
  }
}
