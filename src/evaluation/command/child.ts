import { type ChildProcess, spawn } from 'node:child_process'
import { killGroup, killMarked, OWNER_VARIABLE, processIdentity } from '../processes.ts'

/** A program of the user's: how it is started, listened to and ended. */

export interface ProgramSpec {
  /** Program and arguments; with `shell` one line for the shell. */
  readonly command: readonly string[] | string
  readonly shell: boolean
  /** Absolute. */
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** What every program is given of this process's environment, where it is set: enough to find programs, files and a GPU. */
export const PASSED_VARIABLES: readonly string[] = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'LC_ALL',
  'LC_CTYPE',
  'TZ',
  'TMPDIR',
  'TEMP',
  'TMP',
  'LD_LIBRARY_PATH',
  'CUDA_VISIBLE_DEVICES',
  'SystemRoot',
  'ComSpec',
  'PATHEXT',
]

/** Kept of what a program writes to standard error: its last words, for the reason of a failure. */
const STDERR_TAIL_BYTES = 16 * 1024
/** Between the end of a program and the end of its pipes; a process that has escaped may hold them open. */
const DRAIN_MS = 1000

let started = 0

/** The environment of a program: an allow list, what the config adds, and the variables named by the user. */
export function environmentOf(
  own: Readonly<Record<string, string>>,
  passed: readonly string[],
  ambient: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const name of [...PASSED_VARIABLES, ...passed]) {
    const value = ambient[name]
    if (value !== undefined) environment[name] = value
  }
  return { ...environment, ...own }
}

export interface ProgramEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why it could not even be started. */
  readonly error: Error | undefined
}

/** One life of a program, in a process group of its own. */
export class Program {
  readonly #child: ChildProcess
  readonly #mark = `${processIdentity()}.${process.pid}-${started++}`
  #tail = Buffer.alloc(0)
  #isEnded = false
  /** Resolves when it is gone and its pipes are read; what it had started is gone, too. */
  readonly ended: Promise<ProgramEnd>

  constructor({ command, shell, cwd, env }: ProgramSpec, onOutput: (chunk: Buffer) => void) {
    const [file, args] = typeof command === 'string' ? [command, []] : [command[0]!, command.slice(1)]
    this.#child = spawn(file, args, {
      cwd,
      shell,
      env: { ...env, [OWNER_VARIABLE]: this.#mark },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: process.platform !== 'win32', // a group of its own, so that what it starts can be ended with it
      windowsHide: true,
    })
    const { stdin, stdout, stderr } = this.#child
    stdin?.on('error', () => {}) // it does not listen, or is gone: `ended` tells
    stdout?.on('error', () => {})
    stderr?.on('error', () => {})
    stdout?.on('data', onOutput)
    stderr?.on('data', (chunk: Buffer) => {
      this.#tail = Buffer.concat([this.#tail, chunk.subarray(-STDERR_TAIL_BYTES)]).subarray(-STDERR_TAIL_BYTES)
    })
    this.ended = new Promise(resolve => {
      const end = (code: number | null, signal: NodeJS.Signals | null, error?: Error): void => {
        if (this.#isEnded) return
        this.#isEnded = true
        stdout?.destroy()
        stderr?.destroy()
        resolve({ code, signal, error })
      }
      this.#child.on('error', error => {
        if (this.#child.pid === undefined) end(null, null, error)
      })
      this.#child.on('exit', (code, signal) => {
        this.kill() // what it left running
        setTimeout(end, DRAIN_MS, code, signal).unref()
      })
      this.#child.on('close', (code, signal) => end(code, signal))
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  write(text: string): void {
    this.#child.stdin?.write(text)
  }

  /** Tells a program that reads its standard input that there is no more. */
  endInput(): void {
    this.#child.stdin?.end()
  }

  /** At once: the program, its group, and what has left the group. */
  kill(): void {
    const { pid } = this.#child
    if (pid === undefined) return
    killGroup(pid)
    killMarked(this.#mark)
  }

  /** The end of what it wrote to standard error. */
  lastWords(): string {
    const lines = this.#tail.toString('utf8').trim().split('\n')
    return lines.at(-1)?.trim() ?? ''
  }
}

/** How it ended, as the end of a sentence: `ended with exit code 3; its last words: ...`. */
export function describeEnd({ code, signal, error }: ProgramEnd, lastWords: string): string {
  const how =
    error !== undefined
      ? `could not be started (${error.message})`
      : signal !== null
        ? `was ended by ${signal}`
        : `ended with exit code ${code}`
  return lastWords === '' ? how : `${how}; its last words: ${lastWords.slice(0, 300)}`
}
