import type { JsonValue } from '../../candidate.ts'
import { CandidateFailure } from '../candidate-failure.ts'
import { environmentOf } from '../command/child.ts'
import { runOnce } from '../command/once.ts'
import { fillIn, type Values } from '../command/placeholders.ts'
import type { Client } from './client.ts'
import type { Hook } from './options.ts'

/** How a server gets a candidate, or gets rid of it. */

const READY_POLL_MS = 200
/** What a program that loads a model may print. */
const OUTPUT_BYTES = 16 << 20

/** @throws {CandidateFailure} (rejects) when it fails, or the server is not ready in time */
export async function runHook(
  hook: Hook,
  values: Values,
  client: Client,
  key: string | undefined,
  cwd: string,
): Promise<void> {
  const timeoutMs = hook.timeout * 1000
  const end = performance.now() + timeoutMs
  if (hook.command !== undefined) {
    const command = hook.command.map(text => fillIn(text, values))
    const spec = { command, shell: false, cwd, env: environmentOf({}, hook.pass_env) }
    await runOnce(spec, { timeoutMs, outputBytes: OUTPUT_BYTES })
  } else if (hook.request !== undefined) {
    const { url, method, body } = hook.request
    await within(end, hook, signal =>
      client.text(
        { url: fillIn(url, values), method, key, ...(body !== undefined && { body: fillAll(body, values) }) },
        signal,
      ),
    )
  }
  if (hook.ready === undefined) return
  const url = fillIn(hook.ready, values)
  await within(end, hook, async signal => {
    for (;;) {
      try {
        await client.text({ url, method: 'GET', key }, signal)
        return
      } catch (error) {
        if (!(error instanceof CandidateFailure)) throw error
        await new Promise(resolve => setTimeout(resolve, READY_POLL_MS))
        signal.throwIfAborted()
      }
    }
  })
}

async function within(end: number, { timeout }: Hook, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const abort = new AbortController()
  const late = new CandidateFailure('timeout', `The server did not serve the candidate within ${timeout} s.`)
  const timer = setTimeout(() => abort.abort(late), Math.max(0, end - performance.now()))
  try {
    await work(abort.signal)
  } finally {
    clearTimeout(timer)
  }
}

/** Placeholders in every text of a body. */
function fillAll(value: JsonValue, values: Values): JsonValue {
  if (typeof value === 'string') return fillIn(value, values)
  if (Array.isArray(value)) return value.map(one => fillAll(one, values))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fillAll(one, values)]))
  }
  return value
}
