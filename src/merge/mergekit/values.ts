import { ConfigError, show } from '../../errors.ts'

/**
 * Parameter values of a mergekit configuration: a scalar, a list of numbers (a gradient over depth), or a list of {value, filter} by tensor name.
 * Formats are those of mergekit's documentation, docs/merge_methods.md and README, "Parameter Specification".
 */
export type Scalar = number | boolean | string
export type ParameterValue = Scalar | readonly Scalar[] | readonly FilteredValue[]
export interface FilteredValue {
  readonly value: Scalar | readonly Scalar[]
  /** Part of a tensor name, case-sensitive; absent or `*`: every tensor. */
  readonly filter?: string | undefined
}

/**
 * The value for a tensor at depth t in [0, 1], or undefined where no filter fits.
 *
 * A list of numbers is interpolated over t: position s = t (L − 1), straight lines between. A list with a word in it is a staircase.
 */
export function evaluate(value: ParameterValue, tensor: string, t: number): Scalar | undefined {
  if (!Array.isArray(value)) return value as Scalar
  if (value.length === 0) return undefined
  if (isFiltered(value)) {
    const fitting = value.find(({ filter }) => filter === undefined || filter === '*' || tensor.includes(filter))
    return fitting && evaluate(fitting.value, tensor, t)
  }
  const list = value as readonly Scalar[]
  const s = t * (list.length - 1)
  const below = Math.trunc(s)
  if (list.some(entry => typeof entry === 'string')) return list[below]
  const above = Math.min(list.length - 1, below + 1)
  const share = s - below
  return (1 - share) * Number(list[below]) + share * Number(list[above])
}

function isFiltered(value: ParameterValue): value is readonly FilteredValue[] {
  return Array.isArray(value) && typeof value[0] === 'object'
}

/** A number, where the configuration must have one. @throws {ConfigError} */
export function asNumber(value: Scalar, name: string, where: string): number {
  const number = typeof value === 'boolean' ? Number(value) : value
  if (typeof number === 'number' && Number.isFinite(number)) return number
  throw new ConfigError(`${where}: ${name} must be a number, got ${show(value)}.`)
}

/** mergekit takes numbers for booleans: 0 is false. */
export function asBoolean(value: Scalar, name: string, where: string): boolean {
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return value !== 0
  throw new ConfigError(`${where}: ${name} must be true or false, got ${show(value)}.`)
}
