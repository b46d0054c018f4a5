import type { Evaluation } from './candidate.ts'
import { type ExampleRange, rangesToScore } from './evaluation/example-range.ts'
import type { EvaluationJob } from './evaluation/job.ts'
import type { Executor } from './executors/executor.ts'
import type { Objective } from './objective.ts'
import { recipeDigest } from './recipe-digest.ts'
import { type CachedScores, ScoreCache } from './runs/score-cache.ts'

export interface CacheParts {
  readonly executor: Executor
  readonly cache: ScoreCache
  /** The evaluator's, all of them. */
  readonly objectives: readonly Objective[]
  readonly evaluatorDigest: string
  /** Source id → SHA-256 of its files, in order. */
  readonly sources: Readonly<Record<string, string>>
}

type Scored = Extract<Evaluation, { status: 'scored' }>
const NO_TIME = { totalMs: 0, mergeMs: 0, inferenceMs: 0 }

/**
 * An executor that scores only examples nobody has scored yet. What it answers is what the one behind it would have answered, bit by bit: values
 * that are means are taken again over the scores, others are kept where all examples were scored at once. Failures are not kept: they may
 * have been accidents.
 */
export function cachedExecutor(parts: CacheParts): Executor {
  const { executor, cache } = parts
  return {
    submit: (job, signal) => submit(parts, job, signal),
    exampleCount: split => executor.exampleCount(split),
    diagnostics: () => executor.diagnostics(),
    close: async () => {
      await executor.close()
      cache.close()
    },
  }
}

async function submit(parts: CacheParts, job: EvaluationJob, signal: AbortSignal | undefined): Promise<Evaluation> {
  const { executor, cache, objectives } = parts
  if (signal?.aborted === true) return executor.submit(job, signal)
  const counts = executor.exampleCount(job.split)
  const key = keyOf(parts, job)
  const known = cache.get(key)
  const wanted = rangesToScore(job.ranges, counts)
  const fromCache = known && answer(known, job.ranges === undefined, wanted, counts, objectives)
  if (fromCache !== undefined) return fromCache
  const missing = known && missingPart(known, wanted, counts, objectives)
  const found = await executor.submit(missing === undefined ? job : { ...job, ranges: missing }, signal)
  if (found.status === 'failed') return found
  const scored = missing ?? wanted
  const joined: CachedScores = {
    exampleScores: counts.map((count, i) => {
      const old = known?.exampleScores[i] ?? new Float32Array(0)
      const more = found.exampleScores?.[i] ?? new Float32Array(0)
      return count === 0 || scored[i]!.begin > old.length ? old : appended(old, more, scored[i]!.begin)
    }),
    whole: job.ranges === undefined && missing === undefined ? found.values : known?.whole,
    exact: found.values.map((value, i) => (counts[i] === 0 && Number.isFinite(value) ? value : null)),
  }
  cache.put(key, joined)
  if (missing === undefined) return found
  const all = answer(joined, job.ranges === undefined, wanted, counts, objectives)
  if (all?.status !== 'scored') throw new Error('Examples that were scored are not there.')
  return { ...all, timing: found.timing }
}

function keyOf({ evaluatorDigest, sources }: CacheParts, { recipe, split }: EvaluationJob): string {
  const base = recipe.kind === 'parameter-merge' ? recipe.base : undefined
  const ids = [...recipe.sources, ...(base === undefined ? [] : [base])]
  return ScoreCache.key([recipeDigest(recipe), ...ids.map(id => `${id}=${sources[id] ?? ''}`), evaluatorDigest, split])
}

/** `undefined` where not all of it is known. */
function answer(
  known: CachedScores,
  whole: boolean,
  wanted: readonly ExampleRange[],
  counts: readonly number[],
  objectives: readonly Objective[],
): Scored | undefined {
  if (known.exampleScores.length !== counts.length) return undefined
  if (wanted.some(({ end }, i) => counts[i] !== 0 && end > known.exampleScores[i]!.length)) {
    // An evaluator may give no scores of single examples at all: then only the whole can be known.
    if (!whole || known.whole === undefined) return undefined
    return { status: 'scored', values: known.whole, exampleScores: known.exampleScores, timing: NO_TIME }
  }
  const exampleScores = wanted.map(({ begin, end }, i) => known.exampleScores[i]!.slice(begin, end))
  if (whole && known.whole !== undefined)
    return { status: 'scored', values: known.whole, exampleScores, timing: NO_TIME }
  const values = objectives.map((objective, i) => {
    if (counts[i] === 0) return known.exact[i] ?? undefined
    return objective.perExample === undefined && wanted[i]!.begin < wanted[i]!.end ? undefined : mean(exampleScores[i]!)
  })
  if (!values.every(value => value !== undefined)) return undefined
  return { status: 'scored', values, exampleScores, timing: NO_TIME }
}

/** What must still be scored, where scores can be put together from parts; `undefined`: all that is wanted. */
function missingPart(
  known: CachedScores,
  wanted: readonly ExampleRange[],
  counts: readonly number[],
  objectives: readonly Objective[],
): readonly ExampleRange[] | undefined {
  if (known.exampleScores.length !== counts.length) return undefined
  if (objectives.some((objective, i) => counts[i] !== 0 && objective.perExample === undefined)) return undefined
  return wanted.map(({ begin, end }, i) => {
    const length = known.exampleScores[i]!.length
    return length > begin ? { begin: Math.min(length, end), end } : { begin, end }
  })
}

/** `more` begins at example `begin` ≤ old.length. */
function appended(old: Float32Array, more: Float32Array, begin: number): Float32Array {
  if (begin + more.length <= old.length) return old
  const all = new Float32Array(begin + more.length)
  all.set(old.subarray(0, begin))
  all.set(more, begin)
  return all
}

/** In float64, left to right, as evaluators take it. */
function mean(scores: Float32Array): number {
  let sum = 0
  for (const score of scores) sum += score
  return sum / scores.length
}
