import { decodeToFloat32, isWeightDtype } from '../formats/dtype.ts'
import { openCheckpoint } from '../formats/open-file.ts'
import type { Recipe } from '../space/recipe.ts'
import { createMerger } from './merge.ts'
import type { SourceReference } from './model.ts'
import { loadSharedSources } from './sources.ts'

/** How far a written model is from the candidate that a search scored. */
export interface MergeDifference {
  /** Largest |written − scored| of an element, divided by the largest magnitude in its tensor. */
  readonly relative: number
  /** Where that is. */
  readonly tensor: string
}

/**
 * Merges the recipe in memory as a search does, in one float32 pass per tensor, and compares with what was written.
 * @param references the models of the recipe; all of them are loaded, 4 bytes per weight
 * @param path of the written model, as `openCheckpoint` takes it
 */
export function differenceFromCandidate(
  recipe: Recipe,
  references: readonly SourceReference[],
  path: string,
): MergeDifference {
  const { tensors } = createMerger(loadSharedSources(references, { threads: 1 }), 0).merge(recipe)
  const written = openCheckpoint(path)
  try {
    let worst: MergeDifference = { relative: 0, tensor: '' }
    for (const [name, { data }] of tensors) {
      const found = written.tensors.get(name)
      if (found === undefined || !isWeightDtype(found.dtype)) continue
      const values = new Float32Array(data.length)
      decodeToFloat32(written.read(name), found.dtype, values)
      let [largest, difference] = [0, 0]
      for (let i = 0; i < data.length; i++) {
        largest = Math.max(largest, Math.abs(data[i]!))
        difference = Math.max(difference, Math.abs(data[i]! - values[i]!))
      }
      const relative = difference === 0 ? 0 : difference / (largest || 1)
      if (worst.tensor === '' || relative > worst.relative) worst = { relative, tensor: name }
    }
    return worst
  } finally {
    written.close()
  }
}
