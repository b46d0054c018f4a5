import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a test may do with a request instead of the server's own answer. `undefined`: nothing. */
export type Fault = (response: ServerResponse, request: IncomingMessage) => void

export interface SeenRequest {
  readonly path: string
  readonly authorization: string | undefined
  readonly body: Record<string, unknown>
}

/**
 * An OpenAI-compatible server whose model is the first number of the tensor `code`: it answers a question with a number in 0..1 that
 * depends on both, and as a judge it marks such an answer with ten times that number.
 */
export class FakeServer {
  readonly requests: SeenRequest[] = []
  /** One for each request to come. */
  readonly faults: (Fault | undefined)[] = []
  /** Answers before the model is asked. */
  answer: ((text: string) => string | undefined) | undefined
  /** What `POST /load` set. */
  loaded: string | undefined
  /** Most requests that were in work at once. */
  busiest = 0
  #busy = 0
  #url = ''
  readonly #server = createServer((request, response) => {
    let text = ''
    request.on('data', chunk => {
      text += chunk
    })
    request.on('end', () => {
      const path = request.url ?? ''
      const body = text === '' ? {} : JSON.parse(text)
      this.requests.push({ path, authorization: request.headers.authorization, body })
      this.busiest = Math.max(this.busiest, ++this.#busy)
      response.on('close', () => this.#busy--)
      const fault = this.faults.shift()
      if (fault !== undefined) fault(response, request)
      else {
        try {
          this.#reply(path, body, response)
        } catch {
          status(500)(response, request) // the candidate failed meanwhile, and its folder is gone
        }
      }
    })
  })

  get url(): string {
    return this.#url
  }

  async start(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    this.#url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise(resolve => this.#server.close(() => resolve()))
  }

  #reply(path: string, body: Record<string, unknown>, response: ServerResponse): void {
    const send = (value: unknown): void => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(value))
    }
    if (path === '/load') {
      this.loaded = body.path as string
      send({ status: 'ok' })
    } else if (path === '/health') send({})
    else if (path === '/v1/chat/completions') {
      const text = (body.messages as { content: string }[]).at(-1)!.content
      send({ choices: [{ message: { role: 'assistant', content: this.#complete(body.model as string, text) } }] })
    } else if (path === '/v1/completions') {
      const text = body.prompt as string
      if (body.echo === true) send({ choices: [{ text, logprobs: this.#likelihoods(body.model as string, text) }] })
      else send({ choices: [{ text: this.#complete(body.model as string, text) }] })
    } else {
      response.statusCode = 404
      send({ error: 'no such path' })
    }
  }

  #complete(model: string, text: string): string {
    const own = this.answer?.(text)
    if (own !== undefined) return own
    if (model === 'judge')
      return `I give it ${/answer: (\S+)/.exec(text)?.[1] === 'NaN' ? 'NaN' : 10 * Number(/answer: (\S+)/.exec(text)?.[1])}`
    const code = this.#code(model)
    if (code === 0) return '0.5'
    const number = Number(/\d+/.exec(text)?.[0] ?? 0)
    return String(Number.isNaN(code) ? code : Math.abs(Math.sin(code * 12.9898 + number * 78.233)))
  }

  /** Every character is a token; x is likelier the larger the code. */
  #likelihoods(model: string, text: string): unknown {
    const code = this.#code(model)
    const characters = [...text, '!']
    return {
      text_offset: characters.map((_, i) => i),
      token_logprobs: characters.map((character, i) => (i === 0 ? null : character === 'x' ? -1 / code : -0.5)),
    }
  }

  #code(model: string): number {
    const folder = model === 'served' ? this.loaded! : model
    const bytes = readFileSync(`${folder}/model.safetensors`)
    return bytes.readFloatLE(8 + Number(bytes.readBigUInt64LE(0)))
  }
}

export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}, text = '{"error": "busy"}'): Fault =>
  response => {
    response.writeHead(code, headers)
    response.end(text)
  }
export const cut: Fault = (response, request) => {
  response.writeHead(200, { 'content-length': '1000' })
  response.write('{"choices": [')
  setTimeout(() => request.socket.destroy(), 5)
}
export const silent: Fault = () => {}
export const text =
  (body: string): Fault =>
  response =>
    response.end(body)
