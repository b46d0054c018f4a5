import { existsSync } from 'node:fs'
import type { Evaluation } from '../../candidate.ts'
import { type AmalgamError, ConfigError, ExecutorError, show } from '../../errors.ts'
import { ChoiceBook } from '../../evaluation/choice-book.ts'
import type { SessionChoice, Split } from '../../evaluation/evaluator.ts'
import type { EvaluationJob, WorkerSetup } from '../../evaluation/job.ts'
import { oneLine } from '../../evaluation/score-job.ts'
import type { Executor, ExecutorDiagnostics } from '../executor.ts'
import { compiledPath } from './compiled.ts'
import { HostProcess } from './host-process.ts'
import { fromPlainError } from './plain-error.ts'
import type { ExampleCounts, HostReport } from './protocol.ts'
import { describeDeath, type HostDeath, type HostEnd, isFromOutside, type Task, TaskBook } from './task-book.ts'

export interface WorkerHostOptions {
  /** Threads, each with a session of its own. */
  readonly workers: number
  /** Limit of one evaluation, counted from its start in a thread. Absent: none. */
  readonly evaluationTimeoutMs?: number
  /** Limit of the host's resident size: sources, sessions and candidates together. Absent: none. */
  readonly memoryLimitBytes?: number
  /** Limit of loading sources and opening sessions. Default 10 minutes. */
  readonly startTimeoutMs?: number
  readonly onEvent?: (event: WorkerHostEvent) => void
}

export type WorkerHostEvent =
  | { readonly type: 'spawned'; readonly pid: number | undefined }
  | { readonly type: 'ready'; readonly pid: number | undefined; readonly rssBytes: number }
  /** `reason` is a sentence for a log. */
  | { readonly type: 'ended'; readonly pid: number | undefined; readonly reason: string }
  /** A session has decided something that no session before it had decided this way. */
  | { readonly type: 'chose'; readonly choice: SessionChoice }

const DEFAULT_START_TIMEOUT_MS = 600_000
/** The longest delay a timer takes; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1
/** Deaths in a row while starting: by its own doing; from outside, before and after it was ready for the first time. */
const START_DEATHS = { own: 3, outsideAtFirst: 5, outsideLater: 25 } as const
/** For evaluators to end what they started, before the process is killed. */
const CLOSE_GRACE_MS = 2000

/**
 * Runs jobs in a child process with a pool of threads. A candidate that crashes, hangs or grows past the memory limit costs a
 * restart of that process; every other candidate is scored as if nothing had happened.
 * @throws {AmalgamError} (rejects) if sources or evaluator cannot be set up: the error raised in the host, of its class.
 * @throws {ExecutorError} (rejects) if the host cannot be started.
 */
export async function createWorkerHostExecutor(setup: WorkerSetup, options: WorkerHostOptions): Promise<Executor> {
  checkOptions(options)
  const executor = new WorkerHostExecutor(setup, options)
  await executor.opened
  return executor
}

/** Why this executor killed its host. */
type KillCause =
  | { readonly type: 'timeout' | 'over-memory' | 'fresh-host' | 'broken' | 'closed'; readonly reason: string }
  | { readonly type: 'unusable'; readonly reason: string; readonly error: Error }

class WorkerHostExecutor implements Executor {
  /** Settles when the first host is ready, or never will be. */
  readonly opened: Promise<void>
  readonly #setup: WorkerSetup
  readonly #options: WorkerHostOptions
  readonly #book: TaskBook
  #settleOpened: (error?: Error) => void = () => {}

  /** `down`: there is none until there is work; `dying`: it was killed and is not gone yet. */
  #state: 'down' | 'starting' | 'ready' | 'dying' = 'down'
  #host: HostProcess | undefined
  #killCause: KillCause | undefined
  /** Jobs the present host was given. */
  #hostJobs = 0
  #restarts = 0
  readonly #choices = new ChoiceBook()
  #everReady = false
  #exampleCounts: ExampleCounts = { search: [], select: [], holdout: [] }
  #startDeaths = { own: 0, outside: 0 }
  /** Set once: nothing can be run any more, and why. */
  #finished: Error | undefined
  #closed: Promise<void> | undefined
  #onSessionsClosed: () => void = () => {}

  constructor(setup: WorkerSetup, options: WorkerHostOptions) {
    this.#setup = setup
    this.#options = options
    this.#book = new TaskBook(options.workers)
    this.opened = new Promise((resolve, reject) => {
      this.#settleOpened = error => (error === undefined ? resolve() : reject(error))
    })
    this.#launch()
  }

  submit(job: EvaluationJob, signal?: AbortSignal): Promise<Evaluation> {
    return new Promise((resolve, reject) => {
      if (this.#finished !== undefined) {
        reject(this.#finished)
        return
      }
      const giveUp = (): void => this.#giveUp(task)
      const task = this.#book.add(job, outcome => {
        signal?.removeEventListener('abort', giveUp)
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      })
      if (signal?.aborted === true) giveUp()
      else signal?.addEventListener('abort', giveUp)
      this.#pump()
    })
  }

  exampleCount(split: Split): readonly number[] {
    return this.#exampleCounts[split]
  }

  diagnostics(): ExecutorDiagnostics {
    return { restarts: this.#restarts, choices: this.#choices.all() }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const host = this.#host
    const idle = this.#state === 'ready' && this.#book.inHost === 0
    this.#finish(new DOMException('The executor is closed.', 'AbortError'))
    if (host === undefined) return
    if (idle) {
      await new Promise<void>(resolve => {
        const grace = setTimeout(resolve, CLOSE_GRACE_MS)
        this.#onSessionsClosed = () => {
          clearTimeout(grace)
          resolve()
        }
        void host.ended.then(this.#onSessionsClosed)
        host.send({ type: 'close' })
      })
    }
    this.#kill({ type: 'closed', reason: 'The executor is closed.' })
    await host.ended
  }

  /** No work after this: what is unfinished is rejected with `error`, as is all that comes. */
  #finish(error: Error): void {
    if (this.#finished !== undefined) return
    this.#finished = error
    this.#settleOpened(error)
    this.#book.settleAll(error)
  }

  #launch(): void {
    this.#state = 'starting'
    this.#killCause = undefined
    this.#hostJobs = 0
    const { workers, memoryLimitBytes, startTimeoutMs = DEFAULT_START_TIMEOUT_MS } = this.#options
    const host = new HostProcess(report => this.#onReport(report))
    this.#host = host
    this.#emit({ type: 'spawned', pid: host.pid })
    const startLimit = setTimeout(() => {
      if (this.#state === 'starting') {
        this.#giveUpHost(new ExecutorError(`The worker host was not ready within ${startTimeoutMs} ms.`))
      }
    }, startTimeoutMs)
    void host.ended.then(death => {
      clearTimeout(startLimit)
      this.#onEnd(host, death)
    })
    host.send({
      type: 'setup',
      setup: this.#setup,
      workers,
      ...(memoryLimitBytes !== undefined && { memoryLimitBytes }),
    })
  }

  #relaunch(): void {
    this.#restarts++
    this.#launch()
  }

  /** The first cause counts. */
  #kill(cause: KillCause): void {
    this.#killCause ??= cause
    if (this.#state === 'ready') this.#state = 'dying'
    this.#host?.kill()
  }

  /** Another host would be no better. The caller hears of it once this one has gone. */
  #giveUpHost(error: AmalgamError): void {
    const { message, hint } = error
    this.#kill({
      type: 'unusable',
      reason: message,
      error: this.#everReady
        ? new ExecutorError(`The worker host could not be started again: ${message}`, {
            cause: error,
            ...(hint !== undefined && { hint }),
          })
        : error,
    })
  }

  #onEnd(host: HostProcess, death: HostDeath): void {
    const cause = this.#killCause
    const wasStarting = this.#state === 'starting'
    this.#host = undefined
    this.#state = 'down'
    this.#emit({
      type: 'ended',
      pid: host.pid,
      reason: cause?.reason ?? `The worker host ended by itself (${describeDeath(death)}).`,
    })
    if (cause?.type === 'unusable') this.#finish(cause.error)
    else if (wasStarting) this.#countStartDeath(host, death)
    else this.#book.hostEnded(hostEnd(cause, death, host))
    if (this.#finished === undefined && (wasStarting || this.#book.size > 0)) this.#relaunch()
  }

  #countStartDeath(host: HostProcess, death: HostDeath): void {
    const deaths = this.#startDeaths
    if (isFromOutside(death)) deaths.outside++
    else deaths.own++
    const outsideLimit = this.#everReady ? START_DEATHS.outsideLater : START_DEATHS.outsideAtFirst
    if (deaths.own < START_DEATHS.own && deaths.outside < outsideLimit) return
    const times = deaths.own + deaths.outside
    const output = oneLine(host.output().slice(-2000), 1000)
    this.#finish(
      new ExecutorError(
        `The worker host ended ${times} times in a row before it was ready, last with ${describeDeath(death)}.`,
        output === '' ? {} : { hint: `Its last output was: ${output}` },
      ),
    )
  }

  /** Sends what may be sent. Called whenever anything has changed. */
  #pump(): void {
    if (this.#book.size === 0) return
    if (this.#state === 'down') this.#relaunch()
    if (this.#state !== 'ready') return
    const step = this.#book.next(this.#hostJobs)
    if (step.type === 'fresh-host') {
      this.#kill({ type: 'fresh-host', reason: `${step.task.job.label} is to run alone in a fresh process.` })
      return
    }
    for (const task of step.tasks) {
      this.#book.sent(task)
      this.#hostJobs++
      this.#host?.send({ type: 'job', id: task.id, job: task.job })
    }
  }

  #giveUp(task: Task): void {
    this.#book.settle(task, new DOMException(`${task.job.label} was given up.`, 'AbortError'))
    if (task.state === 'sent') this.#host?.send({ type: 'cancel', id: task.id })
    this.#pump()
  }

  #onReport(report: HostReport): void {
    if (report.type === 'closed') this.#onSessionsClosed()
    if (this.#finished !== undefined) return
    switch (report.type) {
      case 'closed':
        return
      case 'ready':
        this.#onReady(report.rssBytes, report.exampleCounts)
        return
      case 'setup-failed':
        // After it was ready: a thread that could not open its session again. A new host will tell whether that is for good.
        if (this.#state === 'ready') this.#kill({ type: 'broken', reason: report.error.message })
        else this.#giveUpHost(fromPlainError(report.error))
        return
      case 'over-memory':
        this.#onOverMemory(report.rssBytes)
        return
      case 'broken':
        this.#kill({ type: 'broken', reason: report.reason })
        return
      case 'chose':
        for (const choice of this.#choices.add(report.choices)) this.#emit({ type: 'chose', choice })
        return
      default: {
        const task = this.#book.get(report.id)
        if (task === undefined) return
        if (report.type === 'offered') {
          task.offered = true
          return
        }
        if (report.type === 'started') {
          this.#onStarted(task)
          return
        }
        if (report.type === 'done') this.#book.settle(task, report.evaluation)
        this.#book.returned(task)
        if (report.type === 'thread-died') this.#book.threadDied(task, report.death)
        this.#pump()
      }
    }
  }

  #onReady(rssBytes: number, exampleCounts: ExampleCounts): void {
    if (rssBytes > (this.#options.memoryLimitBytes ?? Number.POSITIVE_INFINITY)) this.#onOverMemory(rssBytes)
    if (this.#killCause !== undefined) return
    this.#state = 'ready'
    this.#everReady = true
    this.#exampleCounts = exampleCounts
    this.#startDeaths = { own: 0, outside: 0 }
    this.#settleOpened()
    this.#emit({ type: 'ready', pid: this.#host?.pid, rssBytes })
    this.#pump()
  }

  #onOverMemory(rssBytes: number): void {
    const limit = mebibytes(this.#options.memoryLimitBytes ?? 0)
    if (this.#state === 'starting') {
      this.#giveUpHost(
        new ConfigError(`Sources and sessions alone take ${mebibytes(rssBytes)}, past the memory limit of ${limit}.`, {
          hint: 'Raise the memory limit, or use fewer workers.',
        }),
      )
    } else {
      const reason = `The process grew to ${mebibytes(rssBytes)}, past its limit of ${limit}.`
      this.#kill({ type: 'over-memory', reason })
    }
  }

  #onStarted(task: Task): void {
    this.#book.started(task)
    const limitMs = this.#options.evaluationTimeoutMs
    if (limitMs === undefined) return
    const { startedAt } = task
    const onLimit = (): void => {
      if (task.state !== 'running' || task.startedAt !== startedAt) return
      this.#book.fail(task, 'timeout', `No result within its time limit of ${limitMs} ms.`)
      this.#kill({ type: 'timeout', reason: `${task.job.label} had no result within its time limit of ${limitMs} ms.` })
    }
    // After this process was busy, its timers run before it reads the pipe: a result that lies there already was in time.
    task.limit = setTimeout(() => setImmediate(onLimit), limitMs)
  }

  #emit(event: WorkerHostEvent): void {
    this.#options.onEvent?.(event)
  }
}

function hostEnd(cause: KillCause | undefined, death: HostDeath, host: HostProcess): HostEnd {
  if (cause === undefined) return { type: 'died', death, output: host.output() }
  return cause.type === 'over-memory' ? { type: 'over-memory', reason: cause.reason } : { type: 'killed' }
}

function checkOptions({ workers, memoryLimitBytes, evaluationTimeoutMs, startTimeoutMs }: WorkerHostOptions): void {
  if (!Number.isInteger(workers) || workers < 1) {
    throw new ConfigError(`The number of workers must be an integer of at least 1, got ${show(workers)}.`)
  }
  if (memoryLimitBytes !== undefined && !(memoryLimitBytes > 0)) {
    throw new ConfigError(`The memory limit must be above 0 bytes, got ${memoryLimitBytes}.`)
  }
  for (const [name, value] of Object.entries({ evaluationTimeoutMs, startTimeoutMs })) {
    if (value !== undefined && !(value > 0 && value <= MAX_TIMER_MS)) {
      throw new ConfigError(`${name} must be above 0 and at most ${MAX_TIMER_MS} (24.8 days), got ${value}.`)
    }
  }
  const program = compiledPath('host-main.js')
  if (!existsSync(program)) {
    throw new ExecutorError(`The worker host's program ${show(program, 200)} does not exist.`, {
      hint: 'Run `npm run build` first.',
    })
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`
}
