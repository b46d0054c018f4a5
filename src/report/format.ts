import type { Objective } from '../objective.ts'
import type { RunFacts } from './facts.ts'
import type { Interval } from './intervals.ts'
import type { Verdict } from './statistics.ts'

/** How numbers are written: a column of a table has one number of decimals, so that its digits line up. */
export type NumberFormat = (value: number) => string

/**
 * A format for all of `values`: five significant digits of the largest, whole numbers without decimals, powers of ten beyond 10⁷ and below
 * 10⁻³.
 */
export function numberFormat(values: readonly number[]): NumberFormat {
  const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  if (largest >= 1e7 || (largest > 0 && largest < 1e-3)) return value => (value === 0 ? '0' : value.toExponential(3))
  if (values.every(Number.isInteger)) return value => (Number.isInteger(value) ? `${value + 0}` : value.toFixed(1))
  const decimals = largest < 10 ? 4 : Math.max(0, 4 - Math.floor(Math.log10(largest)))
  return value => withoutNegativeZero(value.toFixed(decimals))
}

export function formatNumber(value: number): string {
  return numberFormat([value])(value)
}

export function formatSigned(value: number, format: NumberFormat): string {
  const text = format(value)
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text
}

export function formatInterval(interval: Interval | undefined, format: NumberFormat): string {
  return interval === undefined ? '' : `${format(interval.low)} … ${format(interval.high)}`
}

/** At most four decimals: a smaller p is a bound, never zero. */
export function formatP(p: number): string {
  return p < 0.0001 ? '< 0.0001' : p >= 0.9995 ? '1' : p.toFixed(p < 0.01 ? 4 : 3)
}

export function formatDuration(ms: number): string {
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${(ms / 1000).toFixed(1)} s`
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`
}

/** 1234567 → `1 234 567` with narrow no-break spaces, or commas in plain ASCII. */
export function formatCount(count: number, separator = ','): string {
  return `${count}`.replace(/\B(?=(\d{3})+(?!\d))/g, separator)
}

export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

export function arrow(objective: Objective, ascii: boolean): string {
  if (ascii) return objective.direction === 'maximize' ? '(max)' : '(min)'
  return objective.direction === 'maximize' ? '↑' : '↓'
}

function withoutNegativeZero(text: string): string {
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text
}

export function verdictMark(verdict: Verdict, ascii: boolean): string {
  if (verdict === 'better') return ascii ? '+' : '▲'
  if (verdict === 'worse') return ascii ? '-' : '▼'
  return ascii ? '=' : '≈'
}

/** What the numbers of the comparisons are. */
export function comparisonNote({ objectives, comparisons }: Pick<RunFacts, 'objectives' | 'comparisons'>): string {
  const tested = comparisons.flatMap(({ overall }) => ('p' in overall ? [overall] : []))
  const scale =
    objectives.length === 1
      ? 'Gain: in the unit of the objective'
      : tested.some(t => t.scale === 'normalized')
        ? 'Gain: mean over objectives, in shares of the distance from ideal to reference'
        : 'Gain: mean over objectives'
  return (
    `${scale}, positive where the winner is better. p: two-sided sign-flip test on the same examples, with Holm's correction for ` +
    `${plural(tested.length, 'comparison')}; the intervals are not corrected.`
  )
}
