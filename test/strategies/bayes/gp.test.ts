import { CholeskyDecomposition, inverse, Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/rng.ts'
import { logExpectedImprovement } from '../../../src/strategies/bayes/acquisition.ts'
import { Gp, type GpParameters, JITTER } from '../../../src/strategies/bayes/gp.ts'
import { fitGp, type GpData, LogPosterior } from '../../../src/strategies/bayes/gp-fit.ts'

const SHAPE = { numeric: 2, categorical: 1 }
const PARAMETERS: GpParameters = {
  lengthscales: Float64Array.of(0.4, 1.3, 0.8),
  outputscale: 1.7,
  mean: 0.3,
  noise: 0.5,
}

/** Points in the unit square with a category, targets that depend on all three, unequal noise. */
function sample(n: number, seed = 1): GpData {
  const rng = createRng(seed)
  const rows = Array.from({ length: n }, () => [rng.uniform(), rng.uniform(), rng.integer(0, 3)])
  return {
    shape: SHAPE,
    inputs: Float64Array.from(rows.flat()),
    targets: Float64Array.from(rows, ([a, b, c]) => Math.sin(5 * a!) + b! * c! - 0.7 + 0.05 * rng.normal()),
    noise: Float64Array.from(rows, () => 0.01 + 0.05 * rng.uniform()),
  }
}

/** Rasmussen & Williams' kernel and posterior, written out with a matrix library. */
class Twin {
  readonly #data: GpData
  readonly #p: GpParameters
  readonly #inverse: Matrix
  readonly #residual: Matrix

  constructor(data: GpData, p: GpParameters) {
    this.#data = data
    this.#p = p
    const n = data.targets.length
    const k = new Matrix(n, n)
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        k.set(i, j, this.kernel(this.row(i), this.row(j)) + (i === j ? p.noise * data.noise[i]! + JITTER : 0))
      }
    }
    this.#inverse = inverse(k)
    this.#residual = Matrix.columnVector([...data.targets].map(y => y - p.mean))
    this.covariance = k
  }

  readonly covariance: Matrix

  row(i: number): Float64Array {
    return this.#data.inputs.slice(3 * i, 3 * i + 3)
  }

  kernel(x: Float64Array, y: Float64Array): number {
    const { lengthscales: l, outputscale } = this.#p
    const r = Math.sqrt(
      ((x[0]! - y[0]!) / l[0]!) ** 2 + ((x[1]! - y[1]!) / l[1]!) ** 2 + (x[2] === y[2] ? 0 : 1 / l[2]! ** 2),
    )
    return outputscale * (1 + Math.sqrt(5) * r + (5 / 3) * r * r) * Math.exp(-Math.sqrt(5) * r)
  }

  covarianceOf(x: Float64Array, y: Float64Array): number {
    const column = (z: Float64Array): Matrix =>
      Matrix.columnVector(Array.from(this.#data.targets, (_, i) => this.kernel(z, this.row(i))))
    return this.kernel(x, y) - column(x).transpose().mmul(this.#inverse).mmul(column(y)).get(0, 0)
  }

  mean(x: Float64Array): number {
    const k = Matrix.rowVector(Array.from(this.#data.targets, (_, i) => this.kernel(x, this.row(i))))
    return this.#p.mean + k.mmul(this.#inverse).mmul(this.#residual).get(0, 0)
  }

  logLikelihood(): number {
    const n = this.#data.targets.length
    const l = new CholeskyDecomposition(this.covariance).lowerTriangularMatrix
    const fit = this.#residual.transpose().mmul(this.#inverse).mmul(this.#residual).get(0, 0)
    return -0.5 * fit - l.diagonal().reduce((sum, v) => sum + Math.log(v), 0) - 0.5 * n * Math.log(2 * Math.PI)
  }
}

function process(data: GpData, parameters: GpParameters): Gp {
  const gp = new Gp(data.shape, parameters, 4)
  gp.append(data.inputs, data.targets, data.noise)
  return gp
}

const QUERIES = [Float64Array.of(0.2, 0.9, 1), Float64Array.of(0.77, 0.1, 0), Float64Array.of(0.5, 0.5, 7)]

describe('the Gaussian process', () => {
  const data = sample(17)
  const gp = process(data, PARAMETERS)
  const twin = new Twin(data, PARAMETERS)

  it('predicts mean and variance as the textbook has it', () => {
    for (const x of QUERIES) {
      const { mean, variance } = gp.predict(x)
      expect(mean).toBeCloseTo(twin.mean(x), 11)
      expect(variance).toBeCloseTo(twin.covarianceOf(x, x), 11)
    }
  })

  it('predicts many points as it predicts one', () => {
    const means = new Float64Array(3)
    const variances = new Float64Array(3)
    gp.predictMany(Float64Array.from(QUERIES.flatMap(x => [...x])), 3, means, variances)
    for (const [i, x] of QUERIES.entries()) {
      expect(means[i]).toBeCloseTo(gp.predict(x).mean, 12)
      expect(variances[i]).toBeCloseTo(gp.predict(x).variance, 12)
    }
  })

  it('knows the covariance between points', () => {
    const packed = gp.jointCovariance(Float64Array.from(QUERIES.flatMap(x => [...x])), 3)
    let at = 0
    for (let i = 0; i < 3; i++)
      for (let j = 0; j <= i; j++) {
        expect(packed[at++]).toBeCloseTo(twin.covarianceOf(QUERIES[i]!, QUERIES[j]!), 11)
      }
  })

  it('gives gradients that agree with differences', () => {
    for (const [a, b] of [
      [1, 0],
      [0, 1],
      [0.7, -2.5],
    ] as const) {
      const value = (x: Float64Array): number => {
        const { mean, variance } = gp.predict(x)
        return a * mean + b * variance
      }
      for (const x of QUERIES) {
        const gradient = new Float64Array(3)
        gp.predict(x)
        gp.addGradient(a, b, gradient)
        for (const k of [0, 1]) expect(gradient[k]).toBeCloseTo(slope(value, x, k), 7)
        expect(gradient[2]).toBe(0)
      }
    }
  })

  it('takes the noise off its own observations', () => {
    const fitted = gp.fittedMeans()
    for (let i = 0; i < 17; i++) expect(fitted[i]).toBeCloseTo(gp.predict(twin.row(i)).mean, 11)
  })

  it('is the same to the last bit however its observations came, and after some were taken back', () => {
    const grown = new Gp(SHAPE, PARAMETERS, 2)
    for (let i = 0; i < 17; i++) {
      grown.append(twin.row(i), [data.targets[i]!], [data.noise[i]!])
      if (i % 5 === 2) {
        grown.append(QUERIES[0]!, [9], [0])
        grown.truncate(i + 1)
      }
    }
    expect(grown.size).toBe(17)
    for (const x of QUERIES) expect(grown.predict(x)).toEqual(gp.predict(x))
  })

  it('interpolates where there is no noise and returns to the prior far away', () => {
    const exact = process({ ...data, noise: new Float64Array(17) }, PARAMETERS)
    for (let i = 0; i < 17; i++) {
      expect(exact.predict(twin.row(i)).mean).toBeCloseTo(data.targets[i]!, 4)
      expect(exact.predict(twin.row(i)).variance).toBeLessThan(1e-6)
    }
    const far = exact.predict(Float64Array.of(1000, 1000, 0))
    expect(far.mean).toBeCloseTo(PARAMETERS.mean, 12)
    expect(far.variance).toBeCloseTo(PARAMETERS.outputscale, 12)
  })

  it('bears equal inputs', () => {
    const twice = new Gp(SHAPE, { ...PARAMETERS, noise: 0 })
    for (let i = 0; i < 5; i++) twice.append(QUERIES[0]!, [i], [1])
    expect(twice.predict(QUERIES[0]!).mean).toBeCloseTo(2, 3)
  })
})

describe('the fit of a Gaussian process', () => {
  for (const noise of [{ kind: 'known' }, { kind: 'estimated', floor: 1e-6 }] as const) {
    it(`has a gradient that agrees with differences, noise ${noise.kind}`, () => {
      const data = sample(14, 5)
      const posterior = new LogPosterior(data, noise)
      const x = Float64Array.of(-0.6, 0.4, -0.2, 0.3, noise.kind === 'known' ? 0 : -2)
      const gradient = new Float64Array(5)
      posterior.evaluate(x, gradient)
      const value = (at: Float64Array): number => posterior.evaluate(at, new Float64Array(5))
      for (let k = 0; k < (noise.kind === 'known' ? 4 : 5); k++) {
        expect(Math.abs(gradient[k]! - slope(value, x, k)), `parameter ${k}`).toBeLessThan(
          1e-6 * Math.max(1, Math.abs(gradient[k]!)),
        )
      }
    })
  }

  it('scores parameters by the textbook’s marginal likelihood and the priors', () => {
    const data = sample(14, 5)
    const posterior = new LogPosterior(data, { kind: 'known' })
    const x = Float64Array.of(-0.6, 0.4, -0.2, 0.3, 0)
    const value = -posterior.evaluate(x, new Float64Array(5))
    const parameters = posterior.parameters(x)
    const location = Math.SQRT2 + 0.5 * Math.log(3)
    const prior =
      [...x.slice(0, 3)].reduce((sum, l) => sum - l - (l - location) ** 2 / 6, 0) +
      0.3 -
      Math.exp(0.3) -
      0.5 * parameters.mean ** 2
    expect(value).toBeCloseTo(new Twin(data, parameters).logLikelihood() + prior, 9)
    // The mean is the best for these parameters.
    for (const step of [-0.01, 0.01]) {
      const moved = { ...parameters, mean: parameters.mean + step }
      expect(new Twin(data, moved).logLikelihood() - 0.5 * moved.mean ** 2).toBeLessThan(
        new Twin(data, parameters).logLikelihood() - 0.5 * parameters.mean ** 2,
      )
    }
  })

  it('finds which inputs matter', () => {
    const rng = createRng(8)
    const n = 40
    const inputs = Float64Array.from({ length: 3 * n }, () => rng.uniform())
    const data: GpData = {
      shape: { numeric: 3, categorical: 0 },
      inputs,
      targets: Float64Array.from({ length: n }, (_, i) => Math.sin(6 * inputs[3 * i]!) + 0.5 * inputs[3 * i + 1]!),
      noise: new Float64Array(n).fill(1),
    }
    const { parameters } = fitGp(
      data,
      { noise: { kind: 'estimated', floor: 1e-6 }, draws: 2, maxIterations: 100 },
      createRng(1),
    )
    const { lengthscales, noise } = parameters
    expect(lengthscales[0]).toBeLessThan(0.5 * lengthscales[1]!)
    expect(lengthscales[1]).toBeLessThan(0.5 * lengthscales[2]!)
    expect(noise).toBeLessThan(1e-3)
  })

  it('estimates the noise of repeated measurements', () => {
    const rng = createRng(9)
    const n = 120
    const inputs = Float64Array.from({ length: n }, () => rng.uniform())
    const data: GpData = {
      shape: { numeric: 1, categorical: 0 },
      inputs,
      targets: inputs.map(x => Math.sin(4 * x) + 0.4 * rng.normal()),
      noise: new Float64Array(n).fill(1),
    }
    const { parameters } = fitGp(
      data,
      { noise: { kind: 'estimated', floor: 1e-6 }, draws: 0, maxIterations: 100 },
      createRng(1),
    )
    expect(Math.sqrt(parameters.noise)).toBeGreaterThan(0.3)
    expect(Math.sqrt(parameters.noise)).toBeLessThan(0.5)
  })
})

describe('log expected improvement', () => {
  const gp = process(sample(17), PARAMETERS)

  it('is the logarithm of the mean improvement', () => {
    const acquisition = logExpectedImprovement(gp, 0.1)
    for (const x of QUERIES) {
      const { mean, variance } = gp.predict(x)
      let sum = 0
      const cells = 20_000
      for (let i = 0; i < cells; i++) {
        const z = -8 + (16 * (i + 0.5)) / cells
        sum += (Math.max(0, 0.1 - mean - Math.sqrt(variance) * z) * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI)
      }
      expect(acquisition.evaluate(x)).toBeCloseTo(Math.log((sum * 16) / cells), 6)
    }
  })

  it('has a gradient that agrees with differences, also where nothing is to be gained', () => {
    for (const best of [0.1, -3, -1000]) {
      const acquisition = logExpectedImprovement(gp, best)
      for (const x of QUERIES) {
        const gradient = new Float64Array(3)
        acquisition.evaluate(x, gradient)
        for (const k of [0, 1]) {
          const expected = slope(at => acquisition.evaluate(at), x, k)
          expect(Math.abs(gradient[k]! - expected)).toBeLessThan(1e-5 * Math.max(1, Math.abs(expected)))
        }
      }
    }
  })

  it('values many points as it values one', () => {
    const acquisition = logExpectedImprovement(gp, 0.1)
    const values = acquisition.evaluateMany(Float64Array.from(QUERIES.flatMap(x => [...x])), 3)
    for (const [i, x] of QUERIES.entries()) expect(values[i]).toBeCloseTo(acquisition.evaluate(x), 10)
  })
})

/** Central difference by coordinate k. */
function slope(f: (x: Float64Array) => number, x: Float64Array, k: number): number {
  const step = 1e-5
  const [up, down] = [x.slice(), x.slice()]
  up[k] = up[k]! + step
  down[k] = down[k]! - step
  return (f(up) - f(down)) / (2 * step)
}
