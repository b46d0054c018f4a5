import { Agent as PlainAgent, request as requestPlain } from 'node:http'
import { request as requestSecure, Agent as SecureAgent } from 'node:https'
import { show } from '../../errors.ts'
import type { Rng } from '../../rng.ts'
import { CandidateFailure } from '../candidate-failure.ts'
import { parseLooseJson } from '../command/answer.ts'

/**
 * Requests to a server that may be slow, busy, broken or hostile: bounded in time and size, repeated when a failure may pass, no redirect
 * followed (a key must not travel to another host), no proxy.
 */

export interface ClientLimits {
  readonly connectMs: number
  /** From the start of a try to its last byte. */
  readonly totalMs: number
  readonly responseBytes: number
  /** Repetitions after the first try. */
  readonly retries: number
  /** Before the first repetition; doubles each time, up to `maxBackoffMs`. */
  readonly backoffMs: number
  readonly maxBackoffMs: number
}

export interface Outgoing {
  readonly url: string
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly body?: unknown
  /** Sent as a bearer token, and replaced by `[key]` in every message. */
  readonly key?: string | undefined
}

interface Response {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly text: string
}

/** A failure of one try. */
class TryFailure extends Error {
  readonly mayPass: boolean
  readonly isTimeout: boolean
  readonly retryAfter: string | undefined

  constructor(message: string, options: { mayPass: boolean; isTimeout?: boolean; retryAfter?: string | undefined }) {
    super(message)
    this.mayPass = options.mayPass
    this.isTimeout = options.isTimeout ?? false
    this.retryAfter = options.retryAfter
  }
}

/** Waits, or rejects when the signal fires. */
export type Pause = (ms: number, signal: AbortSignal | undefined) => Promise<void>

export class Client {
  readonly #limits: ClientLimits
  readonly #rng: Rng
  readonly #pause: Pause
  readonly #plain: PlainAgent
  readonly #secure: SecureAgent

  /**
   * @param connections at most so many at a time
   * @param rng jitter of the pauses: many workers that failed together must not come back together
   */
  constructor(limits: ClientLimits, connections: number, rng: Rng, pause: Pause = wait) {
    this.#limits = limits
    this.#rng = rng
    this.#pause = pause
    this.#plain = new PlainAgent({ keepAlive: true, maxSockets: connections })
    this.#secure = new SecureAgent({ keepAlive: true, maxSockets: connections })
  }

  /**
   * @returns the JSON of a response with status 2xx
   * @throws {CandidateFailure} (rejects) when the last try has failed, or a failure cannot pass
   */
  async json(outgoing: Outgoing, signal?: AbortSignal): Promise<unknown> {
    const text = await this.text(outgoing, signal)
    const value = parseLooseJson(text)
    if (value === undefined)
      throw new CandidateFailure('threw', this.#said(outgoing, `answered with what is no JSON: ${show(text, 120)}`))
    return value
  }

  async text(outgoing: Outgoing, signal?: AbortSignal): Promise<string> {
    const { retries } = this.#limits
    for (let attempt = 0; ; attempt++) {
      try {
        const { status, text, retryAfter } = await this.#send(outgoing, signal)
        if (status >= 200 && status < 300) return text
        throw new TryFailure(`answered with status ${status}: ${show(text, 200)}`, {
          mayPass: status === 408 || status === 425 || status === 429 || status >= 500,
          retryAfter,
        })
      } catch (error) {
        if (!(error instanceof TryFailure)) throw error
        if (!error.mayPass || attempt === retries) {
          const tries = attempt === 0 ? '' : ` after ${attempt + 1} tries`
          throw new CandidateFailure(
            error.isTimeout ? 'timeout' : 'threw',
            this.#said(outgoing, `${error.message}${tries}`),
          )
        }
        await this.#pause(this.#delay(attempt, error.retryAfter), signal)
      }
    }
  }

  close(): void {
    this.#plain.destroy()
    this.#secure.destroy()
  }

  /** What the server asks for (RFC 9110, 10.2.3), else exponential with jitter: between half and all of backoff · 2^attempt. */
  #delay(attempt: number, retryAfter: string | undefined): number {
    const { backoffMs, maxBackoffMs } = this.#limits
    const jitter = 0.5 + this.#rng.uniform() / 2
    const own = Math.min(maxBackoffMs, backoffMs * 2 ** attempt) * jitter
    const asked = retryAfterMs(retryAfter)
    return asked === undefined ? own : Math.min(maxBackoffMs, Math.max(asked, 0) + backoffMs * (jitter - 0.5))
  }

  #said({ url, key }: Outgoing, message: string): string {
    const { origin, pathname } = new URL(url)
    const text = `${origin}${pathname} ${message}`
    return `${key === undefined || key === '' ? text : text.replaceAll(key, '[key]')}.`
  }

  #send({ url, method, body, key }: Outgoing, signal: AbortSignal | undefined): Promise<Response> {
    const { connectMs, totalMs, responseBytes } = this.#limits
    return new Promise((resolve, reject) => {
      const isSecure = url.startsWith('https:')
      const text = body === undefined ? undefined : JSON.stringify(body)
      const headers = {
        accept: 'application/json',
        ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
      }
      const options = { method, headers, agent: isSecure ? this.#secure : this.#plain }
      const outgoing = (isSecure ? requestSecure : requestPlain)(url, options)
      const timers: NodeJS.Timeout[] = []
      const fail = (error: unknown): void => {
        for (const timer of timers) clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        reject(error)
        outgoing.destroy()
      }
      const onAbort = (): void => fail(signal?.reason)
      const timeout = (what: string, ms: number): void =>
        fail(new TryFailure(`${what} within ${ms / 1000} s`, { mayPass: true, isTimeout: true }))
      signal?.addEventListener('abort', onAbort)
      timers.push(setTimeout(() => timeout('did not answer', totalMs), totalMs))
      outgoing.on('socket', socket => {
        if (!socket.connecting) return
        const timer = setTimeout(() => timeout('could not be connected to', connectMs), connectMs)
        timers.push(timer)
        socket.once(isSecure ? 'secureConnect' : 'connect', () => clearTimeout(timer))
      })
      outgoing.on('error', (error: NodeJS.ErrnoException) =>
        fail(new TryFailure(`failed: ${error.code ?? error.message}`, { mayPass: true })),
      )
      outgoing.on('response', response => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes <= responseBytes) chunks.push(chunk)
          else fail(new TryFailure(`answered with more than ${responseBytes} bytes`, { mayPass: false }))
        })
        response.on('error', () => fail(new TryFailure('cut the connection', { mayPass: true })))
        response.on('end', () => {
          for (const timer of timers) clearTimeout(timer)
          signal?.removeEventListener('abort', onAbort)
          if (!response.complete) fail(new TryFailure('cut the connection', { mayPass: true }))
          else
            resolve({
              status: response.statusCode ?? 0,
              retryAfter: response.headers['retry-after'],
              text: Buffer.concat(chunks).toString('utf8'),
            })
        })
      })
      outgoing.end(text)
    })
  }
}

/** Seconds, or a date. */
export function retryAfterMs(header: string | undefined, now: number = Date.now()): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : date - now
}

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    if (signal?.aborted === true) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Runs the work on all items, at most `width` at a time, results in order. The first failure ends the rest. */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length)
  const abort = new AbortController()
  let next = 0
  let failure: { readonly error: unknown } | undefined
  const lane = async (): Promise<void> => {
    while (next < items.length && failure === undefined) {
      const i = next++
      try {
        results[i] = await work(items[i]!, abort.signal)
      } catch (error) {
        failure ??= { error }
        abort.abort(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane))
  if (failure !== undefined) throw failure.error
  return results
}
