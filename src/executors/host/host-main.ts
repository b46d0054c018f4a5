// The worker host: a child process that holds the source weights once, and a pool of threads that merge and score.
// Its main thread does no work of its own, so it hears the coordinator whatever the threads are doing.
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { ExecutorError } from '../../errors.ts'
import { killMarked, processIdentity } from '../../evaluation/processes.ts'
import { oneLine, reasonOf } from '../../evaluation/score-job.ts'
import { loadSharedSources } from '../../merge/sources.ts'
import { compiledPath } from './compiled.ts'
import { JobOffer, type QueuedJob } from './offer.ts'
import { toPlainError } from './plain-error.ts'
import type { HostCommand, HostReport, ThreadData, ThreadDeath, ThreadReport, ThreadTask } from './protocol.ts'

/** Often enough to catch a candidate that grows, rare enough to cost nothing. */
const MEMORY_SAMPLE_MS = 200
/** Enough for a thread to load its code and say what is wrong; a smaller limit is for the watch on the process to enforce. */
const LEAST_THREAD_HEAP_MIB = 128

let pool: Piscina<ThreadTask, void> | undefined
let workers = 0
let ready = false
/** Ids of the threads whose session is open. */
const opened = new Set<number>()
const queue: QueuedJob[] = []
const offer = new JobOffer()
/** What the threads are at: the job of each, and the port on which it gets offers. By number. */
const serves = new Map<number, { current: number; readonly port: MessagePort }>()
let serveCount = 0

function report(message: HostReport): void {
  process.send?.(message, undefined, undefined, () => {}) // an error here means the coordinator is gone: `disconnect` follows
}

/** `process.exit` would abort while a thread is inside onnxruntime; this never does. Takes grandchildren along. */
function die(): void {
  killMarked(`${processIdentity()}`) // programs of evaluators have groups of their own
  if (process.platform !== 'win32') {
    try {
      process.kill(-process.pid, 'SIGKILL')
    } catch {
      // not the leader of a process group
    }
  }
  process.kill(process.pid, 'SIGKILL')
}

function setUp(command: Extract<HostCommand, { type: 'setup' }>): void {
  workers = command.workers
  const shared = loadSharedSources(command.setup.sources, { threads: workers })
  const slots = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT * workers))
  const data: ThreadData = { setup: command.setup, shared, slots, offer: offer.cell }
  const threads = new Piscina<ThreadTask, void>({
    filename: compiledPath('thread.js'),
    name: 'runThreadTask',
    workerData: data,
    // Threads live as long as the host: one that has used onnxruntime cannot be terminated without risk to the process.
    minThreads: workers,
    maxThreads: workers,
    idleTimeout: Number.POSITIVE_INFINITY,
    concurrentTasksPerWorker: 1,
    // Between tasks a thread keeps its event loop, so that an evaluator's connections and children stay attended.
    atomics: 'disabled',
    recordTiming: false,
    ...(command.memoryLimitBytes !== undefined && {
      resourceLimits: {
        maxOldGenerationSizeMb: Math.max(LEAST_THREAD_HEAP_MIB, Math.ceil(command.memoryLimitBytes / 2 ** 20)),
      },
    }),
  })
  pool = threads
  threads.on('message', (message: ThreadReport) => onThreadReport(message))
  threads.on('error', () => {}) // a thread that died between tasks; the pool has replaced it
  threads.on('workerDestroy', (thread: { readonly id: number }) => onThreadEnd(thread.id, threads.threads, slots))
  if (command.memoryLimitBytes !== undefined) watchMemory(command.memoryLimitBytes)
}

function onThreadReport(message: ThreadReport): void {
  if (message.type === 'open-failed') {
    report({ type: 'setup-failed', error: message.error })
    return
  }
  if (message.type === 'done') {
    onDone(message)
    return
  }
  if (message.type === 'chose') {
    report(message)
    return
  }
  opened.add(message.threadId)
  if (!ready && opened.size === workers) {
    ready = true
    report({ type: 'ready', rssBytes: process.memoryUsage.rss(), exampleCounts: message.exampleCounts })
  }
  dispatch()
}

/** Called before the pool starts the replacement: frees the index the thread held. An ended thread's id may already read -1. */
function onThreadEnd(endedId: number, threads: readonly Worker[], slots: Int32Array): void {
  const alive = new Set(threads.map(thread => thread.threadId).filter(id => id > 0 && id !== endedId))
  for (let index = 0; index < slots.length; index++) {
    if (!alive.has(Atomics.load(slots, index))) Atomics.store(slots, index, 0)
  }
  for (const id of opened) if (!alive.has(id)) opened.delete(id)
  if (!ready) {
    const error = new ExecutorError('A worker thread ended while it opened the evaluator.', {
      hint: 'An evaluator module must not call process.exit.',
    })
    report({ type: 'setup-failed', error: toPlainError(error) })
  }
  setImmediate(() => {
    if (pool !== undefined && pool.threads.length < workers) {
      report({ type: 'broken', reason: 'A worker thread ended before it could open its session again.' })
    }
  })
}

/** Starts queued jobs, first come first served, on threads that are ready: what is reported as started does run. */
function dispatch(): void {
  while (pool !== undefined && serves.size < opened.size) {
    const next = offer.withdraw() ?? queue.shift()
    if (next === undefined) return
    startServe(pool, next)
  }
  offerNext()
}

function startServe(threads: Piscina<ThreadTask, void>, { id, job }: QueuedJob): void {
  const serve = ++serveCount
  const { port1, port2 } = new MessageChannel()
  port1.unref()
  serves.set(serve, { current: id, port: port1 })
  report({ type: 'started', id })
  // What a serve has done comes as messages, in order; the pool's promise tells only of a thread that ended.
  threads
    .run({ type: 'serve', serve, id, job, port: port2 }, { transferList: [port2] })
    .catch((error: unknown) => onServeLost(serve, threadDeath(error)))
}

function onServeLost(serve: number, death: ThreadDeath): void {
  const state = serves.get(serve)
  if (state === undefined) return // it had finished
  const lost = offer.lostBy(serve)
  if (lost !== undefined) queue.unshift(lost)
  endServe(serve)
  report({ type: 'thread-died', id: state.current, death })
}

function endServe(serve: number): void {
  serves.get(serve)?.port.close()
  serves.delete(serve)
  dispatch()
}

/** All threads are at work: the first job of the queue is for the one that finishes first. */
function offerNext(): void {
  if (offer.standing !== undefined || serves.size === 0) return
  const next = queue.shift()
  if (next === undefined) return
  report({ type: 'offered', id: next.id }) // before it can run: a job that takes the process down at once must be suspected
  offer.make(
    next,
    Array.from(serves.values(), ({ port }) => port),
  )
}

/** The next job first, the news after it: a thread that waits for the result of another to be written down is a thread that idles. */
function onDone({ serve, id, evaluation, started }: Extract<ThreadReport, { type: 'done' }>): void {
  const state = serves.get(serve)
  if (started === undefined) {
    endServe(serve)
  } else if (state !== undefined) {
    state.current = started
    offer.accepted(started)
    offerNext()
    report({ type: 'started', id: started })
  }
  // Else the thread has ended, and its end was heard of before its last words: what it had claimed was taken back then (`lostBy`), and
  // may stand on offer again.
  report({ type: 'done', id, evaluation })
}

/** Tasks never reject by themselves (`scoreJob` catches), so a rejection is the pool's word on a thread that ended. */
function threadDeath(error: unknown): ThreadDeath {
  const reason = reasonOf(error)
  if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return { kind: 'memory', reason: 'Its thread ran out of heap memory.' }
  }
  const exit = /^worker exited with code: (-?\d+)$/.exec(reason)
  if (exit !== null) return { kind: 'crashed', reason: `Its thread exited with code ${exit[1]}.` }
  return { kind: 'threw', reason: oneLine(`An error was raised that nothing caught: ${reason}`) }
}

function watchMemory(limitBytes: number): void {
  setInterval(() => {
    const rssBytes = process.memoryUsage.rss()
    if (rssBytes > limitBytes) report({ type: 'over-memory', rssBytes })
  }, MEMORY_SAMPLE_MS)
}

/** With every thread idle and one task each, the pool hands one task to every thread. */
async function closeSessions(): Promise<void> {
  const threads = pool
  if (threads !== undefined) {
    await Promise.allSettled(Array.from({ length: workers }, () => threads.run({ type: 'close' })))
  }
  report({ type: 'closed' })
}

function onCommand(command: HostCommand): void {
  switch (command.type) {
    case 'setup':
      try {
        setUp(command)
      } catch (error) {
        report({ type: 'setup-failed', error: toPlainError(error) })
      }
      break
    case 'job':
      queue.push({ id: command.id, job: command.job })
      dispatch()
      break
    case 'cancel': {
      if (offer.standing?.id === command.id) {
        if (offer.withdraw() === undefined) break // claimed: `done` will follow
        offerNext()
        report({ type: 'cancelled', id: command.id })
        break
      }
      const position = queue.findIndex(entry => entry.id === command.id)
      if (position === -1) break
      queue.splice(position, 1)
      report({ type: 'cancelled', id: command.id })
      break
    }
    case 'close':
      void closeSessions()
      break
  }
}

// The coordinator alone decides when the host ends: with a command, by killing it, or by being gone.
process.on('disconnect', die)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('message', onCommand)
