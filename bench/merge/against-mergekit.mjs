// Are merges the same as mergekit's? Small random models of known architectures, every method, three configurations each; the same
// files are merged by both and compared element by element. After `npm run build` and `sh bench/peers/setup-mergekit.sh`:
//   node bench/merge/against-mergekit.mjs [--methods a,b] [architecture...]
// Ends with 1 if a row misses the bar: 1e-6 of a tensor's largest magnitude in float32, a unit in the last place in bfloat16. The rows in
// float64 show the definitions to be the same where float32 decides a comparison by rounding.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { mergeMergekit } from '../../dist/merge/mergekit/merge-config.js'
import { configurations } from './configs.mjs'
import { difference, FLOAT32_BAR } from './difference.mjs'
import { undecidedOf } from './edges.mjs'
import { ARCHITECTURES, saveFamily } from './models.mjs'
import { runMergekit } from './run-mergekit.mjs'

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { methods: { type: 'string' } } })
const methods = options.methods?.split(',')
const wanted = positionals.length > 0 ? positionals : Object.keys(ARCHITECTURES)

/** Stored type, and how the configuration asks for it to be merged and written. */
const SETTINGS = [
  { label: 'float64', stored: 'F64', dtypes: {} },
  { label: 'float32', stored: 'F32', dtypes: { dtype: 'float32' } },
  { label: 'bfloat16', stored: 'BF16', dtypes: { dtype: 'float32', out_dtype: 'bfloat16' } },
]

const work = mkdtempSync(join(tmpdir(), 'against-mergekit-'))
const rows = []
try {
  printHead()
  for (const architecture of wanted) {
    for (const setting of SETTINGS) rows.push(...(await compare(architecture, setting)))
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
summarize(rows)

async function compare(architecture, { label, stored, dtypes }) {
  const folder = join(work, `${architecture}-${label}`)
  mkdirSync(folder)
  saveFamily(folder, architecture, stored)
  const layers = ARCHITECTURES[architecture].config.num_hidden_layers
  const asked = configurations(dtypes, layers).filter(({ method }) => methods?.includes(method) ?? true)
  const cases = asked.map((entry, i) => {
    const config = join(folder, `${i}.yml`)
    const absolute = JSON.parse(JSON.stringify(entry.config), (key, value) =>
      key === 'model' || key === 'base_model' ? join(folder, value) : value,
    )
    writeFileSync(config, JSON.stringify(absolute, undefined, 1))
    return { ...entry, config, parsed: absolute, theirs: join(folder, `theirs-${i}`), ours: join(folder, `ours-${i}`) }
  })
  const records = runMergekit(
    join(folder, 'jobs.json'),
    cases.map(({ config, theirs }) => ({ config, out: theirs, seed: 1 })),
  )
  const found = []
  for (const [i, { method, form, parsed, config, theirs, ours }] of cases.entries()) {
    const row = { architecture, label, method, form }
    let error
    try {
      await mergeMergekit(parsed, ours, { folder, text: readFileSync(config, 'utf8') })
    } catch (cause) {
      error = cause.message
    }
    const outcome =
      records[i].error !== undefined || error !== undefined
        ? { theirError: records[i].error, ourError: error }
        : difference(ours, theirs, label === 'float64' ? () => false : undecidedOf(parsed))
    found.push({ ...row, ...outcome })
    printRow(found.at(-1))
  }
  rmSync(folder, { recursive: true, force: true })
  return found
}

function failure(row) {
  if (row.theirError || row.ourError) return 'error'
  if (row.missing.length > 0) return 'missing'
  if (row.label === 'bfloat16') return row.ulps > 1 ? 'ulps' : undefined
  return row.relative > FLOAT32_BAR ? 'relative' : undefined
}

function printHead() {
  console.log(
    'method             architecture dtype     form                    worst relative   ulps   differing   undecided  result',
  )
}

function printRow(row) {
  const head = `${row.method.padEnd(18)} ${row.architecture.padEnd(12)} ${row.label.padEnd(9)} ${row.form.padEnd(23)}`
  if (row.theirError || row.ourError) {
    console.log(`${head} FAIL theirs: ${row.theirError ?? 'merged'}; ours: ${row.ourError ?? 'merged'}`)
    return
  }
  const notes = [
    failure(row) === undefined ? 'pass' : `FAIL ${row.where}`,
    row.missing.length > 0 ? `missing here: ${row.missing.join(', ')}` : '',
    row.extra.length > 0 ? `${row.extra.length} tensors that mergekit drops: ${row.extra.slice(0, 2).join(', ')}` : '',
  ].filter(Boolean)
  console.log(
    `${head} ${row.relative.toExponential(2).padStart(14)} ${(row.label === 'bfloat16' ? row.ulps.toFixed(2) : '').padStart(6)} ${`${(100 * row.differing).toFixed(2)} %`.padStart(11)} ${`${(100 * row.undecided).toFixed(3)} %`.padStart(11)}  ${notes.join('; ')}`,
  )
}

function summarize(rows) {
  console.log('')
  for (const { label } of SETTINGS) {
    const own = rows.filter(row => row.label === label)
    const compared = own.filter(row => row.relative !== undefined)
    const passed = own.filter(row => failure(row) === undefined)
    const worst = Math.max(...compared.map(({ relative }) => relative))
    const units =
      label === 'bfloat16' ? `, at most ${Math.max(...compared.map(({ ulps }) => ulps))} units in the last place` : ''
    const most = Math.max(...compared.map(({ undecided: share }) => share))
    console.log(
      `${label}: ${passed.length} of ${own.length} rows pass; worst relative ${worst.toExponential(2)}${units}; undecided elements at most ${(100 * most).toFixed(3)} % of a row`,
    )
  }
  if (rows.some(row => failure(row) !== undefined)) process.exitCode = 1
}
