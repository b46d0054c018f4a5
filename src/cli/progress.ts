import { formatDuration, formatNumber } from '../report/format.ts'
import { displayWidth, truncate } from '../report/plain-text.ts'
import { canRedraw, type Environment, isAsciiOnly, type OutputStream, terminalWidth } from './terminal.ts'

/** What a search tells while it goes on. */
export interface ProgressUpdate {
  readonly done: number // evaluations told, those of earlier processes included
  readonly total: number // the budget, ≥ 1
  readonly failed: number
  /** Smallest scalarised loss so far. */
  readonly best?: number | undefined
  readonly hypervolume?: number | undefined
}

export interface ProgressState extends ProgressUpdate {
  /** Evaluations since this process went on with the run: what the rate is computed from. */
  readonly fresh: number
  readonly elapsedMs: number
}

export interface Progress {
  update(update: ProgressUpdate): void
  /** Writes a whole line above the live one. Also when progress is disabled: it is a message, not progress. */
  print(line: string): void
  /** Clears the live line and stops all timers. Idempotent. */
  stop(): void
}

export interface ProgressOptions {
  readonly enabled: boolean
  /** Evaluations that were done before this process went on with the run. */
  readonly done?: number
  readonly env?: Environment
  /** Milliseconds from any origin; for tests. */
  readonly now?: () => number
}

const REDRAW_MS = 100
/** The clock of the line goes on although no evaluation ends. */
const TICK_MS = 1000
const PLAIN_MS = 30_000
const PLAIN_STEPS = 20 // every 5 %
/** Before so many evaluations an estimate of the remaining time would jump about. */
const LEAST_FOR_ESTIMATE = 3
const LONGEST_BAR = 24
const CLEAR = '\r\u001b[K'

export interface ProgressStyle {
  readonly ascii?: boolean
  readonly withBar?: boolean
}

/**
 * One line of at most `width` columns. What matters most is kept longest as it gets narrower: count, remaining time, best, hypervolume,
 * failures, rate; the bar takes what is left.
 */
export function renderProgress(state: ProgressState, width: number, options: ProgressStyle = {}): string {
  const { ascii = false, withBar = true } = options
  const { done, total, failed, best, hypervolume, fresh, elapsedMs } = state
  const share = Math.min(1, Math.max(0, done / total))
  const rate = elapsedMs > 0 ? (1000 * fresh) / elapsedMs : 0
  const estimate = fresh >= LEAST_FOR_ESTIMATE && rate > 0 && done < total
  // In order of importance, with the position each has in the line.
  const parts: (readonly [position: number, text: string])[] = [
    [0, `${done}/${total}`],
    ...(estimate ? [[6, `${formatDuration(((total - done) / rate) * 1000)} left`] as const] : []),
    ...(best === undefined ? [] : [[2, `best ${formatNumber(best)}`] as const]),
    ...(hypervolume === undefined ? [] : [[3, `hypervolume ${formatNumber(hypervolume)}`] as const]),
    ...(failed > 0 ? [[4, `${failed} failed`] as const] : []),
    [1, `${Math.floor(100 * share)} %`],
    ...(rate > 0 ? [[5, formatRate(rate)] as const] : []),
  ]
  const gap = '  '
  const kept: (readonly [number, string])[] = []
  let used = 0
  for (const part of parts) {
    const needed = displayWidth(part[1]) + (kept.length > 0 ? gap.length : 0)
    if (used + needed > width) continue
    kept.push(part)
    used += needed
  }
  kept.sort((a, b) => a[0] - b[0])
  const text = kept.map(part => part[1]).join(gap)
  const room = Math.min(LONGEST_BAR, width - used - gap.length - 2)
  return truncate(withBar && room >= 6 ? `${bar(share, room, ascii)}${gap}${text}` : text, width)
}

function bar(share: number, cells: number, ascii: boolean): string {
  if (ascii) {
    const full = Math.floor(share * cells)
    return `[${'#'.repeat(full)}${'.'.repeat(cells - full)}]`
  }
  const eighths = Math.floor(share * cells * 8)
  const full = Math.floor(eighths / 8)
  const partial = eighths % 8 === 0 ? '' : '▏▎▍▌▋▊▉'[(eighths % 8) - 1]!
  return `▕${'█'.repeat(full)}${partial}${' '.repeat(cells - full - (partial === '' ? 0 : 1))}▏`
}

function formatRate(perSecond: number): string {
  if (perSecond >= 0.95) return `${perSecond.toFixed(perSecond < 9.95 ? 1 : 0)}/s`
  if (perSecond * 60 >= 0.95) return `${(perSecond * 60).toFixed(1)}/min`
  return `${(perSecond * 3600).toFixed(1)}/h`
}

/** Progress of a search on `stream`: a live line on a terminal, now and then a plain line elsewhere. */
export function createProgress(stream: OutputStream, options: ProgressOptions): Progress {
  const env = options.env ?? process.env
  if (!options.enabled) return new Silent(stream)
  return canRedraw(stream, env) ? new LiveLine(stream, env, options) : new PlainLines(stream, env, options)
}

class Silent implements Progress {
  readonly #stream: OutputStream

  constructor(stream: OutputStream) {
    this.#stream = stream
  }

  update(): void {}

  print(line: string): void {
    this.#stream.write(`${line}\n`)
  }

  stop(): void {}
}

/** Adds to an update what only a clock knows. */
class Clock {
  readonly #now: () => number
  readonly #start: number
  readonly #before: number

  constructor({ now = () => performance.now(), done = 0 }: ProgressOptions) {
    this.#now = now
    this.#start = now()
    this.#before = done
  }

  elapsedMs(): number {
    return this.#now() - this.#start
  }

  complete(update: ProgressUpdate): ProgressState {
    return { ...update, fresh: update.done - this.#before, elapsedMs: this.elapsedMs() }
  }
}

class LiveLine implements Progress {
  readonly #stream: OutputStream
  readonly #env: Environment
  readonly #clock: Clock
  #latest: ProgressUpdate | undefined
  #drawnAt = -Infinity
  #pending: NodeJS.Timeout | undefined
  #tick: NodeJS.Timeout | undefined
  #stopped = false

  constructor(stream: OutputStream, env: Environment, options: ProgressOptions) {
    this.#stream = stream
    this.#env = env
    this.#clock = new Clock(options)
  }

  update(update: ProgressUpdate): void {
    if (this.#stopped) return
    this.#latest = update
    this.#tick ??= setInterval(() => this.#draw(), TICK_MS).unref()
    const wait = this.#drawnAt + REDRAW_MS - this.#clock.elapsedMs()
    if (wait <= 0) this.#draw()
    else this.#pending ??= setTimeout(() => this.#draw(), wait).unref()
  }

  print(line: string): void {
    this.#stream.write(this.#drawn() ? `${CLEAR}${line}\n` : `${line}\n`)
    if (this.#drawn()) this.#draw()
  }

  stop(): void {
    if (this.#drawn()) this.#stream.write(CLEAR)
    this.#stopped = true
    clearTimeout(this.#pending)
    clearInterval(this.#tick)
  }

  #drawn(): boolean {
    return this.#drawnAt > -Infinity && !this.#stopped
  }

  #draw(): void {
    clearTimeout(this.#pending)
    this.#pending = undefined
    if (this.#latest === undefined || this.#stopped) return
    this.#drawnAt = this.#clock.elapsedMs()
    // One column stays free: a full line makes some terminals wrap.
    const width = terminalWidth(this.#stream, this.#env) - 1
    const line = renderProgress(this.#clock.complete(this.#latest), width, { ascii: isAsciiOnly(this.#env) })
    this.#stream.write(`\r${line}\u001b[K`)
  }
}

class PlainLines implements Progress {
  readonly #stream: OutputStream
  readonly #env: Environment
  readonly #clock: Clock
  #latest: ProgressUpdate | undefined
  #printed: ProgressUpdate | undefined
  #printedAt = 0
  #step: number | undefined
  #stopped = false

  constructor(stream: OutputStream, env: Environment, options: ProgressOptions) {
    this.#stream = stream
    this.#env = env
    this.#clock = new Clock(options)
  }

  update(update: ProgressUpdate): void {
    if (this.#stopped) return
    this.#latest = update
    const step = Math.floor((PLAIN_STEPS * update.done) / update.total)
    this.#step ??= step // a resumed run does not print the steps of its past
    if (step > this.#step || this.#clock.elapsedMs() - this.#printedAt >= PLAIN_MS) this.#print(update)
    this.#step = step
  }

  print(line: string): void {
    this.#stream.write(`${line}\n`)
  }

  stop(): void {
    if (!this.#stopped && this.#latest !== undefined && this.#latest !== this.#printed) this.#print(this.#latest)
    this.#stopped = true
  }

  #print(update: ProgressUpdate): void {
    this.#printed = update
    this.#printedAt = this.#clock.elapsedMs()
    const style = { ascii: isAsciiOnly(this.#env), withBar: false }
    this.#stream.write(`${renderProgress(this.#clock.complete(update), Infinity, style)}\n`)
  }
}
