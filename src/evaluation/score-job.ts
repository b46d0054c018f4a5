import type { Evaluation, FailureKind, Timing } from '../candidate.ts'
import { AmalgamError, show } from '../errors.ts'
import type { Objective } from '../objective.ts'
import { CandidateFailure } from './candidate-failure.ts'
import type { EvaluatorSession, Scores } from './evaluator.ts'
import type { EvaluationJob } from './job.ts'
import type { WorkerSession } from './worker-session.ts'

/** A reason is one line of a table of trials, not a log. */
const REASON_LIMIT = 500

/** One job from recipe to values. Never rejects: whatever goes wrong belongs to the candidate and becomes a failed evaluation. */
export async function scoreJob(worker: WorkerSession, job: EvaluationJob): Promise<Evaluation> {
  const start = performance.now()
  let mergeMs = 0
  let inferenceMs = 0
  const timing = (): Timing => ({ totalMs: performance.now() - start, mergeMs, inferenceMs })
  try {
    // What a report quotes is scored by the definitions, as a written file is; a search takes the fast path, equal up to float32 rounding.
    const { tensors } = worker.merger.merge(job.recipe, { exact: job.split === 'holdout' })
    mergeMs = performance.now() - start
    const scores = await worker.session.score({ tensors, recipe: job.recipe }, job.split, job.ranges)
    if (Number.isFinite(scores.inferenceMs)) inferenceMs = scores.inferenceMs
    const { objectives } = worker.evaluator
    const values = checkedValues(scores, objectives)
    const exampleScores = checkedExampleScores(scores, objectives)
    const asked = examplesAsked(job, worker.session)
    checkCounts(exampleScores, asked, objectives)
    const bad = values.findIndex((value, i) => !Number.isFinite(value) && asked?.[i] !== 0)
    if (bad !== -1) {
      return failed('non-finite', `Objective ${show(objectives[bad]!.name)} is ${values[bad]}.`, timing())
    }
    return { status: 'scored', values, exampleScores, timing: timing() }
  } catch (error) {
    const kind = error instanceof CandidateFailure ? error.kind : 'threw'
    return failed(kind, reasonOf(error), timing(), error instanceof AmalgamError ? error.hint : undefined)
  }
}

export function failed(kind: FailureKind, reason: string, timing: Timing, hint?: string): Evaluation {
  return { status: 'failed', kind, reason: oneLine(reason), ...(hint !== undefined && { hint: oneLine(hint) }), timing }
}

/** What was thrown, as one line: the message, after the name where that says more than `Error`. */
export function reasonOf(thrown: unknown): string {
  try {
    if (!(thrown instanceof Error)) return oneLine(`A value that is not an Error was thrown: ${show(thrown, 200)}`)
    const message = thrown.message === '' ? '(no message)' : thrown.message
    return oneLine(thrown instanceof AmalgamError || thrown.name === 'Error' ? message : `${thrown.name}: ${message}`)
  } catch {
    return 'Something was thrown that cannot be shown.' // a getter or toString of it throws
  }
}

/** White space and control characters become single spaces; cut at `limit` characters. */
export function oneLine(text: string, limit = REASON_LIMIT): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: stripping them is the point (terminal escapes in messages).
  const line = text.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ').trim()
  return line.length <= limit ? line : `${line.slice(0, limit - 1)}…`
}

// An evaluator may be anybody's module: what it returns is checked here, once, before it travels.

function checkedValues(scores: Scores, objectives: readonly Objective[]): number[] {
  const values: readonly unknown[] = Array.isArray(scores.values) ? scores.values : []
  if (values.length !== objectives.length) {
    throw new Error(
      `The evaluator declares ${objectives.length} objectives (${objectives.map(o => o.name).join(', ')}) but returned ${values.length} values.`,
    )
  }
  return values.map((value, i) => {
    if (typeof value === 'number') return value
    throw new Error(`The evaluator returned ${show(value)} for objective ${show(objectives[i]!.name)}, not a number.`)
  })
}

/** Per objective how many examples the job asked for; `undefined` where it has none to ask for, or the job wants all. */
function examplesAsked(
  { ranges, split }: EvaluationJob,
  session: EvaluatorSession,
): (number | undefined)[] | undefined {
  if (ranges === undefined) return undefined
  const counts = session.exampleCount(split)
  return ranges.map(({ begin, end }, i) => (counts[i] === 0 ? undefined : end - begin))
}

/** A part of a score is put together with others: a session that does not know ranges, and scores all, must not pass. */
function checkCounts(
  exampleScores: readonly Float32Array[],
  asked: readonly (number | undefined)[] | undefined,
  objectives: readonly Objective[],
): void {
  asked?.forEach((count, i) => {
    const found = exampleScores[i]!.length
    if (count !== undefined && found !== count)
      throw new Error(
        `The evaluator was asked for ${count} examples of objective ${show(objectives[i]!.name)} and returned ${found} scores.`,
      )
  })
}

function checkedExampleScores(scores: Scores, objectives: readonly Objective[]): Float32Array[] {
  const lists: readonly unknown[] = Array.isArray(scores.exampleScores) ? scores.exampleScores : []
  if (lists.length !== objectives.length) {
    throw new Error(
      `The evaluator declares ${objectives.length} objectives but returned ${lists.length} lists of example scores (an empty list stands for none).`,
    )
  }
  return lists.map((list, i) => {
    // A copy: a view would carry its whole buffer through the structured clone, and a runtime may reuse that buffer.
    if (list instanceof Float32Array) return new Float32Array(list)
    throw new Error(`The example scores of objective ${show(objectives[i]!.name)} are not a Float32Array.`)
  })
}
