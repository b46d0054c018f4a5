import { z } from 'zod'

/**
 * A recipe says how to build one merged model. Plain data: safe to record, diff, hash and send to a worker; it names sources
 * and never carries weights. A tagged union: data-flow recipes (paths over layers) will be another kind.
 */
export type Recipe = ParameterMerge | PiecewiseMerge

/** A merge in parameter space: each tensor of the result is one operator applied to the same tensor of the sources. */
export interface ParameterMerge {
  readonly kind: 'parameter-merge'
  /** Name in the registry `merge/operators/registry.ts`, mergekit's spelling: `linear`, `task_arithmetic`, ... */
  readonly method: string
  /** Source id of the common ancestor; required if any method works on task vectors. Groups whose method has none ignore it. */
  readonly base: string | undefined
  /** Ids of the merged models, in order; never contains `base`. */
  readonly sources: readonly string[]
  /** Parameters of the method as a whole: `normalize`, `lambda`, ... */
  readonly parameters: Readonly<Record<string, number | boolean | string>>
  /** The first group that selects a tensor governs it. A tensor that no group selects is an error. */
  readonly groups: readonly RecipeGroup[]
}

export interface RecipeGroup {
  /** `[first, end)` of the numbered layers, the tensors before or after them, or everything. See `space/layer-groups.ts`. */
  readonly layers: readonly [first: number, end: number] | 'pre' | 'post' | 'all'
  /** Only tensors whose name contains this substring (case-sensitive, as in mergekit). Absent: no restriction. */
  readonly filter?: string
  /** Instead of the recipe's method. Its parameters are then those of the group alone; only the seed is the recipe's. */
  readonly method?: string
  /** Parameters of the method for this group, instead of the recipe's. */
  readonly parameters?: Readonly<Record<string, number | boolean | string>>
  /** Source id → coefficient (`weight`, `density`, ...) → value; without one, the method's default. Every source has an entry. */
  readonly coefficients: Readonly<Record<string, Readonly<Record<string, number>>>>
}

/**
 * A model made of stretches of others: all weights of a model lie on one line (see `createPieceLine`), which is cut into pieces, inside tensors
 * too; each piece is a weighted sum of the sources with weights of its own, not divided by their sum.
 */
export interface PiecewiseMerge {
  readonly kind: 'piecewise-merge'
  readonly method: 'linear'
  readonly base: undefined
  /** Ids of the merged models, in order. */
  readonly sources: readonly string[]
  readonly parameters: { readonly normalize: false }
  /** In the order of the line; the first begins where the line begins, each ends where the next begins. */
  readonly pieces: readonly RecipePiece[]
}

export interface RecipePiece {
  /** Its first element: position in the row-major order of a tensor. */
  readonly from: { readonly tensor: string; readonly element: number }
  /** Source id → weight. Every source has one. */
  readonly weights: Readonly<Record<string, number>>
}

const coefficient = z.number().describe('A finite number.')
const sourceId = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, 'A source id has letters, digits, ".", "_" and "-" only.')

const parameters = z.record(z.string(), z.union([z.number(), z.boolean(), z.string()]))

const parameterMerge = z.strictObject({
  kind: z.literal('parameter-merge'),
  method: z.string(),
  base: sourceId.optional(),
  sources: z.array(sourceId).min(1),
  parameters,
  groups: z
    .array(
      z.strictObject({
        layers: z.union([z.tuple([z.int().min(0), z.int().min(1)]), z.enum(['pre', 'post', 'all'])]),
        filter: z.string().min(1).optional(),
        method: z.string().optional(),
        parameters: parameters.optional(),
        coefficients: z.record(sourceId, z.record(z.string(), coefficient)),
      }),
    )
    .min(1),
})

const piecewiseMerge = z.strictObject({
  kind: z.literal('piecewise-merge'),
  method: z.literal('linear'),
  base: z.undefined().optional(),
  sources: z.array(sourceId).min(1),
  parameters: z.strictObject({ normalize: z.literal(false) }),
  pieces: z
    .array(
      z.strictObject({
        from: z.strictObject({ tensor: z.string(), element: z.int().min(0) }),
        weights: z.record(sourceId, coefficient),
      }),
    )
    .min(1),
})

export const recipeSchema: z.ZodType<Recipe> = z.discriminatedUnion('kind', [
  parameterMerge,
  piecewiseMerge,
]) as unknown as z.ZodType<Recipe>

/**
 * Canonical JSON: keys sorted by code unit, shortest round-trip numbers, -0 written as 0, `undefined` members left out.
 * Equal values give equal text (the idea of RFC 8785).
 * @throws {TypeError} on NaN, infinities and values that are not plain data.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`Canonical JSON has no ${value}.`)
    return JSON.stringify(value === 0 ? 0 : value)
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (
    typeof value === 'object' &&
    (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
  ) {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined)
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(',')}}`
  }
  throw new TypeError(`Canonical JSON takes plain data, not ${Object.prototype.toString.call(value)}.`)
}
