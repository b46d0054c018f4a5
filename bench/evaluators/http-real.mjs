// A real OpenAI-compatible server, `transformers serve`, answers the http evaluator.
//   sh bench/peers/setup-lm-eval.sh; npm run build; node bench/evaluators/http-real.mjs
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { at, companions, evaluatorFile, python, readLines, recipe, scoreAll, temporary, writeLines } from './common.mjs'

const port = 18_231
const server = spawn(
  join(dirname(python), 'transformers'),
  ['serve', '--host', '127.0.0.1', '--port', String(port), '--device', 'cpu', '--dtype', 'float32'],
  { env: { ...process.env, HF_HUB_OFFLINE: '1' }, stdio: ['ignore', 'ignore', 'inherit'] },
)
try {
  for (let tries = 0; ; tries++) {
    const up = await fetch(`http://127.0.0.1:${port}/health`).then(
      response => response.ok,
      () => false,
    )
    if (up) break
    if (tries === 300 || server.exitCode !== null) throw new Error('transformers serve did not start')
    await new Promise(resolve => setTimeout(resolve, 1000))
  }
  const rows = readLines(at('examples/tiny-llama/data/javascript.jsonl')).filter((_, i) => i % 4 === 0)
  const examples = writeLines(
    'continuations.jsonl',
    rows.map(({ id, text, split }) => ({
      id,
      split,
      start: text.slice(0, 96),
      answer: text.slice(96).trim().slice(0, 1),
    })),
  )
  const document = {
    kind: 'http',
    id: 'served',
    endpoint: `http://127.0.0.1:${port}/v1`,
    companions: companions(),
    dtype: 'float32',
    examples,
    prompt: '{start}',
    max_tokens: 12,
    concurrency: 2,
    timeout: 300,
    objectives: [
      { name: 'begins', score: { rule: 'regex', pattern: '^\\s*(\\S)' } },
      { name: 'holds', score: { rule: 'contains' } },
      { name: 'exact', score: { rule: 'exact' } },
    ],
  }
  const recipes = {
    javascript: recipe({ javascript: 1 }),
    english: recipe({ english: 1 }),
    again: recipe({ javascript: 1 }),
  }
  const results = {}
  for (const api of ['chat', 'completions']) {
    const scored = await scoreAll(evaluatorFile(api, { ...document, api }), recipes)
    results[api] = Object.fromEntries(
      scored.map(({ label, values, exampleScores, ms }) => [
        label,
        { values, examples: exampleScores[0].length, ms: Math.round(ms) },
      ]),
    )
    console.log(api, results[api])
    if (JSON.stringify(results[api].again.values) !== JSON.stringify(results[api].javascript.values))
      throw new Error('equal weights, other values')
  }
  mkdirSync(at('bench/results/evaluators'), { recursive: true })
  const objectives = document.objectives.map(({ name }) => name)
  writeFileSync(
    at('bench/results/evaluators/http-real.json'),
    `${JSON.stringify({ server: 'transformers serve', objectives, results }, null, 2)}\n`,
  )
} finally {
  server.kill('SIGKILL')
  rmSync(temporary, { recursive: true })
}
