// What the proofs of evaluators share: the tiny Llama as a folder that Python programs open, and models scored through an evaluator.
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createInlineExecutor, loadEvaluatorFile } from '../../dist/index.js'

export const at = path => fileURLToPath(new URL(`../../${path}`, import.meta.url))

const own = at('bench/peers/.venv-lm-eval/bin/python')
export const python = process.env.AMALGAM_LM_EVAL_PYTHON ?? own
if (!existsSync(python)) {
  console.error('There is no environment: sh bench/peers/setup-lm-eval.sh, or name one in AMALGAM_LM_EVAL_PYTHON.')
  process.exit(3)
}

export const temporary = mkdtempSync(join(tmpdir(), 'amalgam-proof-'))

/** Config of the tiny Llama with a tokenizer beside it: the companions of candidates. */
export function companions() {
  const folder = join(temporary, 'companions')
  mkdirSync(folder)
  execFileSync(python, [at('bench/peers/make_byte_tokenizer.py'), folder], { stdio: ['ignore', 'ignore', 'inherit'] })
  for (const name of ['config.json', 'generation_config.json', 'model.safetensors'])
    copyFileSync(at(`examples/tiny-llama/base/${name}`), join(folder, name))
  return folder
}

export const readLines = path =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

export function writeLines(name, rows) {
  const path = join(temporary, name)
  writeFileSync(path, rows.map(row => `${JSON.stringify(row)}\n`).join(''))
  return path
}

/** An evaluator file out of a plain object (JSON is YAML). */
export function evaluatorFile(name, document) {
  const path = join(temporary, `${name}.yaml`)
  writeFileSync(path, JSON.stringify(document))
  return loadEvaluatorFile(path)
}

export const SOURCES = ['base', 'english', 'javascript', 'declarations'].map(id => ({
  id,
  path: at(`examples/tiny-llama/${id}`),
}))

/** A weighted sum of the models. */
export const recipe = weights => ({
  kind: 'parameter-merge',
  method: 'linear',
  base: undefined,
  sources: Object.keys(weights),
  parameters: { normalize: false },
  groups: [
    {
      layers: 'all',
      coefficients: Object.fromEntries(Object.entries(weights).map(([id, weight]) => [id, { weight }])),
    },
  ],
})

export async function scoreAll(evaluator, recipes, split = 'search') {
  const executor = await createInlineExecutor({ sources: SOURCES, evaluator })
  const results = []
  for (const [label, one] of Object.entries(recipes)) {
    const start = performance.now()
    const evaluation = await executor.submit({ label, recipe: one, split })
    if (evaluation.status === 'failed') throw new Error(`${label}: ${evaluation.reason}`)
    results.push({ label, ...evaluation, ms: performance.now() - start })
  }
  await executor.close()
  return results
}
