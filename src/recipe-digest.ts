import { createHash } from 'node:crypto'
import type { Evaluation } from './candidate.ts'
import { canonicalJson, type Recipe } from './space/recipe.ts'

/** SHA-256 of the canonical form, hexadecimal: equal recipes have equal digests. */
export function recipeDigest(recipe: Recipe): string {
  return createHash('sha256').update(canonicalJson(recipe)).digest('hex')
}

/** Whether scoring the same recipe again must give the same: a timeout or a crash may have been an accident. */
export function isRepeatable(evaluation: Evaluation): boolean {
  return evaluation.status === 'scored' || evaluation.kind === 'threw' || evaluation.kind === 'non-finite'
}

/** The same result for another candidate, which took no time. */
export function reused(evaluation: Evaluation): Evaluation {
  return { ...evaluation, timing: { totalMs: 0, mergeMs: 0, inferenceMs: 0 } }
}
