import { type Genome, isWhole, type JsonValue } from './candidate.ts'
import { loadYamlFile } from './config/load.ts'
import type { KnownRecipe } from './config/resolved.ts'
import { AmalgamError, ConfigError, GenomeError, show } from './errors.ts'
import { encodeFloat64 } from './numerics/float-codec.ts'
import type { Objective } from './objective.ts'
import { recipeDigest } from './recipe-digest.ts'
import { viewRun } from './run-config.ts'
import { readRun } from './runs/run-folder.ts'
import { candidateId } from './runs/run-reference.ts'
import type { Recipe } from './space/recipe.ts'
import { recipeFileSchema } from './space/recipe-file.ts'
import type { SearchSpace } from './space/search-space.ts'
import {
  encodeTrials,
  GUESSES_FACT,
  MAX_TRIALS,
  type RecordedGuesses,
  type RecordedTrials,
  WARM_START_FACT,
} from './start.ts'
import type { ToldTrial } from './strategies/strategy.ts'
import { toToldTrial } from './told-trial.ts'

/** The search that is about to begin. */
export interface Target {
  readonly space: SearchSpace
  readonly objectives: readonly Objective[]
  /** Input file → SHA-256: models and evaluator. */
  readonly digests: Readonly<Record<string, string>>
}

/**
 * The facts to record with a new run: see {@link startOf}. None where the config asks for neither.
 * @throws {ConfigError | RunStoreError} if a run or a recipe cannot be used, with the reason.
 */
export function gatherStart(
  config: { readonly warmStart?: string | undefined; readonly guesses?: readonly KnownRecipe[] | undefined },
  target: Target,
): Record<string, JsonValue> {
  return {
    ...(config.warmStart === undefined ? {} : { [WARM_START_FACT]: readTrials(config.warmStart, target) }),
    ...(config.guesses === undefined ? {} : { [GUESSES_FACT]: readGuesses(config.guesses, target.space) }),
  }
}

function readTrials(folder: string, target: Target): RecordedTrials {
  const run = readRun(folder)
  try {
    const { manifest } = run
    const refuse = (what: string): never => {
      throw new ConfigError(`Run ${show(manifest.runId)} cannot warm-start this search: ${what}.`, {
        hint: 'A warm start takes a run over the same models, genes and evaluator. For another space, name its best candidates as "guesses".',
      })
    }
    const { space } = viewRun(run)
    const fault = differentObjectives(manifest.objectives, target.objectives) ?? differentGenes(space, target.space)
    if (fault !== undefined) refuse(fault)
    const file = differentInput(manifest.digests, target.digests)
    if (file !== undefined) refuse(`${show(file)} is not among its input files, or has changed`)

    const told = run.events().flatMap(event => (event.type === 'told' ? event.ids : []))
    const trials = new Map(run.trials().map(trial => [trial.id, trial]))
    const positions = target.space.genes.map(gene => space.genes.findIndex(({ name }) => name === gene.name))
    const kept: ToldTrial[] = []
    for (const id of told.slice(-MAX_TRIALS)) {
      const trial = trials.get(id)
      if (trial === undefined || (trial.evaluation.status === 'scored' && !isWhole(trial.evaluation))) continue
      const genome = Float64Array.from(positions, position => trial.genome[position]!)
      const recipe = decodeInside(target.space, genome)
      if (recipe === undefined) continue
      if (recipeDigest(recipe) !== recipeDigest(space.decode(trial.genome)))
        refuse(`the genes of its candidate ${id} stand for another recipe in this space`)
      const { losses, exampleScores } = toToldTrial(trial, manifest.objectives)
      const pick = <T>(values: readonly T[]): T[] =>
        target.objectives.map(({ name }) => values[manifest.objectives.findIndex(o => o.name === name)]!)
      kept.push({
        id,
        genome,
        parents: [],
        memo: null,
        losses: losses && pick(losses),
        ...(exampleScores && { exampleScores: pick(exampleScores) }),
      })
    }
    if (kept.length === 0)
      refuse(told.length === 0 ? 'it has no trials' : 'no trial lies inside the bounds of this space')
    return encodeTrials(kept, {
      run: manifest.runId,
      folder,
      leftOut: Math.min(told.length, MAX_TRIALS) - kept.length,
      objectives: target.objectives.length,
    })
  } finally {
    run.close()
  }
}

function differentObjectives(theirs: readonly Objective[], ours: readonly Objective[]): string | undefined {
  for (const objective of ours) {
    const same = theirs.find(({ name }) => name === objective.name)
    if (same === undefined)
      return `it has no objective ${show(objective.name)}, only ${theirs.map(({ name }) => show(name)).join(', ')}`
    if (same.direction !== objective.direction || same.unit !== objective.unit)
      return `its objective ${show(objective.name)} is another one (${same.direction}, ${show(same.unit)})`
  }
  return undefined
}

/** Bounds and order may differ, names and kinds may not. */
function differentGenes(theirs: SearchSpace, ours: SearchSpace): string | undefined {
  const [before, now] = [theirs, ours].map(({ genes }) => new Map(genes.map(gene => [gene.name, gene])))
  for (const [name, gene] of now!) {
    const same = before!.get(name)
    if (same === undefined) return `it has no gene ${show(name)}`
    if (same.kind !== gene.kind) return `its gene ${show(name)} is ${same.kind}, not ${gene.kind}`
  }
  for (const name of before!.keys()) if (!now!.has(name)) return `its gene ${show(name)} is not in this space`
  return undefined
}

/** The first input of ours whose content theirs do not have. Paths may differ: a project may have been moved. */
function differentInput(theirs: Target['digests'], ours: Target['digests']): string | undefined {
  const known = new Set(Object.values(theirs))
  return Object.keys(ours).find(file => !known.has(ours[file]!))
}

function decodeInside(space: SearchSpace, genome: Genome): Recipe | undefined {
  try {
    return space.decode(genome)
  } catch (error) {
    if (error instanceof GenomeError) return undefined // outside the bounds
    throw error
  }
}

function readGuesses(known: readonly KnownRecipe[], space: SearchSpace): RecordedGuesses {
  const seen = new Set<string>()
  return known.flatMap(reference => {
    const from = reference.candidate === undefined ? reference.path : `${reference.path}:${reference.candidate}`
    const genome = encodeFloat64(encodeGuess(from, readRecipe(reference), space))
    if (seen.has(genome)) return []
    seen.add(genome)
    return [{ from, genome }]
  })
}

function encodeGuess(from: string, recipe: Recipe, space: SearchSpace): Genome {
  try {
    return space.encode(recipe)
  } catch (error) {
    if (!(error instanceof AmalgamError)) throw error
    throw new ConfigError(`The known recipe ${show(from, 400)} does not fit this search space: ${error.message}`, {
      hint: error.hint ?? 'Take it out of "guesses", or widen the space so that it contains the recipe.',
      cause: error,
    })
  }
}

function readRecipe({ path, candidate }: KnownRecipe): Recipe {
  if (candidate === undefined) return loadYamlFile(path, recipeFileSchema).recipe
  const run = readRun(path)
  try {
    return viewRun(run).space.decode(run.candidate(candidateId(run, candidate))!.genome)
  } finally {
    run.close()
  }
}
