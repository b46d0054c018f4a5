import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { EXIT, type ExitCode } from '../errors.ts'
import type { LaunchOptions, Outcome } from '../launch.ts'
import { collectFacts } from '../report/facts.ts'
import { frontJson } from '../report/json.ts'
import { renderRun } from '../report/text.ts'
import { writeReport } from '../report/write.ts'
import { RUN_FILE } from '../runs/run-folder.ts'
import { withRun } from './open-run.ts'
import { print, printJson, say, textOptions } from './output.ts'
import { createProgress } from './progress.ts'
import { canRedraw } from './terminal.ts'

/** Example scores of all runs of a folder, beside them. */
const CACHE_FILE = 'example-scores.sqlite'

export interface ConductFlags {
  readonly json?: boolean
  readonly progress?: boolean
  readonly cache?: boolean
}

export interface Conducted {
  readonly folder: string
  /** What to type after `amalgam resume`. */
  readonly name: string
  /** Evaluations done by earlier processes. */
  readonly done?: number
  readonly flags: ConductFlags
}

/**
 * What `search` and `resume` share: progress, signals, the front and the report at the end, the exit code.
 * The first Ctrl-C stops asking and saves what is running; the second stops at once. Either way the run can be resumed.
 */
export async function conductRun(
  launch: (options: LaunchOptions) => Promise<Outcome>,
  { folder, name, done = 0, flags }: Conducted,
): Promise<void> {
  const controller = new AbortController()
  const enabled = flags.progress !== false
  let progress = createProgress(process.stderr, { enabled, done })
  let scoring = false
  let code: number | undefined
  const stop = (exitCode: ExitCode) => (): void => {
    if (code !== undefined) {
      progress.stop()
      say(resumeLine(folder, name))
      process.exit(exitCode) // the worker host notices that its coordinator is gone and ends itself
    }
    code = exitCode
    progress.print('stopping: what is running may finish (Ctrl-C again to stop at once)')
    controller.abort()
  }
  const onInterrupt = stop(EXIT.interrupted)
  const onTerminate = stop(EXIT.terminated)
  // In place of the launcher's, which end the process at once.
  process.removeAllListeners('SIGINT').on('SIGINT', onInterrupt)
  process.removeAllListeners('SIGTERM').on('SIGTERM', onTerminate)
  try {
    const outcome = await launch({
      signal: controller.signal,
      ...(flags.cache !== false && { cache: join(dirname(folder), CACHE_FILE) }),
      onProgress: update => progress.update(update),
      onScoring: (scored, total) => {
        if (!scoring) {
          scoring = true
          progress.stop()
          // Its total grows while it goes on: a live line can show that, a log only gets confused.
          progress = createProgress(process.stderr, { enabled: enabled && canRedraw(process.stderr, process.env) })
          progress.print('scoring baselines, the front and the winner')
        }
        progress.update({ done: scored, total, failed: 0 })
      },
      onMessage: message => progress.print(message),
    })
    progress.stop()
    if (outcome.interrupted) {
      say(resumeLine(folder, name))
      process.exitCode = code ?? EXIT.interrupted
      return
    }
    withRun(folder, ({ run, options }) => {
      const facts = collectFacts(run, options)
      const files = writeReport(run.folder, facts)
      if (flags.json) printJson(frontJson(facts))
      else print(`${renderRun(facts, textOptions())}\n`)
      say(`Report: ${files[0]}`)
    })
    if (!outcome.feasible) {
      say('Finished, but no candidate could be scored. The first failures are in: amalgam show <run> 0')
      process.exitCode = EXIT.infeasible
    }
  } finally {
    progress.stop()
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onTerminate)
  }
}

function resumeLine(folder: string, name: string): string {
  if (!existsSync(join(folder, RUN_FILE)))
    return 'Interrupted before the run began: nothing was scored, nothing to resume.'
  return `Interrupted; everything scored so far is saved. Resume: amalgam resume ${name}`
}
