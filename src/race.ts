import type { CandidateId, Evaluation, Timing, Trial } from './candidate.ts'
import type { EvaluationJob } from './evaluation/job.ts'
import type { Executor } from './executors/executor.ts'
import type { Objective } from './objective.ts'
import { decideRace, estimates, type RacingOptions, type Standing } from './racing/decide.ts'
import { RaceHistory, type RaceView } from './racing/history.ts'
import { prefixMean } from './racing/prefix-mean.ts'
import { rungRanges, rungSizes } from './racing/rungs.ts'
import type { Run } from './runs/run-store.ts'
import type { Scalarization } from './scalarization.ts'

export type { RacingOptions } from './racing/decide.ts'

type Scored = Extract<Evaluation, { status: 'scored' }>

export interface RaceParts {
  readonly run: Run
  readonly executor: Executor
  readonly objectives: readonly Objective[]
  readonly scalarization: Scalarization
  readonly options: RacingOptions
}

/**
 * Why candidates of an evaluator cannot be judged by some of their examples, as a sentence; `undefined` where they can.
 * @param counts examples per objective on the search split, shape (m,)
 */
export function whyNoRaces(
  objectives: readonly Objective[],
  counts: readonly number[],
  eta: number,
): string | undefined {
  const opaque = objectives.find((objective, i) => counts[i] !== 0 && objective.perExample === undefined)
  if (opaque !== undefined) return `the value of ${opaque.name} is not a mean over examples`
  if (rungSizes(counts, eta).length < 2) return `there are too few examples: ${Math.max(...counts)} at most`
  return undefined
}

/**
 * Candidates evaluated rung by rung, each as far as it is worth it. Every rung's scores are recorded before anything is decided by them;
 * what was recorded is not scored again. A race depends on the candidate's scores and on what had been told when the candidate was asked
 * for, never on what finished in the meantime.
 */
export class Races {
  readonly #parts: RaceParts
  readonly #counts: readonly number[]
  readonly #sizes: readonly (readonly number[])[]
  readonly #history: RaceHistory
  readonly #views = new Map<CandidateId, RaceView & { readonly isFirst: boolean }>()

  constructor(parts: RaceParts) {
    this.#parts = parts
    this.#counts = parts.executor.exampleCount('search')
    this.#sizes = rungSizes(this.#counts, parts.options.eta)
    this.#history = new RaceHistory(parts.objectives, parts.scalarization, this.#sizes, parts.options.share)
  }

  /** In the order of the run. */
  asked(ids: readonly CandidateId[]): void {
    const view = this.#history.asked(ids.length)
    for (const id of ids) this.#views.set(id, { ...view, isFirst: id === ids[0] })
  }

  /** In the order of the run. */
  told(trial: Trial): void {
    this.#history.tell(trial)
    this.#views.delete(trial.id)
  }

  /**
   * @param stop no further rung is begun once it has fired
   * @param cancel gives up what is running
   * @returns `undefined` where a signal fired before the race was decided
   */
  async evaluate(
    id: CandidateId,
    job: EvaluationJob,
    stop: AbortSignal,
    cancel: AbortSignal,
  ): Promise<Evaluation | undefined> {
    const { run, executor, objectives, scalarization, options } = this.#parts
    const view = this.#views.get(id)!
    const recorded = run.rungs(id)
    let seen: Scored | undefined
    for (let rung = 0; rung < this.#sizes.length; rung++) {
      let found = recorded[rung]
      if (found === undefined) {
        if (stop.aborted) return undefined
        found = await executor.submit({ ...job, ranges: rungRanges(this.#sizes, rung) }, cancel)
        if (cancel.aborted) return undefined
        if (found.status === 'scored') run.recordRung(id, rung, found)
      }
      if (found.status === 'failed') return found
      seen = seen === undefined ? found : joined(seen, found)
      if (rung === this.#sizes.length - 1) break
      const { values, exampleScores = [] } = seen
      const standing = { rung, values, exampleScores, counts: this.#counts, isFirst: view.isFirst }
      const stopped = decideRace(standing, view, objectives, scalarization, options)
      if (stopped !== undefined) return this.#stopped(seen, standing, view, stopped)
    }
    return this.#whole(seen!)
  }

  #stopped(seen: Scored, standing: Standing, view: RaceView, stopped: 'dominated' | 'outranked'): Evaluation {
    const estimated = estimates(standing, view, this.#parts.objectives)
    return {
      ...seen,
      values: estimated.map(({ value }) => value),
      partial: { of: this.#counts, standardErrors: estimated.map(({ standardError }) => standardError), stopped },
    }
  }

  /** As if it had been scored in one go, bit by bit: values are means over the examples. */
  #whole(seen: Scored): Evaluation {
    return {
      ...seen,
      values: seen.values.map((value, i) =>
        this.#counts[i] === 0 ? value : prefixMean(seen.exampleScores![i]!, this.#counts[i]!),
      ),
    }
  }
}

/** What an earlier and a later rung found; values are those of the earlier one, for objectives without examples. */
function joined(a: Scored, b: Scored): Scored {
  const timing: Timing = {
    totalMs: a.timing.totalMs + b.timing.totalMs,
    mergeMs: a.timing.mergeMs + b.timing.mergeMs,
    inferenceMs: a.timing.inferenceMs + b.timing.inferenceMs,
  }
  const exampleScores = a.exampleScores!.map((scores, i) => {
    const more = b.exampleScores![i]!
    const all = new Float32Array(scores.length + more.length)
    all.set(scores)
    all.set(more, scores.length)
    return all
  })
  return { status: 'scored', values: a.values, exampleScores, timing }
}
