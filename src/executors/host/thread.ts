// What each thread of the worker host's pool runs.
import { parentPort, threadId, workerData } from 'node:worker_threads'
import type { Evaluation } from '../../candidate.ts'
import type { EvaluatorSession, Split } from '../../evaluation/evaluator.ts'
import { scoreJob } from '../../evaluation/score-job.ts'
import { choicesOf } from '../../evaluation/session-choices.ts'
import { openWorkerSession, type WorkerSession } from '../../evaluation/worker-session.ts'
import { claimOffer } from './offer.ts'
import { toPlainError } from './plain-error.ts'
import type { ExampleCounts, ThreadData, ThreadReport, ThreadTask } from './protocol.ts'

const { setup, shared, slots, offer }: ThreadData = workerData
const opening: Promise<WorkerSession> = openWorkerSession(setup, shared, takeSlot())

function report(message: ThreadReport): void {
  // The scores are the evaluation's own (`scoreJob`): they move instead of being copied.
  parentPort?.postMessage(message, message.type === 'done' ? scoreBuffers(message.evaluation) : [])
}

function scoreBuffers(evaluation: Evaluation): ArrayBuffer[] {
  const scores = evaluation.status === 'scored' ? evaluation.exampleScores : undefined
  return (scores ?? []).map(({ buffer }) => buffer as ArrayBuffer)
}

opening.then(
  ({ session }) => report({ type: 'opened', threadId, exampleCounts: countsOf(session) }),
  (error: unknown) => report({ type: 'open-failed', error: toPlainError(error) }),
)

function countsOf(session: EvaluatorSession): ExampleCounts {
  const count = (split: Split): readonly number[] => [...session.exampleCount(split)]
  return { search: count('search'), select: count('select'), holdout: count('holdout') }
}

/** The pool's task. Named in `host-main.ts`. */
export async function runThreadTask(task: ThreadTask): Promise<void> {
  const worker = await opening
  if (task.type === 'close') {
    await worker.session.close()
    return
  }
  const { serve, port } = task
  let { id, job } = task
  for (;;) {
    const evaluation = await scoreJob(worker, job)
    reportChoices(worker.session)
    const next = claimOffer(offer, serve, port)
    report({ type: 'done', serve, id, evaluation, started: next?.id })
    if (next === undefined) {
      port.close()
      return
    }
    ;({ id, job } = next)
    // A turn of the event loop, so that an evaluator's connections, children and timers stay attended between two jobs.
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** How many were reported. Sessions decide once. */
let known = 0

function reportChoices(session: EvaluatorSession): void {
  const choices = choicesOf(session)
  if (choices.length === known) return
  known = choices.length
  report({ type: 'chose', choices })
}

/** A free index, now this thread's. The host frees it when the thread has ended, before it starts another. */
function takeSlot(): number {
  for (let index = 0; index < slots.length; index++) {
    if (Atomics.compareExchange(slots, index, 0, threadId) === 0) return index
  }
  throw new Error(`All ${slots.length} thread indices are taken.`)
}
