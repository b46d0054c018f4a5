import type { Evaluation, Genome } from '../../src/candidate.ts'
import type { EvaluationJob } from '../../src/evaluation/job.ts'
import type { Objective } from '../../src/objective.ts'
import { createRng } from '../../src/rng.ts'
import type { RunManifest } from '../../src/runs/run-store.ts'
import { FAKE_SPACE } from './fake-search.ts'
import { parameterMerge } from './parameter-merge.ts'
import { manifest } from './trials.ts'

export const ITEMS = 300

/** Share of items answered, and a size that costs nothing to know. */
export const RACE_OBJECTIVES: readonly Objective[] = [
  {
    name: 'accuracy',
    direction: 'maximize',
    unit: 'accuracy, 0..1',
    reference: 0,
    ideal: 1,
    perExample: { low: 0, high: 1 },
  },
]

export const RACE_MANIFEST: RunManifest = manifest({ objectives: RACE_OBJECTIVES, geneNames: ['a', 'b'] })

const difficulty = createRng(77)
const ITEM_DIFFICULTY = Float64Array.from({ length: ITEMS }, () => difficulty.normal())

/** Which items a recipe gets right: those easier than it is able, and some by luck, which is the recipe's own. */
export function itemScores(genome: ArrayLike<number>): Float32Array {
  const ability = 2.5 - 4 * Math.hypot(genome[0]! - 0.3, genome[1]! + 0.2)
  const luck = createRng(1).split(`${genome[0]} ${genome[1]}`)
  return Float32Array.from(ITEM_DIFFICULTY, b => (luck.uniform() < 1 / (1 + Math.exp(b - ability)) ? 1 : 0))
}

export function scoreRanges({ recipe, ranges }: EvaluationJob): Evaluation {
  const { a, b } = parameterMerge(recipe).groups[0]!.coefficients
  const { begin, end } = ranges?.[0] ?? { begin: 0, end: ITEMS }
  const scores = itemScores([a?.weight ?? 0, b?.weight ?? 0]).slice(begin, end)
  const value = scores.reduce((sum, score) => sum + score, 0) / scores.length
  return {
    status: 'scored',
    values: [value],
    exampleScores: [scores],
    timing: { totalMs: 0, mergeMs: 0, inferenceMs: 0 },
  }
}

export const decode = (genome: Genome) => FAKE_SPACE.decode(genome)
