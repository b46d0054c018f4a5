import { ConfigError, MergeError, show } from '../../errors.ts'
import type { MergeOperator, OperatorParameter, Settings, TensorInput } from './operator.ts'
import { isZeroDelta } from './vectors.ts'

/**
 * One tensor of a merge, with what holds for every operator: a tensor that no model changed is the base's, bit for bit; a result is finite.
 * @throws {MergeError} naming the tensor
 */
export function applyOperator(operator: MergeOperator, input: TensorInput): Float64Array {
  const { base, models, name } = input
  if (operator.base === 'required' && base !== undefined && models.every(x => isZeroDelta(x, base))) return base
  const out = operator.merge(input)
  requireFiniteResult(operator, name, out)
  return out
}

/** @param name of the tensor @throws {MergeError} on a NaN or an infinity */
export function requireFiniteResult(operator: MergeOperator, name: string, out: Float64Array): void {
  if (out.every(Number.isFinite)) return
  throw new MergeError(`Merging ${show(name)} by ${operator.name} gives a NaN or an infinity.`, {
    hint: 'The coefficients are too large, or cancel where they are divided by; change or bound them.',
  })
}

/** What a recipe says about an operator, before it is checked. */
export interface GivenSettings {
  readonly parameters: Readonly<Record<string, number | boolean | string>>
  /** By model, then by name. */
  readonly coefficients: readonly Readonly<Record<string, number>>[]
  readonly seed: number
}

/**
 * Checks names, kinds and ranges, and fills in defaults.
 * @param base whether the recipe names one
 * @param where names the group in messages
 * @throws {ConfigError}
 */
export function settingsOf(operator: MergeOperator, given: GivenSettings, base: boolean, where: string): Settings {
  requireModels(operator, given.coefficients.length, base)
  refuseUnknown(operator, 'parameter', Object.keys(given.parameters), operator.parameters, where)
  const parameters = Object.fromEntries(
    operator.parameters.map(parameter => [
      parameter.name,
      checked(operator, parameter, given.parameters[parameter.name] ?? parameter.default, where),
    ]),
  )
  for (const values of given.coefficients) {
    refuseUnknown(operator, 'coefficient', Object.keys(values), operator.coefficients, where)
  }
  const coefficients = Object.fromEntries(
    operator.coefficients.map(coefficient => [
      coefficient.name,
      given.coefficients.map(values => {
        const value = checked(operator, coefficient, values[coefficient.name] ?? coefficient.default, where)
        return Number(value)
      }),
    ]),
  )
  return { parameters, coefficients, seed: given.seed }
}

function requireModels({ name, base, models: [least, most] }: MergeOperator, count: number, hasBase: boolean): void {
  if (base === 'required' && !hasBase)
    throw new ConfigError(`${name} needs a base, the model that all were tuned from.`)
  if (base === 'none' && hasBase) {
    throw new ConfigError(`${name} has no base, but the recipe names one.`, {
      hint: 'List it among the models, or drop it.',
    })
  }
  if (count >= least && count <= most) return
  const range =
    least === most
      ? `exactly ${least}`
      : most === Number.POSITIVE_INFINITY
        ? `at least ${least}`
        : `${least} to ${most}`
  throw new ConfigError(
    `${name} merges ${range} model${least === 1 && (most === 1 || most === Number.POSITIVE_INFINITY) ? '' : 's'}${base === 'none' ? '' : ' besides the base'}, got ${count}.`,
  )
}

function refuseUnknown(
  { name }: MergeOperator,
  what: string,
  given: readonly string[],
  known: readonly { readonly name: string }[],
  where: string,
): void {
  const names = known.map(entry => entry.name)
  const unknown = given.find(key => !names.includes(key))
  if (unknown === undefined) return
  const list = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`
  throw new ConfigError(`${where}: ${name} has no ${what} ${show(unknown)}; ${list}.`)
}

function checked(
  { name }: MergeOperator,
  parameter: OperatorParameter,
  value: number | boolean | string | undefined,
  where: string,
): number | boolean | string {
  const fail = (required: string): ConfigError =>
    new ConfigError(
      `${where}: ${parameter.name} of ${name} must be ${required}, ${value === undefined ? 'and is missing' : `got ${typeof value === 'number' ? value : show(value)}`}.`,
    )
  switch (parameter.kind) {
    case 'boolean':
      if (typeof value !== 'boolean') throw fail('true or false')
      return value
    case 'choice':
      if (typeof value !== 'string' || !parameter.choices.includes(value))
        throw fail(`one of ${parameter.choices.join(', ')}`)
      return value
    case 'number': {
      if (typeof value !== 'number' || !Number.isFinite(value)) throw fail('a finite number')
      if (parameter.integer && !Number.isInteger(value)) throw fail('a whole number')
      const [low, high] = parameter.bounds ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
      if (value < low || value > high) {
        throw fail(high >= Number.MAX_VALUE ? `at least ${low}` : `in [${low}, ${high}]`)
      }
      return value
    }
  }
}
