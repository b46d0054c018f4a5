import { continueRun } from '../../launch.ts'
import { readRun } from '../../runs/run-folder.ts'
import { resolveRun } from '../../runs/run-reference.ts'
import { type ConductFlags, conductRun } from '../conduct.ts'
import { say } from '../output.ts'

export interface ResumeFlags extends ConductFlags {
  readonly budget?: number
  readonly workers?: number
}

export async function resumeCommand(name: string, flags: ResumeFlags): Promise<void> {
  const folder = resolveRun(name)
  const run = readRun(folder)
  const told = run.events().reduce((sum, event) => sum + (event.type === 'told' ? event.ids.length : 0), 0)
  const asked = run.candidates().length
  const budget = Math.max(run.budget, flags.budget ?? 0)
  run.close()
  say(
    `Run ${name}: ${told} of ${budget} evaluations done${asked > told ? `, ${asked - told} under way when it stopped` : ''}`,
  )
  await conductRun(options => continueRun(folder, flags.budget, { ...options, workers: flags.workers }), {
    folder,
    name,
    done: told,
    flags,
  })
}
