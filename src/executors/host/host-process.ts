import { type ChildProcess, fork } from 'node:child_process'
import { sweepLeftovers } from '../../evaluation/candidate-folders.ts'
import { killMarked, processIdentity } from '../../evaluation/processes.ts'
import { compiledPath } from './compiled.ts'
import { countOomKills } from './oom-kills.ts'
import type { HostCommand, HostReport } from './protocol.ts'
import type { HostDeath } from './task-book.ts'

/** What is kept of the host's output: enough for the last words of a crash, little enough for an evaluator that never stops talking. */
const OUTPUT_TAIL_BYTES = 64 * 1024
/** After the process has ended, how long to wait for what is still in its pipes; a stray grandchild may hold them open. */
const DRAIN_MS = 1000

/**
 * One life of a worker host: a child process in a process group of its own, so that a Ctrl-C in the terminal does not reach it and
 * killing it takes along what it started.
 */
export class HostProcess {
  readonly #child: ChildProcess
  readonly #tail: Buffer[] = []
  #tailBytes = 0
  readonly #oomKills = countOomKills()
  #ended = false
  /** Resolves when the process is gone and its pipes are read. */
  readonly ended: Promise<HostDeath>

  /** `onReport` is never called after `ended` has resolved; every report the host managed to send comes before that. */
  constructor(onReport: (report: HostReport) => void) {
    this.#child = fork(compiledPath('host-main.js'), [], {
      execArgv: [], // the caller's flags (inspector port, test runner hooks) are not for the host
      serialization: 'advanced', // keeps Float32Array, NaN, undefined
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: process.platform !== 'win32',
    })
    const identity = this.#child.pid === undefined ? undefined : processIdentity(this.#child.pid)
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => this.#keep(chunk))
      stream?.on('error', () => {})
    }
    this.#child.on('message', (report: HostReport) => {
      if (!this.#ended) onReport(report)
    })
    this.ended = new Promise(resolve => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (this.#ended) return
        this.#ended = true
        this.#child.stdout?.destroy()
        this.#child.stderr?.destroy()
        if (this.#child.connected) this.#child.disconnect()
        const outOfMemory = signal === 'SIGKILL' && (countOomKills() ?? 0) > (this.#oomKills ?? 0)
        resolve({ code, signal, outOfMemory })
      }
      this.#child.on('error', () => {
        if (this.#child.pid === undefined) end(null, null) // it could not even be started
      })
      this.#child.on('exit', (code, signal) => {
        this.kill() // the rest of its group
        if (identity !== undefined) killMarked(identity) // programs of evaluators, which have groups of their own
        sweepLeftovers()
        setTimeout(end, DRAIN_MS, code, signal).unref()
      })
      this.#child.on('close', end)
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  send(command: HostCommand): void {
    if (this.#child.connected) this.#child.send(command, () => {}) // an error here means it is dead: `ended` follows
  }

  /** At once and for sure, whatever its threads are doing. */
  kill(): void {
    const { pid } = this.#child
    if (pid === undefined) return
    try {
      if (process.platform === 'win32') this.#child.kill('SIGKILL')
      else process.kill(-pid, 'SIGKILL')
    } catch {
      this.#child.kill('SIGKILL') // no such group: it has not got that far, or everything has ended
    }
  }

  /** The end of what it wrote to stdout and stderr. */
  output(): string {
    return Buffer.concat(this.#tail).subarray(-OUTPUT_TAIL_BYTES).toString('utf8')
  }

  #keep(chunk: Buffer): void {
    this.#tail.push(chunk)
    this.#tailBytes += chunk.length
    while (this.#tailBytes - this.#tail[0]!.length >= OUTPUT_TAIL_BYTES) this.#tailBytes -= this.#tail.shift()!.length
  }
}
