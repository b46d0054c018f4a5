// What keeping a model in memory is worth: the transformers worker beside the same worker started for every candidate.
//   sh bench/peers/setup-lm-eval.sh; npm run build; node bench/evaluators/warm.mjs [--candidates N]
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createInlineExecutor } from '../../dist/index.js'
import { at, companions, evaluatorFile, python, readLines, recipe, SOURCES, temporary, writeLines } from './common.mjs'

const candidates = Number(process.argv[process.argv.indexOf('--candidates') + 1] || 5)
const folder = companions()
const rows = readLines(at('examples/tiny-llama/data/english.jsonl'))
const examples = writeLines(
  'texts.jsonl',
  rows.map(({ id, text, split }) => ({ id, text, split, kind: 'text' })),
)
const evaluator = evaluatorFile('worker', {
  kind: 'command',
  id: 'worker',
  mode: 'warm',
  companions: folder,
  start_timeout: 900,
  command: [python, at('evaluators/transformers/worker.py'), '--base', folder, '--data', examples],
  examples,
  objectives: [{ name: 'bits_per_byte', direction: 'minimize', reference: 8 }],
})
const job = i => ({
  label: `candidate ${i}`,
  split: 'search',
  recipe: recipe({ english: 0.1 * (i + 1), base: 1 - 0.1 * (i + 1) }),
})
const values = { warm: [], reloaded: [] }
const times = { warm: [], reloaded: [] }
const timed = async (kind, executor, i) => {
  const start = performance.now()
  const evaluation = await executor.submit(job(i))
  if (evaluation.status === 'failed') throw new Error(evaluation.reason)
  values[kind].push(evaluation.values[0])
  return performance.now() - start
}

const executor = await createInlineExecutor({ sources: SOURCES, evaluator })
await executor.submit(job(candidates)) // the first run allocates
for (let i = 0; i < candidates; i++) times.warm.push(await timed('warm', executor, i))
await executor.close()
for (let i = 0; i < candidates; i++) {
  const start = performance.now()
  const fresh = await createInlineExecutor({ sources: SOURCES, evaluator })
  await timed('reloaded', fresh, i)
  times.reloaded.push(performance.now() - start)
  await fresh.close()
}
const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]
const ratio = median(times.reloaded) / median(times.warm)
const equal = values.warm.every((value, i) => value === values.reloaded[i])
const result = { candidates, warmMs: median(times.warm), reloadedMs: median(times.reloaded), ratio, equal }
console.log(result)
mkdirSync(at('bench/results/evaluators'), { recursive: true })
writeFileSync(at('bench/results/evaluators/warm.json'), `${JSON.stringify(result, null, 2)}\n`)
rmSync(temporary, { recursive: true })
process.exit(ratio >= 5 && equal ? 0 : 1)
