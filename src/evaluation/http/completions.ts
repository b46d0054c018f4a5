import { show } from '../../errors.ts'
import { CandidateFailure } from '../candidate-failure.ts'
import { isRecord } from '../command/answer.ts'
import type { Client } from './client.ts'

/** Requests and responses of the OpenAI-compatible interface: /chat/completions and /completions. */

export interface Endpoint {
  /** Up to /v1, without a slash at its end. */
  readonly url: string
  readonly api: 'chat' | 'completions'
  readonly model: string
  readonly key: string | undefined
}

export interface Generation {
  readonly max_tokens: number
  readonly temperature: number
  readonly top_p?: number | undefined
  readonly stop: readonly string[]
  readonly seed: number
}

/** The text that a model gives to a prompt. @throws {CandidateFailure} (rejects) */
export async function complete(
  client: Client,
  endpoint: Endpoint,
  prompt: { readonly system?: string | undefined; readonly text: string },
  { max_tokens, temperature, top_p, stop, seed }: Generation,
  signal: AbortSignal,
): Promise<string> {
  const { url, api, model, key } = endpoint
  const common = {
    model,
    max_tokens,
    temperature,
    seed,
    ...(stop.length > 0 && { stop }),
    ...(top_p !== undefined && { top_p }),
    stream: false,
  }
  const body =
    api === 'chat'
      ? {
          ...common,
          messages: [
            ...(prompt.system === undefined ? [] : [{ role: 'system', content: prompt.system }]),
            { role: 'user', content: prompt.text },
          ],
        }
      : { ...common, prompt: prompt.text }
  const path = api === 'chat' ? '/chat/completions' : '/completions'
  const response = await client.json({ url: `${url}${path}`, method: 'POST', key, body }, signal)
  const choice = firstChoice(response)
  const message = isRecord(choice.message) ? choice.message.content : undefined
  const text = api === 'chat' ? message : choice.text
  if (typeof text === 'string') return text
  throw new CandidateFailure('threw', `${url}${path} answered without a text: ${show(response, 200)}.`)
}

/**
 * ln p of a continuation after a context, in nats, from the log-probabilities of the tokens of a prompt (`echo`). NaN where the server has
 * no number.
 * @throws {CandidateFailure} (rejects) when the server does not tell them
 */
export async function continuationLogLikelihood(
  client: Client,
  { url, model, key }: Endpoint,
  context: string,
  continuation: string,
  signal: AbortSignal,
): Promise<number> {
  const prompt = context + continuation
  // One token more than none: some servers refuse 0. It lies behind the prompt and does not count.
  const body = { model, prompt, max_tokens: 1, temperature: 0, echo: true, logprobs: 1, stream: false }
  const response = await client.json({ url: `${url}/completions`, method: 'POST', key, body }, signal)
  const { logprobs } = firstChoice(response)
  const offsets = isRecord(logprobs) ? logprobs.text_offset : undefined
  const values = isRecord(logprobs) ? logprobs.token_logprobs : undefined
  if (!Array.isArray(offsets) || !Array.isArray(values) || offsets.length !== values.length)
    throw new CandidateFailure(
      'threw',
      `${url}/completions has no log-probabilities of the prompt: "choice_likelihood" needs a server that knows echo and logprobs.`,
    )
  // Offsets count characters as Python does: code points.
  const [begin, end] = [[...context].length, [...prompt].length]
  const own = values.filter((_, i) => offsets[i] >= begin && offsets[i] < end)
  if (own.length === 0)
    throw new CandidateFailure(
      'threw',
      `${url}/completions has no token for the continuation ${show(continuation, 80)}.`,
    )
  return own.reduce((sum: number, value: unknown) => sum + (typeof value === 'number' ? value : Number.NaN), 0)
}

function firstChoice(response: unknown): Readonly<Record<string, unknown>> {
  const choice = isRecord(response) && Array.isArray(response.choices) ? response.choices[0] : undefined
  if (isRecord(choice)) return choice
  throw new CandidateFailure('threw', `Expected a response with choices, got ${show(response, 200)}.`)
}
