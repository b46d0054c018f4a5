import { createRng } from '../../src/rng.ts'
import { maximize, minimize, realDomain, type TestProblem } from './problem.ts'

/** Σ (x_i - optimizer_i)². The optimum lies off the centre, where a bias towards the middle would not find it. */
export function sphere(d: number): TestProblem {
  const optimizer = Float64Array.from({ length: d }, (_, i) => ((i * 7) % 5) - 1.5)
  return {
    name: `sphere, d = ${d}`,
    domain: realDomain(d, -4, 4),
    objectives: [minimize('sphere', 100, 0)],
    optimizer,
    optimum: [0],
    evaluate: x => [x.reduce((sum, v, i) => sum + (v - optimizer[i]!) ** 2, 0)],
  }
}

/** Σ 10^(6 i / (d - 1)) (R (x - optimizer))_i² with a fixed random rotation R: condition number 10^6, not separable. */
export function ellipsoid(d: number): TestProblem {
  const rotation = randomRotation(d, 7)
  const optimizer = Float64Array.from({ length: d }, (_, i) => ((i * 7) % 5) - 1.5)
  return {
    name: `rotated ellipsoid, d = ${d}`,
    domain: realDomain(d, -4, 4),
    objectives: [minimize('ellipsoid', 1e6, 0)],
    optimizer,
    optimum: [0],
    evaluate: x => {
      let sum = 0
      for (let i = 0; i < d; i++) {
        let y = 0
        for (let j = 0; j < d; j++) y += rotation[i]![j]! * (x[j]! - optimizer[j]!)
        sum += 10 ** ((6 * i) / Math.max(1, d - 1)) * y * y
      }
      return [sum]
    },
  }
}

/** Σ 100 (x_{i+1} - x_i²)² + (1 - x_i)²: a curved valley to (1, ..., 1). From d = 4 on with a second, local optimum near (-1, 1, ..., 1). */
export function rosenbrock(d: number): TestProblem {
  return {
    name: `Rosenbrock, d = ${d}`,
    domain: realDomain(d, -4, 4, new Float64Array(d)),
    objectives: [minimize('rosenbrock', 1e4, 0)],
    optimizer: new Float64Array(d).fill(1),
    optimum: [0],
    evaluate: x => {
      let sum = 0
      for (let i = 0; i + 1 < d; i++) sum += 100 * (x[i + 1]! - x[i]! ** 2) ** 2 + (1 - x[i]!) ** 2
      return [sum]
    },
  }
}

/**
 * What an accuracy looks like: the share of `examples` whose own quadratic margin is positive, so it comes in steps of
 * 1 / examples and has plateaus everywhere. All examples are right within a small ball around the optimizer.
 */
export function stepwiseAccuracy(d: number, examples: number): TestProblem {
  const rng = createRng(11)
  const optimizer = Float64Array.from({ length: d }, () => 0.25 + 0.5 * rng.uniform())
  const centres = Array.from({ length: examples }, () => optimizer.map(v => v + (0.2 * rng.normal()) / Math.sqrt(d)))
  const radii = centres.map(c => Math.hypot(...c.map((v, i) => v - optimizer[i]!)) + 0.05)
  return {
    name: `accuracy in steps of 1/${examples}, d = ${d}`,
    domain: realDomain(d, 0, 1),
    objectives: [maximize('accuracy', 0, 1)],
    optimizer,
    optimum: [1],
    evaluate: x => {
      const right = centres.filter((c, e) => Math.hypot(...c.map((v, i) => v - x[i]!)) <= radii[e]!)
      return [right.length / examples]
    },
  }
}

export function constant(d: number): TestProblem {
  const domain = realDomain(d, 0, 1)
  return {
    name: `constant, d = ${d}`,
    domain,
    objectives: [minimize('constant', 1)],
    optimizer: domain.initial,
    optimum: [0.5],
    evaluate: () => [0.5],
  }
}

/** The same problem with its values rounded to multiples of 1 / steps. */
export function rounded(problem: TestProblem, steps: number): TestProblem {
  return {
    ...problem,
    name: `${problem.name}, in steps of 1/${steps}`,
    evaluate: x => problem.evaluate(x).map(value => Math.round(value * steps) / steps),
  }
}

/** Rows are orthonormal: Gram-Schmidt on normal vectors. */
export function randomRotation(d: number, seed: number): readonly Float64Array[] {
  const rng = createRng(seed)
  const rows: Float64Array[] = []
  while (rows.length < d) {
    const row = Float64Array.from({ length: d }, () => rng.normal())
    for (const other of rows) {
      const overlap = other.reduce((sum, v, i) => sum + v * row[i]!, 0)
      for (let i = 0; i < d; i++) row[i]! -= overlap * other[i]!
    }
    const length = Math.hypot(...row)
    rows.push(row.map(v => v / length))
  }
  return rows
}
