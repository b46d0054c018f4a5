import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { CommandResult } from './tiny-project.ts'

const PROGRAM = fileURLToPath(new URL('./command-session.mjs', import.meta.url))

/**
 * The built command line, command after command in one process: for many commands that end soon, each of which would take a second
 * to load. What only a process of its own shows, as its real exit, is for `runAmalgam`.
 */
export class CommandSession {
  readonly #child: ChildProcess
  #runs = 0

  constructor(folder: string) {
    const env = { ...process.env, NO_COLOR: '1', COLUMNS: '120' }
    this.#child = fork(PROGRAM, { cwd: folder, env, execArgv: [] })
  }

  /** Rejects when a command takes the process down. Commands must not overlap. */
  amalgam(...args: string[]): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void =>
        reject(new Error(`"amalgam ${args.join(' ')}" ended the process of the session with code ${code}.`))
      this.#child.once('exit', onExit)
      this.#child.once('message', (result: CommandResult) => {
        this.#child.off('exit', onExit)
        resolve(result)
      })
      this.#child.send({ run: this.#runs++, args })
    })
  }

  close(): Promise<void> {
    return new Promise(resolve => {
      this.#child.once('exit', () => resolve())
      this.#child.disconnect()
    })
  }
}
