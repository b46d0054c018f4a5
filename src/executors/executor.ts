import type { Evaluation } from '../candidate.ts'
import type { SessionChoice, Split } from '../evaluation/evaluator.ts'
import type { EvaluationJob } from '../evaluation/job.ts'

/** Facts worth showing. */
export interface ExecutorDiagnostics {
  /** Of the worker host. */
  readonly restarts: number
  /** What sessions have decided so far: each value of each option once. */
  readonly choices: readonly SessionChoice[]
}

/** Where jobs run. Checked by `test/contracts/executor-contract.ts`. */
export interface Executor {
  /**
   * Resolves with a scored or a failed evaluation; a job that throws, crashes its process, hangs past its limit or scores NaN
   * *resolves* as failed.
   * @throws {ExecutorError} (rejects) only when the executor itself is broken.
   * @throws {DOMException} (rejects) `AbortError` after `close()` or when `signal` fires before the job is done.
   */
  submit(job: EvaluationJob, signal?: AbortSignal): Promise<Evaluation>
  /** Examples per objective of the evaluator in a split, as its sessions announce them; 0 where an objective has none. */
  exampleCount(split: Split): readonly number[]
  diagnostics(): ExecutorDiagnostics
  /** Rejects what is in flight, ends workers, releases memory. Idempotent. */
  close(): Promise<void>
}
