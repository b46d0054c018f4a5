/**
 * Losses → targets of a Gaussian process: of mean 0 and variance 1, and where the losses are skewed, less so first. Increasing, so
 * that a better loss stays a better target.
 */
export interface OutputTransform {
  /** `none`: affine; `log`: affine in log(loss - origin). */
  readonly warp: 'none' | 'log'
  /** Below every loss of the fit, for `log`. */
  readonly origin: number
  readonly shift: number
  readonly scale: number
}

/** Target of a loss. Losses at or below the origin of a logarithm, which a fit on less data may not have known, get its value just above. */
export function toTarget(transform: OutputTransform, loss: number): number {
  const { warp, origin, shift, scale } = transform
  if (warp === 'none') return (loss - shift) / scale
  return (Math.log(Math.max(loss - origin, LEAST_LOG)) - shift) / scale
}

const LEAST_LOG = 1e-300

/** d target / d loss, which turns the deviation of a loss into the deviation of its target. */
export function targetSlope(transform: OutputTransform, loss: number): number {
  const { warp, origin, scale } = transform
  return warp === 'none' ? 1 / scale : 1 / (Math.max(loss - origin, LEAST_LOG) * scale)
}

/** Standardisation of losses; a constant gets scale 1. */
export function standardization(losses: readonly number[]): OutputTransform {
  const { mean, deviation } = moments(losses)
  return { warp: 'none', origin: 0, shift: mean, scale: deviation || 1 }
}

/**
 * The logarithm of the distance from a point below the least loss: `share` of the mean loss's own distance from it. Not nearer, or the
 * neighbourhood of the optimum becomes a spike that no smooth model follows; and not by a quantile, which sinks to the least loss
 * as a search gathers there.
 */
export function logTransform(losses: readonly number[], share: number): OutputTransform {
  const least = losses.reduce((a, b) => Math.min(a, b))
  const margin = share * (moments(losses).mean - least)
  if (!(margin > 0)) return standardization(losses)
  const origin = least - margin
  const { mean, deviation } = moments(losses.map(loss => Math.log(loss - origin)))
  return { warp: 'log', origin, shift: mean, scale: deviation || 1 }
}

function moments(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  // Differences below rounding are no spread.
  const deviation = Math.sqrt(variance)
  return { mean, deviation: deviation > 1e-14 * Math.abs(mean) ? deviation : 0 }
}
