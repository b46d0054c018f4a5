import type { MergedModel } from '../../merge/model.ts'
import type { ExampleRange, Split } from '../evaluator.ts'
import type { OnnxPlan } from './plan.ts'
import type { TaskRunner, Way } from './task-runner.ts'
import type { Facts } from './tasks/task.ts'

/** Of a task's batches one in so many is tried, and `MOST_BATCHES` at most. */
const SHARE = 8
const MOST_BATCHES = 4
/** Rounds at most, each of them the same batches both ways. */
const MOST_ROUNDS = 6
/** Rounds that agree settle it; the first is not among them, because it allocates. */
const SETTLED_BY = 2
/** Milliseconds that there always are, however little a candidate takes. */
const LEAST_MS = 200
/** Examples of small runs, whose outputs must be equal too: runtimes take other paths for the last rows of a matrix. */
const SMALL_RUNS = [1, 2, 3, 5, 17]

/** What two ways to run the same plan take for a candidate, and whether they give the same. */
export interface TrialResult {
  /** Estimated milliseconds per candidate. */
  readonly firstMs: number
  readonly secondMs: number
  /** Whether all outputs that were compared were equal, bit by bit. Where the second way is the slower one, those of the timed batches. */
  readonly isEqual: boolean
}

/** As much of the runner as a trial uses. */
export type TrialRunner = Pick<TaskRunner, 'measureEach'>

/** What a trial runs of a task. */
interface TaskTrial {
  readonly task: number
  /** Examples of the split. */
  readonly count: number
  /** The first so many are timed. */
  readonly timed: number
  /** The batch that the split ends with, and small ones, which races and caches ask for. */
  readonly others: readonly (readonly ExampleRange[])[]
}

/**
 * Scores some examples of every task that an objective needs both ways. The ways take turns until one of them was faster each time, or until
 * about as much time is gone as a candidate takes the first way. More outputs are compared only where the second way is faster, which is
 * where it may be taken, and then always the same ones: the clock decides which of two equal ways is taken, never whether they are equal.
 */
export async function compareWays(
  runner: TrialRunner,
  plan: Pick<OnnxPlan, 'tasks' | 'objectives' | 'batchSize'>,
  model: MergedModel,
  split: Split,
  ways: readonly [Way, Way],
): Promise<TrialResult> {
  const trials = taskTrials(plan, split)
  const best = trials.map((): [number, number] => [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])
  const rounds: (readonly [number, number])[] = []
  let [spentMs, isEqual] = [0, true]
  const candidateMs = (way: 0 | 1): number => best.reduce((sum, times) => sum + times[way], 0)
  for (let lastMs = 0; isWorthARound(rounds, spentMs + lastMs, candidateMs(0)); ) {
    const before = spentMs
    const round: [number, number] = [0, 0]
    for (const [i, { task, count, timed }] of trials.entries()) {
      const outputs: Facts[] = []
      // Whoever goes first pays for what both need, such as input rows that no cache holds yet.
      for (const way of rounds.length % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const { facts, weightsMs, runMs } = await runner.measureEach(model, ways[way], task, split, [head(timed)])
        const wholeMs = weightsMs + runMs * (count / timed)
        best[i]![way] = Math.min(best[i]![way], wholeMs)
        round[way] += wholeMs
        spentMs += weightsMs + runMs
        outputs.push(facts[0]!)
      }
      isEqual &&= sameBits(outputs[0]!, outputs[1]!)
    }
    rounds.push(round)
    lastMs = spentMs - before
  }
  const [firstMs, secondMs] = [candidateMs(0), candidateMs(1)]
  if (secondMs < firstMs && isEqual) isEqual = await isEqualElsewhere(runner, model, split, ways, trials)
  return { firstMs, secondMs, isEqual }
}

function taskTrials({ tasks, objectives, batchSize }: Parameters<typeof compareWays>[1], split: Split): TaskTrial[] {
  return [...new Set(objectives.map(objective => objective.task))].flatMap(task => {
    const count = tasks[task]!.task.counts[split]
    if (count === 0) return []
    const batches = Math.min(MOST_BATCHES, Math.max(1, Math.floor(count / batchSize / SHARE)))
    const rest = count % batchSize
    const small = SMALL_RUNS.filter(size => size < count).map(head)
    const last = rest === 0 || rest === count ? [] : [[{ begin: count - rest, end: count }]]
    return [{ task, count, timed: Math.min(count, batches * batchSize), others: [...small, ...last] }]
  })
}

/**
 * @param rounds milliseconds of a candidate, each way, as every round so far had it
 * @param afterMs what the trial will have taken after one more
 * @param candidateMs what may be spent: as long as a candidate takes the first way
 */
function isWorthARound(rounds: readonly (readonly [number, number])[], afterMs: number, candidateMs: number): boolean {
  if (rounds.length === 0) return true
  if (rounds.length === MOST_ROUNDS || afterMs > Math.max(LEAST_MS, candidateMs)) return false
  const [first, second] = [0, 1].map(way => rounds.slice(1).map(times => times[way]!))
  const isSettled = Math.max(...first!) < Math.min(...second!) || Math.max(...second!) < Math.min(...first!)
  return rounds.length <= SETTLED_BY || !isSettled
}

async function isEqualElsewhere(
  runner: TrialRunner,
  model: MergedModel,
  split: Split,
  [first, second]: readonly [Way, Way],
  trials: readonly TaskTrial[],
): Promise<boolean> {
  for (const { task, others } of trials) {
    const { facts } = await runner.measureEach(model, first, task, split, others)
    const { facts: found } = await runner.measureEach(model, second, task, split, others)
    if (!facts.every((each, i) => sameBits(each, found[i]!))) return false
  }
  return true
}

function head(end: number): readonly ExampleRange[] {
  return [{ begin: 0, end }]
}

function sameBits({ values: a }: Facts, { values: b }: Facts): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: Facts['values']): Buffer =>
    Buffer.from(buffer, byteOffset, byteLength)
  return bytes(a).equals(bytes(b))
}
