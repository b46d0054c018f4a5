import type { Evaluation, FailureKind } from '../../candidate.ts'
import type { EvaluationJob } from '../../evaluation/job.ts'
import { failed, oneLine } from '../../evaluation/score-job.ts'
import type { ThreadDeath } from './protocol.ts'

/**
 * What was submitted and is not done, and who is to blame when a process dies.
 *
 * The rule: an accident must not show in the results. Whatever ran in a process that died is *suspect* and runs again with nothing
 * beside it. Only a task that dies again and again while it is alone is found guilty; everybody else is scored as if nothing had happened.
 */

/** Deaths while alone that convict a task, where the process or thread died by its own doing. */
const OWN_DEATHS = 2
/**
 * The same for signals that come from outside, as an operator sends them: those hit the innocent, and the longer a candidate runs
 * the more often. There is a limit only because a candidate may send one to itself.
 */
const OUTSIDE_DEATHS = 25
/** Jobs in the host per thread: one running, one waiting, so that a thread need not wait while the coordinator thinks. */
const SENT_PER_WORKER = 2
const OUTSIDE_SIGNALS: ReadonlySet<string> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'])

export interface Task {
  readonly id: number
  readonly job: EvaluationJob
  /** `queued`: with us; `sent`: waits in the host; `running`: in a thread. */
  state: 'queued' | 'sent' | 'running'
  /** Sent, and a thread may have started it without our knowing. */
  offered: boolean
  /** The caller has its answer or has given up, while the host may still be working on it. */
  settled: boolean
  suspect: boolean
  /** Suspect of a memory death: what ran before it in the same process could tip the scales. */
  needsFreshHost: boolean
  ownDeaths: number
  outsideDeaths: number
  /** `performance.now()` of its last start. */
  startedAt: number
  limit: NodeJS.Timeout | undefined
  /** Called once. */
  readonly answer: (outcome: Evaluation | Error) => void
}

export interface HostDeath {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The kernel killed it, or another process at that time, because memory was full. */
  readonly outOfMemory: boolean
}

/** Why a host is gone: by itself, or killed for a reason that is known. */
export type HostEnd =
  | { readonly type: 'died'; readonly death: HostDeath; readonly output: string }
  | { readonly type: 'over-memory'; readonly reason: string }
  | { readonly type: 'killed' }

/** What may be sent now. */
export type NextStep =
  | { readonly type: 'send'; readonly tasks: readonly Task[] }
  /** The next suspect must be the first job of a new process. */
  | { readonly type: 'fresh-host'; readonly task: Task }

export class TaskBook {
  readonly #workers: number
  /** In submission order. */
  readonly #tasks = new Map<number, Task>()
  #nextId = 0
  #inHost = 0
  #suspects = 0

  constructor(workers: number) {
    this.#workers = workers
  }

  get size(): number {
    return this.#tasks.size
  }

  /** How many tasks the host holds, waiting or running. */
  get inHost(): number {
    return this.#inHost
  }

  get(id: number): Task | undefined {
    return this.#tasks.get(id)
  }

  add(job: EvaluationJob, answer: Task['answer']): Task {
    const task: Task = {
      id: this.#nextId++,
      job,
      state: 'queued',
      offered: false,
      settled: false,
      suspect: false,
      needsFreshHost: false,
      ownDeaths: 0,
      outsideDeaths: 0,
      startedAt: performance.now(),
      limit: undefined,
      answer,
    }
    this.#tasks.set(task.id, task)
    return task
  }

  /** Answers the caller; the task stays in the book while the host holds it. */
  settle(task: Task, outcome: Evaluation | Error): void {
    if (!task.settled) {
      task.settled = true
      task.answer(outcome)
    }
    if (task.state === 'queued') this.#remove(task)
  }

  fail(task: Task, kind: FailureKind, reason: string): void {
    const totalMs = performance.now() - task.startedAt
    this.settle(task, failed(kind, reason, { totalMs, mergeMs: 0, inferenceMs: 0 }))
  }

  /** Answers everybody with `error`; the book is empty after it. */
  settleAll(error: Error): void {
    for (const task of this.#tasks.values()) {
      clearTimeout(task.limit)
      if (!task.settled) task.answer(error)
      task.settled = true
    }
    this.#tasks.clear()
    this.#inHost = 0
    this.#suspects = 0
  }

  /**
   * In submission order, up to {@link SENT_PER_WORKER} per thread; while there are suspects, one of them and nothing else.
   * @param hostJobs How many jobs the present host was given.
   */
  next(hostJobs: number): NextStep {
    const tasks: Task[] = []
    const room = this.#suspects > 0 ? 1 : this.#workers * SENT_PER_WORKER
    if (this.#suspects > 0 && this.#inHost > 0) return { type: 'send', tasks }
    for (const task of this.#tasks.values()) {
      if (this.#inHost + tasks.length >= room) break
      if (task.state !== 'queued' || (this.#suspects > 0 && !task.suspect)) continue
      if (task.needsFreshHost && hostJobs > 0) return { type: 'fresh-host', task }
      tasks.push(task)
    }
    return { type: 'send', tasks }
  }

  sent(task: Task): void {
    task.state = 'sent'
    this.#inHost++
  }

  started(task: Task): void {
    task.state = 'running'
    task.offered = false
    task.startedAt = performance.now()
  }

  /** The host no longer holds the task. */
  returned(task: Task): void {
    clearTimeout(task.limit)
    this.#inHost--
    task.state = 'queued'
    task.offered = false
    if (task.settled) this.#remove(task)
  }

  /** A thread ended under a task that has just been returned. */
  threadDied(task: Task, death: ThreadDeath): void {
    if (task.settled) return
    if (!task.suspect) this.#suspect(task)
    else if (++task.ownDeaths >= OWN_DEATHS) this.fail(task, death.kind, death.reason)
  }

  /** All that the host held is queued again; what ran in it is suspect, or guilty. */
  hostEnded(end: HostEnd): void {
    const held = [...this.#tasks.values()].filter(task => task.state !== 'queued')
    const running = held.filter(task => task.state === 'running' || (task.offered && end.type === 'died'))
    for (const task of held) this.returned(task)
    // Tasks start in order. With no start reported the report died with the process, and the first ones may have run.
    const exposed = running.length > 0 || end.type !== 'died' ? running : held.slice(0, this.#workers)
    for (const task of exposed) {
      if (task.settled) continue
      if (end.type === 'died') this.#blameForDeath(task, end.death, end.output)
      else if (end.type === 'over-memory') this.#blameForMemory(task, end.reason)
    }
  }

  // A suspect in the host is alone there: see `next`.

  #blameForDeath(task: Task, death: HostDeath, output: string): void {
    if (death.outOfMemory) task.needsFreshHost = true
    if (!task.suspect) {
      this.#suspect(task)
      return
    }
    if (isFromOutside(death)) task.outsideDeaths++
    else task.ownDeaths++
    const times = task.ownDeaths + task.outsideDeaths
    if (task.ownDeaths < OWN_DEATHS && task.outsideDeaths < OUTSIDE_DEATHS) return
    const reason = `Its process ended ${times} times while nothing else ran in it, last with ${describeDeath(death)}.`
    this.fail(
      task,
      death.outOfMemory ? 'memory' : 'crashed',
      output === '' ? reason : `${reason} Last output: ${oneLine(output.slice(-1000), 300)}`,
    )
  }

  #blameForMemory(task: Task, reason: string): void {
    if (task.suspect && task.needsFreshHost) {
      this.fail(task, 'memory', `Alone in a fresh process: ${reason}`)
      return
    }
    this.#suspect(task)
    task.needsFreshHost = true
  }

  #suspect(task: Task): void {
    if (!task.suspect) this.#suspects++
    task.suspect = true
  }

  #remove(task: Task): void {
    if (this.#tasks.delete(task.id) && task.suspect) this.#suspects--
  }
}

/** A signal that a process does not raise by its own doing. */
export function isFromOutside(death: HostDeath): boolean {
  return death.signal !== null && OUTSIDE_SIGNALS.has(death.signal) && !death.outOfMemory
}

export function describeDeath(death: HostDeath): string {
  if (death.outOfMemory) return 'SIGKILL by the kernel, because memory was full'
  return death.signal !== null ? `signal ${death.signal}` : `exit code ${death.code ?? 'unknown'}`
}
