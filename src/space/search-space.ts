import type { Domain, Genome } from '../candidate.ts'
import type { Recipe } from './recipe.ts'

/** Names, bounds, and genome ⇄ recipe. Everything downstream of the space sees recipes only. */
export interface SearchSpace extends Domain {
  readonly id: string
  /** Pure. @throws {GenomeError} if a value is out of bounds, not finite, or the shape is not (d,). */
  decode(genome: Genome): Recipe
  /** Inverse of `decode` for recipes of this space (warm starts, imports); least squares where genes are shared or interpolated. @throws {GenomeError} */
  encode(recipe: Recipe): Genome
}
