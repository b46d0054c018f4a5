import type { ParameterMerge } from './space/recipe.ts'

/** A merge that needs no search, to measure a search against. */
export interface Baseline {
  /** `base`, a source's id, `uniform`, `scale-0.5`. */
  readonly name: string
  /** For the one-number sweep: the weight that all task vectors share. */
  readonly scale?: number
  readonly recipe: ParameterMerge
}

/**
 * Weights tried by the one-number sweep. Task vectors are added, not averaged, so the best weight is usually well below 1
 * (0.3 to 0.4 in G. Ilharco et al., "Editing models with task arithmetic", ICLR 2023, section 4); beyond 1 it extrapolates,
 * which a few tasks can reward.
 */
export const SCALES: readonly number[] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5]

/**
 * The base (where there is one), each source alone, the uniform average of the sources, and, with a base, one weight for all
 * task vectors.
 *
 * @param models ids of the sources to be merged, in order, without the base.
 */
export function baselineRecipes(models: readonly string[], base: string | undefined): Baseline[] {
  const alone = (id: string): ParameterMerge => average([id])
  return [
    ...(base === undefined ? [] : [{ name: 'base', recipe: alone(base) }]),
    ...models.map(id => ({ name: sourceName(id, base), recipe: alone(id) })),
    { name: 'uniform', recipe: average(models) },
    ...(base === undefined
      ? []
      : SCALES.map(scale => ({ name: `scale-${scale}`, scale, recipe: scaledSum(models, base, scale) }))),
  ]
}

/** A source whose id means another baseline gets a name of its own. */
function sourceName(id: string, base: string | undefined): string {
  return id === 'uniform' || (id === 'base' && base !== undefined) || /^scale-/.test(id) ? `source-${id}` : id
}

function average(models: readonly string[]): ParameterMerge {
  return {
    kind: 'parameter-merge',
    method: 'linear',
    base: undefined,
    sources: models,
    parameters: { normalize: true },
    groups: [{ layers: 'all', coefficients: sameWeight(models, 1) }],
  }
}

function scaledSum(models: readonly string[], base: string, scale: number): ParameterMerge {
  return {
    kind: 'parameter-merge',
    method: 'task_arithmetic',
    base,
    sources: models,
    parameters: { normalize: false, lambda: 1 },
    groups: [{ layers: 'all', coefficients: sameWeight(models, scale) }],
  }
}

function sameWeight(models: readonly string[], weight: number): Record<string, { weight: number }> {
  return Object.fromEntries(models.map(id => [id, { weight }]))
}
