// A real merge search as a function: genome → accuracies, with the parts that a run is made of but none of its files.
import { fileURLToPath } from 'node:url'
import { load } from './amalgam.mjs'

const { loadSearchConfig } = await load('config/load.js')
const { selectObjectives } = await load('config/objectives.js')
const { createEvaluator } = await load('evaluation/registry.js')
const { createInlineExecutor } = await load('executors/inline.js')
const { inspectSources } = await load('merge/sources.js')
const { recipeDigest } = await load('recipe-digest.js')
const { spaceOf } = await load('run-config.js')

const at = path => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

/** Name → search-space file, and whether the accuracies become one: the share of all examples that are right. */
export const LANDSCAPES = {
  'digits-15': { file: 'search-spaces/digits.yaml', pooled: false },
  'digits-30': { file: 'bench/search/spaces/digits-30.yaml', pooled: false },
  'digits-15-pooled': { file: 'search-spaces/digits.yaml', pooled: true },
}

/** @param {string} name of LANDSCAPES; close() it in the end */
export async function openLandscape(name) {
  const { file, pooled } = LANDSCAPES[name]
  const config = loadSearchConfig(at(file))
  const evaluator = await createEvaluator(config.evaluator)
  const { objectives } = selectObjectives(evaluator.objectives, undefined)
  const tensors = inspectSources(config.sources).weights.map(tensor => tensor.name)
  const space = spaceOf({ resolved: config, tensors })
  const executor = await createInlineExecutor({ sources: config.sources, evaluator: config.evaluator })
  const known = new Map()
  return {
    space,
    objectives: pooled ? [pooledObjective(objectives)] : objectives,
    /** Scores of a genome; the same merge is scored once. @param {'search' | 'select' | 'holdout'} split */
    async score(genome, split) {
      const recipe = space.decode(genome)
      const key = `${split} ${recipeDigest(recipe)}`
      if (!known.has(key)) {
        const { values, exampleScores } = await executor.submit({ label: key, recipe, split })
        known.set(key, { values, exampleScores })
      }
      const { values, exampleScores } = known.get(key)
      return { each: values, ...(pooled ? pool(exampleScores) : { values, exampleScores }) }
    },
    /** Examples per objective. @param {'search' | 'select' | 'holdout'} split */
    examples(split) {
      const counts = executor.exampleCount(split)
      return pooled ? [counts.reduce((sum, n) => sum + n, 0)] : counts
    },
    forget: () => known.clear(),
    close: () => executor.close(),
  }
}

function pooledObjective(objectives) {
  const reference = objectives.reduce((sum, objective) => sum + objective.reference, 0) / objectives.length
  return { ...objectives[0], name: 'accuracy', reference }
}

function pool(exampleScores) {
  const all = Float32Array.from(exampleScores.flatMap(scores => [...scores]))
  return { values: [all.reduce((sum, score) => sum + score, 0) / all.length], exampleScores: [all] }
}
