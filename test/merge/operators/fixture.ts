import type { MergeOperator, Survey, TensorInput } from '../../../src/merge/operators/operator.ts'
import { gen } from '../fixture.ts'

/** The inputs of the golden rows: base = gen(1), A, B, C = base + gen(2, 3, 4) / 8, of shape 4 × 6. */
export const SHAPE = [4, 6] as const
export const base = Float64Array.from(gen(1, 24))
export const [A, B, C] = [2, 3, 4].map(seed => {
  const delta = gen(seed, 24)
  return base.map((value, i) => value + delta[i]! / 8)
}) as [Float64Array, Float64Array, Float64Array]

export interface Case {
  readonly base?: Float64Array | undefined
  readonly models?: readonly Float64Array[]
  readonly shape?: readonly number[]
  readonly name?: string
  readonly ids?: readonly string[]
  readonly parameters?: TensorInput['parameters']
  readonly coefficients?: TensorInput['coefficients']
  readonly seed?: number
  readonly depth?: number
  readonly statistics?: readonly Float64Array[]
}

/** One tensor through an operator, defaults filled in as a recipe's would be. */
export function apply(operator: MergeOperator, given: Case): Float64Array {
  const models = given.models ?? [A, B, C]
  const ids = given.ids ?? models.map((_, m) => `model-${m}`)
  const parameters = Object.fromEntries(
    operator.parameters.map(parameter => [parameter.name, given.parameters?.[parameter.name] ?? parameter.default!]),
  )
  const coefficients = Object.fromEntries(
    operator.coefficients.map(({ name, default: fallback }) => [
      name,
      given.coefficients?.[name] ?? models.map(() => fallback!),
    ]),
  )
  const tensor = { name: given.name ?? 'w', shape: given.shape ?? SHAPE, base: given.base, models }
  const settings = { parameters, coefficients, seed: given.seed ?? 0 }
  const survey: Survey | undefined = operator.survey?.({ ids, tensors: [tensor] }, settings)
  return operator.merge({ ...tensor, ...settings, ids, survey, depth: given.depth, statistics: given.statistics })
}

/** Σ out, Σ (i+1) out_i, Σ |out − base|, first, last. */
export function fingerprint(out: Float64Array, from: Float64Array = base): number[] {
  return [
    out.reduce((sum, value) => sum + value, 0),
    out.reduce((sum, value, i) => sum + (i + 1) * value, 0),
    out.reduce((sum, value, i) => sum + Math.abs(value - from[i]!), 0),
    out[0]!,
    out[out.length - 1]!,
  ]
}
