import type { MergedModel } from '../../merge/model.ts'
import type { ExampleRange, Split } from '../evaluator.ts'
import type { OnnxPlan } from './plan.ts'
import type { TaskRunner, Way } from './task-runner.ts'
import type { Facts } from './tasks/task.ts'

/** Batches per task that are timed. */
const TRIAL_BATCHES = 4
/** Times that each way is timed, in turn with the other; the shortest counts. Where that takes long, once is exact enough. */
const ROUNDS = 3
const LONG_MS = 500
/** Examples of small runs, whose outputs must be equal too: runtimes take other paths for the last rows of a matrix. */
const SMALL_RUNS = [1, 2, 3, 5, 17]

/** What two ways to run the same plan take for a candidate, and whether they give the same. */
export interface TrialResult {
  /** Estimated milliseconds per candidate. */
  readonly firstMs: number
  readonly secondMs: number
  /** Whether all outputs were equal, bit by bit. */
  readonly isEqual: boolean
}

/** Scores the first examples of every task that an objective needs both ways. */
export async function compareWays(
  runner: TaskRunner,
  plan: OnnxPlan,
  model: MergedModel,
  split: Split,
  [first, second]: readonly [Way, Way],
): Promise<TrialResult> {
  let [firstMs, secondMs, isEqual] = [0, 0, true]
  for (const task of new Set(plan.objectives.map(objective => objective.task))) {
    const count = plan.tasks[task]!.task.counts[split]
    if (count === 0) continue
    const sets = equalSets(count, plan.batchSize)
    // Before anything is timed: the first run of a shape allocates.
    const outputs = await runner.measureEach(model, first, task, split, sets)
    const others = await runner.measureEach(model, second, task, split, sets)
    isEqual &&= outputs.every((facts, i) => sameBits(facts, others[i]!))
    let [bestFirst, bestSecond] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    const started = performance.now()
    for (let round = 0; round < ROUNDS && (round === 0 || performance.now() - started < LONG_MS); round++) {
      bestFirst = Math.min(bestFirst, await candidateMs(runner, plan, model, first, task, split))
      bestSecond = Math.min(bestSecond, await candidateMs(runner, plan, model, second, task, split))
    }
    firstMs += bestFirst
    secondMs += bestSecond
  }
  return { firstMs, secondMs, isEqual }
}

/** Full batches, the batch that the split ends with, and small ones, which races and caches ask for. */
function equalSets(count: number, batchSize: number): readonly (readonly ExampleRange[])[] {
  const lengths = [Math.min(count, TRIAL_BATCHES * batchSize), ...SMALL_RUNS.filter(size => size < count)]
  const heads = lengths.map(end => [{ begin: 0, end }])
  const rest = count % batchSize
  return rest === 0 ? heads : [...heads, [{ begin: count - rest, end: count }]]
}

/** Estimated from the first batches. */
async function candidateMs(
  runner: TaskRunner,
  plan: OnnxPlan,
  model: MergedModel,
  way: Way,
  task: number,
  split: Split,
): Promise<number> {
  const count = plan.tasks[task]!.task.counts[split]
  const end = Math.min(count, TRIAL_BATCHES * plan.batchSize)
  const started = performance.now()
  await runner.measure(model, way, task, split, [{ begin: 0, end }])
  const wholeMs = performance.now() - started
  // Building the session is a part of a candidate's cost that does not grow with the examples.
  const buildMs = way.weights === 'initializers' ? await runner.buildMs(model, way, task) : 0
  return Math.min(buildMs, wholeMs) + Math.max(0, wholeMs - buildMs) * (count / end)
}

function sameBits({ values: a }: Facts, { values: b }: Facts): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: Facts['values']): Buffer =>
    Buffer.from(buffer, byteOffset, byteLength)
  return bytes(a).equals(bytes(b))
}
