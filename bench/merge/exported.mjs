// Does mergekit make of an exported recipe what this project makes of the recipe? Every method that both have, with layer groups, filters
// and tensors outside the layers that have values of their own; Llama's shapes. After `npm run build` and
// `sh bench/peers/setup-mergekit.sh`: node bench/merge/exported.mjs. Ends with 1 if a row misses the bar.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { exportMergekit } from '../../dist/merge/mergekit/export.js'
import { readExportFacts } from '../../dist/merge/mergekit/export-facts.js'
import { exportText } from '../../dist/merge/mergekit/export-text.js'
import { isMergekitMethod } from '../../dist/merge/mergekit/vocabulary.js'
import { OPERATORS } from '../../dist/merge/operators/registry.js'
import { mergeToFiles } from '../../dist/merge/write-model.js'
import { difference, FLOAT32_BAR } from './difference.mjs'
import { undecidedOf } from './edges.mjs'
import { saveFamily } from './models.mjs'
import { runMergekit } from './run-mergekit.mjs'

const EXPERTS = ['expert0', 'expert1', 'expert2']
const WORTH = {
  weight: [1, 0.5, 0.4],
  density: [0.5, 0.7, 0.9],
  gamma: [0.05, 0.02, 0.01],
  epsilon: [0.05, 0.05, 0.05],
}

/** Masks cannot be equal, so random methods keep everything. */
function recipeOf({ name: method, base, models, random, coefficients, parameters }) {
  const sources = EXPERTS.slice(0, Math.min(3, models[1]))
  const valuesOf = scale =>
    Object.fromEntries(
      sources.map((id, m) => {
        const own = coefficients.map(({ name }) => {
          if (name === 'density' && random) return [name, 1]
          return [name, name === 'weight' ? scale * WORTH.weight[m] : (WORTH[name]?.[m] ?? scale)]
        })
        return [id, Object.fromEntries(own)]
      }),
    )
  const required = parameters.filter(({ kind, default: fallback }) => kind === 'number' && fallback === undefined)
  return {
    kind: 'parameter-merge',
    method,
    base: base === 'none' ? undefined : 'base',
    sources,
    parameters: Object.fromEntries(required.map(({ name }) => [name, method === 'nearswap' ? 0.01 : 0.3])),
    groups: [
      { layers: 'pre', coefficients: valuesOf(0.9) },
      { layers: [0, 2], filter: 'mlp', coefficients: valuesOf(0.5) },
      { layers: [0, 2], coefficients: valuesOf(0.75) },
      { layers: 'all', coefficients: valuesOf(1) },
    ],
  }
}

const work = mkdtempSync(join(tmpdir(), 'exported-'))
try {
  saveFamily(work, 'llama', 'F32')
  const references = ['base', ...EXPERTS].map(id => ({ id, path: join(work, id) }))
  const facts = readExportFacts(references)
  const cases = [...OPERATORS.values()]
    .filter(({ name }) => isMergekitMethod(name))
    .map(operator => {
      const recipe = recipeOf(operator)
      const text = exportText(exportMergekit(recipe, facts), undefined)
      const config = join(work, `${operator.name}.yml`)
      writeFileSync(config, text)
      return { recipe, text, config, theirs: join(work, `theirs-${operator.name}`) }
    })
  const records = runMergekit(
    join(work, 'jobs.json'),
    cases.map(({ config, theirs }) => ({ config, out: theirs, seed: 1 })),
  )
  console.log('method             worst relative   undecided  result')
  let passed = 0
  for (const [i, { recipe, text, theirs }] of cases.entries()) {
    const ours = join(work, `${recipe.method}.safetensors`)
    await mergeToFiles(recipe, references, ours)
    const { error } = records[i]
    if (error !== undefined) {
      console.log(`${recipe.method.padEnd(18)} FAIL ${error}`)
      continue
    }
    const { relative, undecided, missing, extra } = difference(ours, theirs, undecidedOf(parse(text)))
    const pass = relative <= FLOAT32_BAR && missing.length + extra.length === 0
    if (pass) passed++
    console.log(
      `${recipe.method.padEnd(18)} ${relative.toExponential(2).padStart(14)} ${`${(100 * undecided).toFixed(3)} %`.padStart(11)}  ${pass ? 'pass' : 'FAIL'}`,
    )
  }
  console.log(`\n${passed} of ${cases.length} exported recipes merge to the same weights in mergekit`)
  if (passed < cases.length) process.exitCode = 1
} finally {
  rmSync(work, { recursive: true, force: true })
}
