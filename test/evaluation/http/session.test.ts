import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { CandidateFailure } from '../../../src/evaluation/candidate-failure.ts'
import { Client, retryAfterMs } from '../../../src/evaluation/http/client.ts'
import { createRng } from '../../../src/rng.ts'
import { temporaryFolder } from '../../helpers/temporary-folders.ts'
import { rejectionOf } from '../../helpers/thrown.ts'
import { modelWith } from '../command/support.ts'
import { cut, FakeServer, type Fault, silent, status, text } from './fake-server.ts'
import { judged, makeHttp, writeQuestions } from './support.ts'

const folder = temporaryFolder('http')
const server = new FakeServer()
beforeAll(() => server.start())
afterEach(() => {
  server.faults.length = 0
  server.requests.length = 0
  server.answer = undefined
})
afterAll(() => server.stop())

const exact = { name: 'right', score: { rule: 'exact' } }

async function scored(document: Readonly<Record<string, unknown>>, code = 5) {
  const session = await (await makeHttp(folder, server.url, document)).open()
  try {
    return await session.score(modelWith(code), 'search')
  } finally {
    await session.close()
  }
}

describe('a failure that may pass', () => {
  it.each<readonly [string, Fault]>([
    ['status 500', status(500)],
    ['status 429', status(429, { 'retry-after': '0' })],
    ['a cut connection', cut],
    ['silence', silent],
  ])('%s is tried again, and changes nothing', async (_, fault) => {
    const expected = await scored({})
    server.faults.push(undefined, fault, fault)
    const document = { timeout: fault === silent ? 0.3 : 20, concurrency: 1 }
    expect((await scored(document)).values).toEqual(expected.values)
  })

  it('is given up after the last try, with what the server said', async () => {
    server.faults.push(...Array.from({ length: 3 }, () => status(503, {}, 'no GPU is free')))
    const failure = scored({ retries: 2, concurrency: 1 })
    await expect(failure).rejects.toThrow(
      /\/v1\/chat\/completions answered with status 503: "no GPU is free" after 3 tries\.$/,
    )
    expect(server.requests).toHaveLength(3)
    expect(readdirSync(folder).filter(name => name.startsWith('amalgam-candidates'))).toEqual([])
  })

  it.each<readonly [string, Fault, RegExp]>([
    ['status 404', status(404), /status 404/],
    ['a redirect', status(302, { location: 'http://127.0.0.1:1/' }), /status 302/],
    ['what is no JSON', text('<html>'), /what is no JSON: "<html>"/],
    ['no choices', text('{"choices": []}'), /Expected a response with choices/],
    ['no text', text('{"choices": [{"message": {"content": null}}]}'), /answered without a text/],
    ['too many bytes', text('x'.repeat(5000)), /more than 4096 bytes/],
  ])('is not what %s is', async (_, fault, reason) => {
    server.faults.push(fault)
    await expect(scored({ max_response: 4096, concurrency: 1 })).rejects.toThrow(reason)
    expect(server.requests).toHaveLength(1)
  })

  it('waits as long as the server asks, and otherwise twice as long each time, with jitter of the seed', async () => {
    const pauses = async (fault: () => Fault): Promise<number[]> => {
      const waits: number[] = []
      const limits = {
        connectMs: 5000,
        totalMs: 5000,
        responseBytes: 4096,
        retries: 4,
        backoffMs: 100,
        maxBackoffMs: 500,
      }
      const client = new Client(limits, 1, createRng(7), async ms => {
        waits.push(ms)
      })
      server.faults.push(...Array.from({ length: 4 }, fault))
      await client.text({ url: `${server.url}/health`, method: 'GET' })
      client.close()
      return waits
    }
    const own = await pauses(() => status(500))
    own.forEach((ms, attempt) => {
      const most = Math.min(500, 100 * 2 ** attempt)
      expect(ms).toBeGreaterThanOrEqual(most / 2)
      expect(ms).toBeLessThanOrEqual(most)
    })
    expect(await pauses(() => status(500))).toEqual(own)
    for (const ms of await pauses(() => status(429, { 'retry-after': '1' }))) expect(ms).toBe(500)
    expect(retryAfterMs('Sun, 06 Nov 1994 08:49:37 GMT', Date.parse('Sun, 06 Nov 1994 08:49:30 GMT'))).toBe(7000)
    expect([retryAfterMs('3'), retryAfterMs('soon'), retryAfterMs(undefined)]).toEqual([3000, undefined, undefined])
  })

  it('of a server that is not there is a failure of the candidate', async () => {
    const gone = await new FakeServer().start()
    const { url } = gone
    await gone.stop()
    const failure = await scored({ endpoint: `${url}/v1`, retries: 1 }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(CandidateFailure)
    expect(String(failure)).toContain('failed: ECONNREFUSED after 2 tries')
  })
})

describe('requests', () => {
  it('carry the prompt, the settings and the name of the model; at most as many at a time as allowed', async () => {
    await scored({ system: 'Be brief.', max_tokens: 9, stop: ['\n'], seed: 4, concurrency: 2, objectives: [exact] })
    expect(server.requests).toHaveLength(6)
    expect(server.busiest).toBeLessThanOrEqual(2)
    expect(server.requests[0]!.body).toMatchObject({
      model: expect.stringContaining('candidate-0'),
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: expect.stringMatching(/^What is \d+\?$/) },
      ],
      max_tokens: 9,
      temperature: 0,
      seed: 4,
      stop: ['\n'],
    })
  })

  it('are one per question, however many objectives score its answer', async () => {
    await scored({ api: 'completions', objectives: [exact, { name: 'holds', score: { rule: 'contains' } }] })
    expect(server.requests.map(({ path }) => path)).toEqual(Array(6).fill('/v1/completions'))
  })

  it('carry the key of the environment, which stands in no message', async () => {
    process.env.AMALGAM_TEST_KEY = 'canary-4711'
    server.faults.push(status(401, {}, 'wrong key canary-4711'))
    const failure = await scored({ api_key_env: 'AMALGAM_TEST_KEY', concurrency: 1 }).catch((error: unknown) => error)
    expect(server.requests[0]!.authorization).toBe('Bearer canary-4711')
    expect(String(failure)).toContain('wrong key [key]')
    const evaluator = await makeHttp(folder, server.url, { api_key_env: 'AMALGAM_TEST_KEY' })
    expect(JSON.stringify(evaluator)).not.toContain('canary')
    const other = await makeHttp(folder, server.url, { api_key_env: 'AMALGAM_TEST_NO_KEY' })
    await expect(other.open()).rejects.toThrow('the environment variable AMALGAM_TEST_NO_KEY, which is not set.')
  })
})

describe('rules', () => {
  it('score by likelihood where the server tells it', async () => {
    const examples = writeQuestions(folder, { choices: ['xx', 'ab'], answer: 0 })
    const objectives = [{ name: 'right', score: { rule: 'choice_likelihood' } }]
    expect((await scored({ examples, objectives }, 5)).values).toEqual([1]) // ln p(x) = -0.2, of another character -0.5
    expect((await scored({ examples, objectives }, 1)).values).toEqual([0])
    expect((await scored({ examples, objectives }, Number.NaN)).values).toEqual([Number.NaN])
    server.faults.push(text('{"choices": [{"text": "a"}]}'))
    await expect(scored({ examples, objectives, concurrency: 1 })).rejects.toThrow(
      'needs a server that knows echo and logprobs',
    )
  })

  it('fail a candidate whose judge gives no mark', async () => {
    server.answer = prompt => (prompt.startsWith('Mark') ? 'Splendid, 42 out of 10' : undefined)
    await expect(scored({})).rejects.toThrow('no mark of 0..10: "Splendid, 42 out of 10".')
  })
})

describe('a server of one candidate at a time', () => {
  const load = { request: { url: '{BASE}/load', body: { path: '{model}' } }, ready: '{BASE}/health', timeout: 5 }
  const hook = () => JSON.parse(JSON.stringify(load).replaceAll('{BASE}', server.url))

  it('is told to load it, and is nobody else’s until the last answer', async () => {
    const expected = await Promise.all([5, 6, 7].map(code => scored({}, code)))
    const evaluator = await makeHttp(folder, server.url, { model: 'served', load: hook() })
    const sessions = await Promise.all([5, 6, 7].map(() => evaluator.open()))
    const found = await Promise.all(sessions.map((session, i) => session.score(modelWith(5 + i), 'search')))
    expect(found.map(({ values }) => values)).toEqual(expected.map(({ values }) => values))
    await Promise.all(sessions.map(session => session.close()))
  })

  it('may be told by a program', async () => {
    const script = join(folder, 'load.mjs')
    writeFileSync(
      script,
      `await fetch(process.argv[2], { method: 'POST', body: JSON.stringify({ path: process.argv[3] }) })`,
    )
    const command = [process.execPath, script, `${server.url}/load`, '{model}']
    const expected = await scored({}, 9)
    expect((await scored({ model: 'served', load: { command } }, 9)).values).toEqual(expected.values)
    const broken = scored({ load: { command: [process.execPath, '-e', 'console.error("no room"); process.exit(1)'] } })
    await expect(broken).rejects.toThrow('ended with exit code 1; its last words: no room.')
  })

  it('that does not get ready fails the candidate', async () => {
    const ready = `${server.url}/nothing`
    await expect(scored({ load: { ...hook(), ready, timeout: 0.5 } })).rejects.toThrow(
      'did not serve the candidate within 0.5 s',
    )
  })
})

describe('mistakes in a config', () => {
  it.each([
    [{ prompt: '{qestion}' }, 'has no text "qestion" for {qestion} in a prompt; it has id, split, question, answer.'],
    [{ objectives: [{ name: 'a', score: { rule: 'choice' } }] }, 'has no "choices", which the rule "choice" needs.'],
    [{ objectives: [{ name: 'a', score: { rule: 'regex', pattern: '(' } }] }, 'is no regular expression: "(".'],
    [
      { endpoint: 'http://example.org/v1', api_key_env: 'KEY' },
      'the key of KEY would travel unencrypted to example.org.',
    ],
    [{ endpoint: 'http://me:secret@127.0.0.1/v1' }, 'an address must not hold a password'],
    [{ objectives: [exact, exact] }, 'two objectives named "right"'],
    [
      {
        objectives: [
          { ...judged('http://127.0.0.1:1'), score: { ...judged('http://127.0.0.1:1').score, prompt: 'Mark.' } },
        ],
      },
      'never sees the answer',
    ],
    [{ load: {} }, 'A hook is either a "command" or a "request": give exactly one of them.'],
    [{ api_key_env: 'sk-12345' }, 'the key itself must not stand in a file'],
  ])('%j are explained', async (document, message) => {
    expect(await rejectionOf(makeHttp(folder, server.url, document))).toContain(message)
  })
})
