import { quantile } from 'simple-statistics'
import type { Objective } from '../objective.ts'

/** Linear axes: where a value goes, and which round numbers stand beside the axis. */
export interface Scale {
  readonly low: number
  readonly high: number // > low
  readonly ticks: readonly number[] // ascending, inside [low, high]
  /** Decimals that tell neighbouring ticks apart. */
  readonly decimals: number
  /** 0 at `low`, 1 at `high`; not clamped. */
  position(value: number): number
}

/** A scale that covers all `values`, with a margin (share of the extent) and about `count` ticks. Non-finite values are ignored. */
export function linearScale(values: readonly number[], { margin = 0.04, count = 5 } = {}): Scale {
  let least = Infinity
  let most = -Infinity
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  if (least > most) [least, most] = [0, 1]
  // One value alone gets room on both sides, in proportion to it.
  if (least === most) [least, most] = [least - (Math.abs(least) || 1) * 0.1, most + (Math.abs(most) || 1) * 0.1]
  const extent = most - least
  const low = least - margin * extent
  const high = most + margin * extent
  const step = niceStep((high - low) / Math.max(1, count))
  const ticks: number[] = []
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(k * step)
  const decimals = Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))
  return { low, high, ticks, decimals, position: value => (value - low) / (high - low) }
}

/** The nearest of 1, 2, 5 × 10ᵏ. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step))
  const lead = step / power
  return (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10) * power
}

export function tickLabel(scale: Scale, value: number): string {
  const largest = Math.max(Math.abs(scale.low), Math.abs(scale.high))
  if (largest >= 1e6 || largest < 1e-4) return value === 0 ? '0' : value.toExponential(1)
  return value.toFixed(scale.decimals).replace(/^-(0(\.0*)?)$/, '$1')
}

/** Share of the trials, the worst in an objective, that a plot may leave beyond its axis so that the front is not squeezed into a corner. */
const BEYOND = 0.1

/**
 * What an axis of a scatter plot must cover: everything in `always` (front, baselines), and all but the worst tenth of `values`.
 * @param direction of the objective: decides which end is the worst.
 */
export function focus(
  values: readonly number[],
  always: readonly number[],
  direction: Objective['direction'],
): number[] {
  if (values.length === 0) return [...always]
  const worst = quantile([...values], direction === 'maximize' ? BEYOND : 1 - BEYOND)
  const kept = values.filter(value => (direction === 'maximize' ? value >= worst : value <= worst))
  return [...always, ...kept]
}
