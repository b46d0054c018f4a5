// What each thread of the worker host's pool runs.
import { parentPort, threadId, workerData } from 'node:worker_threads'
import type { Evaluation } from '../../candidate.ts'
import { scoreJob } from '../../evaluation/score-job.ts'
import { openWorkerSession, type WorkerSession } from '../../evaluation/worker-session.ts'
import { toPlainError } from './plain-error.ts'
import type { ThreadData, ThreadReport, ThreadTask } from './protocol.ts'

const { setup, shared, slots }: ThreadData = workerData
const opening: Promise<WorkerSession> = openWorkerSession(setup, shared, takeSlot())

function report(message: ThreadReport): void {
  parentPort?.postMessage(message)
}

opening.then(
  () => report({ type: 'opened', threadId }),
  (error: unknown) => report({ type: 'open-failed', error: toPlainError(error) }),
)

/** The pool's task. Named in `host-main.ts`. */
export async function runThreadTask(task: ThreadTask): Promise<Evaluation | undefined> {
  const worker = await opening
  if (task.type === 'score') return scoreJob(worker, task.job)
  await worker.session.close()
  return undefined
}

/** A free index, now this thread's. The host frees it when the thread has ended, before it starts another. */
function takeSlot(): number {
  for (let index = 0; index < slots.length; index++) {
    if (Atomics.compareExchange(slots, index, 0, threadId) === 0) return index
  }
  throw new Error(`All ${slots.length} thread indices are taken.`)
}
