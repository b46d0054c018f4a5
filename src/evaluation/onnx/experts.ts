import { readExpert } from './expert-model.ts'
import { GraphSession, type Runtime } from './graph-session.ts'
import { WithHead } from './heads.ts'
import type { OnnxPlan } from './plan.ts'
import type { Way } from './task-runner.ts'
import type { ExpertRun, KeptRows } from './tasks/task.ts'

/**
 * A task's expert beside the candidate. It is read and gets a session of its own when its outputs are needed, and both are let go of
 * afterwards: a worker that has all it needs of the expert holds no weights of it.
 * @param way the candidate's: others may differ in the last bits
 */
export function expertRun(
  plan: OnnxPlan,
  task: number,
  runtime: Runtime,
  { weights, threads }: Way,
  kept: KeptRows,
): ExpertRun {
  const { task: planned, graph, head } = plan.tasks[task]!
  return {
    kept,
    withRunner: async work => {
      const expert = readExpert(planned.expert!)
      const session = new GraphSession(plan.graphs[graph]!, runtime, threads)
      try {
        return await session.withModel(head === undefined ? expert : new WithHead(head).model(expert), weights, work)
      } finally {
        await session.close()
      }
    },
  }
}
