import { stringify } from 'yaml'
import { z } from 'zod'
import { type Recipe, recipeSchema } from './recipe.ts'

/** A recipe on its own: with the models it names, so that anyone who has them can rebuild the merge. */
export interface RecipeFile {
  readonly format: 1
  /** Source id → where it was found, which tensors are left out, its statistics, and the SHA-256 of each of its files (name → digest). */
  readonly models: Readonly<
    Record<
      string,
      {
        readonly path: string
        readonly without?: readonly string[] | undefined
        /** File of its statistics, where the recipe is merged with some; its digest is among those of `sha256`. */
        readonly statistics?: string | undefined
        readonly sha256?: Readonly<Record<string, string>> | undefined
      }
    >
  >
  readonly recipe: Recipe
}

export const recipeFileSchema: z.ZodType<RecipeFile> = z.strictObject({
  format: z.literal(1),
  models: z.record(
    z.string(),
    z.strictObject({
      path: z.string().min(1),
      without: z.array(z.string().min(1)).min(1).optional(),
      statistics: z.string().min(1).optional(),
      sha256: z
        .record(z.string(), z.string().regex(/^[0-9a-f]{64}$/, 'A SHA-256 is 64 lower-case hexadecimal digits.'))
        .optional(),
    }),
  ),
  recipe: recipeSchema,
})

/** YAML text of a recipe file, with a comment on how to use it. */
export function formatRecipeFile(file: RecipeFile): string {
  return `# A merge recipe. Rebuild the model: amalgam merge <this file> --out merged.safetensors\n${stringify(file)}`
}
