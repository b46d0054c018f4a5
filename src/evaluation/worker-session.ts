import { createMerger, type Merger } from '../merge/merge.ts'
import type { SharedSources } from '../merge/sources.ts'
import type { Evaluator, EvaluatorSession } from './evaluator.ts'
import type { WorkerSetup } from './job.ts'
import { createEvaluator } from './registry.ts'

/** All that one thread needs to turn recipes into scores. Made once per thread, used for one job at a time. */
export interface WorkerSession {
  readonly evaluator: Evaluator
  readonly merger: Merger
  readonly session: EvaluatorSession
}

/**
 * @param threadIndex Which of the threads that `shared` was loaded for this is, 0 .. threads - 1; no two living threads have the same.
 * @throws {AmalgamError} if the evaluator cannot be set up or does not fit the sources.
 */
export async function openWorkerSession(
  setup: WorkerSetup,
  shared: SharedSources,
  threadIndex: number,
): Promise<WorkerSession> {
  const evaluator = await createEvaluator(setup.evaluator)
  const merger = createMerger(shared, threadIndex)
  const session = await evaluator.open({
    workerIndex: threadIndex,
    workers: shared.threads,
    sources: setup.sources,
    dtypes: new Map(shared.tensors.map(({ name, dtype }) => [name, dtype])),
    others: shared.others,
  })
  return { evaluator, merger, session }
}
