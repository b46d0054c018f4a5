import { type RunView, viewRun } from '../run-config.ts'
import { readRun } from '../runs/run-folder.ts'
import { resolveRun } from '../runs/run-reference.ts'

/** Opens a run for reading, hands it to `body` with its space, and closes it. */
export function withRun<T>(name: string, body: (view: RunView) => T): T {
  const run = readRun(resolveRun(name))
  try {
    return body(viewRun(run))
  } finally {
    run.close()
  }
}
