import type { Genome } from '../../candidate.ts'
import type { Rng } from '../../rng.ts'
import type { Encoding } from './encoding.ts'
import type { Gp, GpParameters } from './gp.ts'
import { fitGp, type NoiseModel } from './gp-fit.ts'
import { logTransform, type OutputTransform, standardization, targetSlope, toTarget } from './output-transform.ts'

/** One observation of the quantity that a model describes. */
export interface Observation {
  readonly genome: Genome
  /** `undefined`: the evaluation failed. */
  readonly loss: number | undefined
  /** Variance of the loss where known. */
  readonly variance: number | undefined
}

/** What a fit found. Together with the observations in order it determines a model to the last bit. */
export interface Fit {
  readonly transform: OutputTransform
  readonly parameters: GpParameters
  /** Observations there were. */
  readonly observations: number
  /** Loss that failed evaluations are taken to have: the worst seen. */
  readonly failure: number
  /** Mean known variance, which stands for an unknown one; `undefined`: noise is estimated. */
  readonly meanVariance: number | undefined
  /** Observations there were when the transform was chosen. */
  readonly chosenAt: number
}

export interface SurrogateOptions {
  readonly noise: 'auto' | 'estimated' | 'known'
  readonly transform: 'auto' | 'none' | 'log'
  /** Observations a fit of the parameters uses at most. */
  readonly fitLimit: number
}

/** Noise variance that is never undercut, as a share of the targets' variance. */
const NOISE_FLOOR = 1e-6
const MAX_ITERATIONS = 50
const WARM_ITERATIONS = 15
/** Below this many observations a fit also starts from draws of the prior. */
const FEW = 50
const DRAWS = 2
const WARPS = ['none', 'log'] as const
/** The transform is chosen again when there are this many times as many observations. */
const CHOICE_GROWTH = 1.25
/** On Rosenbrock's function in 5 dimensions 0.1 ends 0.2 decades ahead of 0.01 and 0.8 of 0.001 after 80 evaluations (3 seeds). */
const LOG_SHARE = 0.1

/** @returns `undefined` without a single scored observation. */
export function fitSurrogate(
  encoding: Encoding,
  observations: readonly Observation[],
  warm: Fit | undefined,
  options: SurrogateOptions,
  rng: Rng,
): Fit | undefined {
  const losses = observations.flatMap(o => (o.loss === undefined ? [] : [o.loss]))
  if (losses.length === 0) return undefined
  const failure = Math.max(...losses)
  const known = observations.flatMap(o => (o.variance === undefined ? [] : [o.variance]))
  const useKnown = options.noise !== 'estimated' && known.length > 0
  const meanVariance = useKnown ? known.reduce((sum, v) => sum + v, 0) / known.length : undefined
  const noise: NoiseModel = useKnown ? { kind: 'known' } : { kind: 'estimated', floor: NOISE_FLOOR }
  const subset = fitSubset(observations, options.fitLimit)
  const inputs = inputsOf(encoding, subset)
  const n = observations.length
  const settled = warm !== undefined && n >= warm.chosenAt && n < CHOICE_GROWTH * warm.chosenAt
  const warps = options.transform !== 'auto' ? [options.transform] : settled ? [warm.transform.warp] : WARPS
  let best: { readonly fit: Fit; readonly evidence: number } | undefined
  for (const warp of warps) {
    const transform = warp === 'log' ? logTransform(losses, LOG_SHARE) : standardization(losses)
    const data = { transform, failure, meanVariance }
    const start = warm?.transform.warp === warp ? warm.parameters : undefined
    const { parameters, logPosterior } = fitGp(
      {
        shape: encoding,
        inputs,
        targets: Float64Array.from(subset, o => toTarget(transform, o.loss ?? failure)),
        noise: Float64Array.from(subset, o => noiseOf(o, data)),
      },
      {
        noise,
        warm: start,
        draws: n < FEW ? DRAWS : 0,
        maxIterations: start === undefined ? MAX_ITERATIONS : WARM_ITERATIONS,
      },
      rng,
    )
    // Densities of the losses themselves can be compared, densities of different targets cannot.
    const evidence = subset.reduce((sum, o) => sum + Math.log(targetSlope(transform, o.loss ?? failure)), logPosterior)
    if (best === undefined || evidence > best.evidence) {
      best = { fit: { ...data, parameters, observations: n, chosenAt: settled ? warm.chosenAt : n }, evidence }
    }
  }
  return best?.fit
}

/** The model of a fit with observations added from number `from` on. */
export function extendGp(
  gp: Gp,
  encoding: Encoding,
  fit: Fit,
  observations: readonly Observation[],
  from: number,
): void {
  const added = observations.slice(from)
  if (added.length === 0) return
  gp.append(
    inputsOf(encoding, added),
    added.map(o => toTarget(fit.transform, o.loss ?? fit.failure)),
    added.map(o => noiseOf(o, fit)),
  )
}

/** Noise variance of an observation in units of the targets, or 1 for the estimated level. */
export function noiseOf(o: Observation, fit: Pick<Fit, 'transform' | 'failure' | 'meanVariance'>): number {
  if (fit.meanVariance === undefined) return 1
  const slope = targetSlope(fit.transform, o.loss ?? fit.failure)
  return Math.max((o.variance ?? fit.meanVariance) * slope * slope, NOISE_FLOOR)
}

/** All observations, or of more than `limit` the best and the newest third each, and of the others every so many. */
function fitSubset(observations: readonly Observation[], limit: number): readonly Observation[] {
  const n = observations.length
  if (n <= limit) return observations
  const third = Math.floor(limit / 3)
  const order = observations.map((_, i) => i)
  const kept = new Set(order.slice(n - third))
  const byLoss = order
    .filter(i => !kept.has(i))
    .sort(
      (a, b) =>
        (observations[a]!.loss ?? Number.POSITIVE_INFINITY) - (observations[b]!.loss ?? Number.POSITIVE_INFINITY) ||
        a - b,
    )
  for (const i of byLoss.slice(0, third)) kept.add(i)
  const rest = order.filter(i => !kept.has(i))
  const free = limit - kept.size
  for (let k = 0; k < free; k++) kept.add(rest[Math.floor((k * rest.length) / free)]!)
  return order.filter(i => kept.has(i)).map(i => observations[i]!)
}

function inputsOf(encoding: Encoding, observations: readonly Observation[]): Float64Array {
  const width = encoding.numeric + encoding.categorical
  const inputs = new Float64Array(observations.length * width)
  for (const [i, o] of observations.entries()) inputs.set(encoding.encode(o.genome), i * width)
  return inputs
}
