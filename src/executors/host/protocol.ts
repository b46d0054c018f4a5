import type { MessagePort } from 'node:worker_threads'
import type { Evaluation } from '../../candidate.ts'
import type { SessionChoice, Split } from '../../evaluation/evaluator.ts'
import type { EvaluationJob, WorkerSetup } from '../../evaluation/job.ts'
import type { SharedSources } from '../../merge/sources.ts'

// What crosses the pipe between the coordinator and its worker host. Both ends are of one build, and nothing but these two
// files' processes holds the pipe (threads and grandchildren do not inherit it), so the types need no schema.

/** Coordinator → host. */
export type HostCommand =
  | {
      readonly type: 'setup'
      readonly setup: WorkerSetup
      readonly workers: number
      readonly memoryLimitBytes?: number
    }
  | { readonly type: 'job'; readonly id: number; readonly job: EvaluationJob }
  /** Drops a job that has not started; answered by `cancelled`, or by `done` when it has. */
  | { readonly type: 'cancel'; readonly id: number }
  /** Releases the sessions; answered by `closed`. Sent only while nothing runs. */
  | { readonly type: 'close' }

/** Host → coordinator. */
export type HostReport =
  | { readonly type: 'ready'; readonly rssBytes: number; readonly exampleCounts: ExampleCounts }
  | { readonly type: 'setup-failed'; readonly error: PlainError }
  /** A thread may start it at any time now; `started` or `cancelled` follows. */
  | { readonly type: 'offered'; readonly id: number }
  | { readonly type: 'started'; readonly id: number }
  | { readonly type: 'done'; readonly id: number; readonly evaluation: Evaluation }
  | { readonly type: 'cancelled'; readonly id: number }
  /** The thread that ran this job ended; another one takes its place. */
  | { readonly type: 'thread-died'; readonly id: number; readonly death: ThreadDeath }
  | { readonly type: 'over-memory'; readonly rssBytes: number }
  /** The pool has lost a thread for good. */
  | { readonly type: 'broken'; readonly reason: string }
  | { readonly type: 'closed' }
  | ChoicesReport

/** What a session has decided so far; before the job after which it is known is done. */
export interface ChoicesReport {
  readonly type: 'chose'
  readonly choices: readonly SessionChoice[]
}

/** What a session announces, per split and objective. */
export type ExampleCounts = Readonly<Record<Split, readonly number[]>>

export interface ThreadDeath {
  readonly kind: 'threw' | 'crashed' | 'memory'
  readonly reason: string
}

/** An error without its class. `hint` is there for errors of this project. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly hint: string | undefined
  readonly stack: string | undefined
}

/** Host → its threads, at their start. */
export interface ThreadData {
  readonly setup: WorkerSetup
  readonly shared: SharedSources
  /** Shape (workers,): the thread id that holds each index, 0 for a free one. Over a SharedArrayBuffer. */
  readonly slots: Int32Array
  /** See `offer.ts`. */
  readonly offer: Int32Array
}

/** Thread → host. */
export type ThreadReport =
  /** Once: the session is open, or why not. */
  | { readonly type: 'opened'; readonly threadId: number; readonly exampleCounts: ExampleCounts }
  | { readonly type: 'open-failed'; readonly error: PlainError }
  | ChoicesReport
  /** A job is done; `started`: the one on offer that it went on with, if there was one. */
  | {
      readonly type: 'done'
      readonly serve: number
      readonly id: number
      readonly evaluation: Evaluation
      readonly started: number | undefined
    }

/** What a thread is asked to do. A serve is a job and whatever is on offer after it. */
export type ThreadTask =
  | {
      readonly type: 'serve'
      readonly serve: number // from 1
      readonly id: number
      readonly job: EvaluationJob
      /** Where offers arrive. */
      readonly port: MessagePort
    }
  | { readonly type: 'close' }
