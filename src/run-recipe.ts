import type { ResolvedConfig } from './config/resolved.ts'
import type { SourceReference } from './merge/model.ts'
import type { RunManifest } from './runs/run-store.ts'
import { usesStatistics } from './space/methods.ts'
import type { Recipe } from './space/recipe.ts'
import { formatRecipeFile, type RecipeFile } from './space/recipe-file.ts'

/** A recipe with the models it names, as a run knows them. */
export function recipeFileOf(
  recipe: Recipe,
  config: Pick<ResolvedConfig, 'sources'>,
  manifest: Pick<RunManifest, 'digests'>,
): RecipeFile {
  const named = new Set([...recipe.sources, ...(recipe.base === undefined ? [] : [recipe.base])])
  const measured = usesStatistics(recipe)
  const models = config.sources
    .filter(source => named.has(source.id))
    .map(({ statistics, ...source }) => (measured && statistics !== undefined ? { ...source, statistics } : source))
    .map((source: SourceReference) => {
      const { statistics } = source
      // A model, its adapters, and its statistics.
      const parts = [source.path, ...source.path.split('+'), ...(statistics === undefined ? [] : [statistics])]
      // What is below a folder, or the file: an evaluator that reads the folder has a digest of the whole of it.
      // Statistics that this model is not merged with may lie in its folder.
      const foreign = config.sources.map(other => other.statistics).filter(path => path !== statistics)
      const isForeign = (file: string) => foreign.some(path => file === path || file.startsWith(`${path}/`))
      const files = Object.keys(manifest.digests).filter(file => !isForeign(file))
      const below = files.filter(file => parts.some(part => file.startsWith(`${part}/`)))
      const own = files.filter(file => parts.includes(file) && !below.some(inside => inside.startsWith(`${file}/`)))
      const sha256 = Object.fromEntries([...own, ...below].map(file => [file, manifest.digests[file]!]))
      const { path, without } = source
      return [
        source.id,
        {
          path,
          ...(without && { without }),
          ...(statistics && { statistics }),
          ...(Object.keys(sha256).length > 0 && { sha256 }),
        },
      ] as const
    })
  return { format: 1, models: Object.fromEntries(models), recipe }
}

export function recipeYaml(recipe: Recipe, config: ResolvedConfig, manifest: RunManifest): string {
  return formatRecipeFile(recipeFileOf(recipe, config, manifest))
}
