import { fileURLToPath } from 'node:url'
import { loadSearchConfig } from '../../dist/config/load.js'
import { createInlineExecutor } from '../../dist/executors/inline.js'
import { inspectSources } from '../../dist/merge/sources.js'
import { recordOf } from '../../dist/record-space.js'
import { createRng } from '../../dist/rng.js'
import { spaceOf } from '../../dist/run-config.js'

/**
 * Answers (0 or 1) of the experts and of random candidates of the digits example to all examples of the search split.
 * @param count candidates of each seed
 * @returns {Promise<{ parents: Float32Array[], candidates: Float32Array[][], strata: Int32Array }>} candidates: seed by seed; strata: which task
 *   an example is of
 */
export async function digitsCandidates(count, seeds) {
  const path = fileURLToPath(new URL('../../search-spaces/digits.yaml', import.meta.url))
  const config = loadSearchConfig(path)
  const space = spaceOf(recordOf(config, inspectSources(config.sources), { weights: true }))
  const executor = await createInlineExecutor({ sources: config.sources, evaluator: config.evaluator })
  const answers = async recipe => {
    const evaluation = await executor.submit({ label: 'candidate', recipe, split: 'search' })
    if (evaluation.status !== 'scored') throw new Error(evaluation.reason)
    return Float32Array.from(evaluation.exampleScores.flatMap(scores => [...scores]))
  }
  const parents = []
  for (const id of config.models) {
    const others = Object.fromEntries(config.models.map(model => [model, { weight: model === id ? 1 : 0 }]))
    parents.push(
      await answers({
        kind: 'parameter-merge',
        method: 'task_arithmetic',
        base: config.base,
        sources: config.models,
        parameters: {},
        groups: [{ layers: 'all', coefficients: others }],
      }),
    )
  }
  const candidates = []
  for (const seed of seeds) {
    const rng = createRng(seed).split('digits candidates')
    const own = []
    while (own.length < count) {
      const genome = Float64Array.from(space.genes, ({ low, high }) => low + (high - low) * rng.uniform() ** 2)
      own.push(await answers(space.decode(genome)))
    }
    candidates.push(own)
  }
  const counts = executor.exampleCount('search')
  await executor.close()
  return { parents, candidates, strata: Int32Array.from(counts.flatMap((n, task) => new Array(n).fill(task))) }
}
