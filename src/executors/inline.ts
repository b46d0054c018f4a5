import type { Evaluation } from '../candidate.ts'
import type { Split } from '../evaluation/evaluator.ts'
import type { EvaluationJob, WorkerSetup } from '../evaluation/job.ts'
import { scoreJob } from '../evaluation/score-job.ts'
import { choicesOf } from '../evaluation/session-choices.ts'
import { openWorkerSession, type WorkerSession } from '../evaluation/worker-session.ts'
import { loadSharedSources } from '../merge/sources.ts'
import type { Executor, ExecutorDiagnostics } from './executor.ts'

/**
 * Runs jobs in this process, in order, one at a time: no isolation, no time limit. For tests, `evaluate` and debugging.
 * @throws {AmalgamError} (rejects) if sources or evaluator cannot be set up.
 */
export async function createInlineExecutor(setup: WorkerSetup): Promise<Executor> {
  const shared = loadSharedSources(setup.sources, { threads: 1 })
  return new InlineExecutor(await openWorkerSession(setup, shared, 0))
}

class InlineExecutor implements Executor {
  readonly #worker: WorkerSession
  /** Per job that is not done: what rejects it. */
  readonly #aborts = new Set<() => void>()
  /** Ends when the last submitted job has ended; never rejects. */
  #tail: Promise<void> = Promise.resolve()
  #closed: Promise<void> | undefined

  constructor(worker: WorkerSession) {
    this.#worker = worker
  }

  submit(job: EvaluationJob, signal?: AbortSignal): Promise<Evaluation> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#aborts.delete(abort)
        signal?.removeEventListener('abort', abort)
        reject(new DOMException(`${job.label} was given up.`, 'AbortError'))
      }
      if (this.#closed !== undefined || signal?.aborted === true) {
        abort()
        return
      }
      this.#aborts.add(abort)
      signal?.addEventListener('abort', abort)
      this.#tail = this.#tail.then(async () => {
        if (!this.#aborts.has(abort)) return
        const evaluation = await scoreJob(this.#worker, job)
        this.#aborts.delete(abort)
        signal?.removeEventListener('abort', abort)
        resolve(evaluation) // has no effect after a rejection
      })
    })
  }

  exampleCount(split: Split): readonly number[] {
    return this.#worker.session.exampleCount(split)
  }

  diagnostics(): ExecutorDiagnostics {
    return { restarts: 0, choices: choicesOf(this.#worker.session) }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    for (const abort of this.#aborts) abort()
    await this.#tail // a session must not be closed under a job
    await this.#worker.session.close()
  }
}
