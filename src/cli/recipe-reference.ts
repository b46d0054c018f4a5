import { existsSync, statSync } from 'node:fs'
import { basename, dirname, extname, resolve } from 'node:path'
import { loadYamlFile } from '../config/load.ts'
import { ConfigError, MergeError, show } from '../errors.ts'
import type { EvaluatorReference } from '../evaluation/job.ts'
import type { SourceReference } from '../merge/model.ts'
import { resolveModelPath } from '../merge/model-path.ts'
import { digestFiles, digestsByName, inspectSources } from '../merge/sources.ts'
import { recipeFileOf } from '../run-recipe.ts'
import { candidateId, splitCandidate } from '../runs/run-reference.ts'
import { usesStatistics } from '../space/methods.ts'
import type { Recipe } from '../space/recipe.ts'
import { type RecipeFile, recipeFileSchema } from '../space/recipe-file.ts'
import { withRun } from './open-run.ts'

/** A recipe ready to be merged: what it names was found, and is what the recipe was made with. */
export interface ReadyRecipe {
  readonly recipe: Recipe
  readonly sources: readonly SourceReference[]
  /** SHA-256 of the sources' files, verified, where the recipe gives them: source id → file name → digest. */
  readonly digests: ReadonlyMap<string, Readonly<Record<string, string>>>
  /** The evaluator of the run it comes from. */
  readonly evaluator?: EvaluatorReference
  /** For messages. */
  readonly label: string
}

/**
 * `<run>:<candidate>`, a recipe file, or (with `models`) a model file or folder.
 * @throws {ConfigError | MergeError | RunStoreError}
 */
export async function resolveRecipe(text: string, allow: { readonly models: boolean }): Promise<ReadyRecipe> {
  const candidate = existsSync(text) ? undefined : splitCandidate(text)
  if (candidate !== undefined) {
    const found = withRun(candidate.run, ({ run, config, options }) => {
      const id = candidateId(run, candidate.candidate)
      const recipe = options.decode(run.candidate(id)!.genome)
      return {
        file: recipeFileOf(recipe, config.resolved, run.manifest),
        evaluator: config.resolved.evaluator,
        label: `candidate ${id} of ${run.manifest.runId}`,
      }
    })
    return { ...(await ready(found.file, process.cwd(), found.label)), evaluator: found.evaluator }
  }
  const stats = statSync(text, { throwIfNoEntry: false })
  if (stats === undefined) {
    throw new ConfigError(
      `There is no ${show(text)}: expected a recipe file${allow.models ? ', a model' : ''} or <run>:<candidate>.`,
      {
        hint: 'For a candidate: amalgam merge digits-1:winner --out merged/',
      },
    )
  }
  if (stats.isFile() && ['.yaml', '.yml', '.json'].includes(extname(text))) {
    return ready(loadYamlFile(text, recipeFileSchema), dirname(resolve(text)), basename(text))
  }
  if (!allow.models) throw new ConfigError(`${show(text)} is not a recipe: expected a .yaml file or <run>:<candidate>.`)
  const recipe: Recipe = {
    kind: 'parameter-merge',
    method: 'linear',
    base: undefined,
    sources: ['model'],
    parameters: { normalize: false },
    groups: [{ layers: 'all', coefficients: { model: { weight: 1 } } }],
  }
  return { recipe, sources: [{ id: 'model', path: resolve(text) }], digests: new Map(), label: basename(resolve(text)) }
}

async function ready(file: RecipeFile, folder: string, label: string): Promise<ReadyRecipe> {
  const measured = usesStatistics(file.recipe)
  const named = [...(file.recipe.base === undefined ? [] : [file.recipe.base]), ...file.recipe.sources]
  const sources = named.map(id => {
    const model = Object.hasOwn(file.models, id) ? file.models[id] : undefined
    if (model === undefined)
      throw new ConfigError(`The recipe merges "${id}", which its "models" do not name.`, {
        hint: `Add it: models: { ${id}: { path: ... } }`,
      })
    const { path, without, statistics } = model
    if (statistics !== undefined && !measured) {
      throw new ConfigError(`Model "${id}" names statistics, and ${file.recipe.method} merges without any.`, {
        hint: 'Drop "statistics", or merge by fisher or regmean.',
      })
    }
    return {
      id,
      path: resolveModelPath(folder, path, existsSync),
      ...(without && { without }),
      ...(statistics !== undefined && { statistics: resolve(folder, statistics) }),
    }
  })
  const digests = new Map<string, Readonly<Record<string, string>>>()
  for (const source of sources) {
    const expected = Object.values(file.models[source.id]?.sha256 ?? {})
    if (expected.length === 0) continue
    const files = inspectSources([source]).sources.flatMap(({ files }) => files)
    const digested = await digestFiles(files)
    const found = digested.map(({ sha256 }) => sha256)
    if (expected.length === found.length && expected.every(digest => found.includes(digest))) {
      digests.set(source.id, digestsByName(digested))
      continue
    }
    throw new MergeError(
      `Model "${source.id}" is not the one this recipe was made with: expected SHA-256 ${expected.join(', ')}, found ${found.join(', ')}.`,
      {
        hint: `Point its "path" ${source.statistics === undefined ? 'at the original weights' : 'and "statistics" at the original files'}, or drop "sha256" to merge these all the same.`,
      },
    )
  }
  return { recipe: file.recipe, sources, digests, label }
}
