// Are merges the same as mergekit's? Small random models of known architectures, every method, three configurations each; the same
// files are merged by both and compared element by element. After `npm run build`, with mergekit in a Python environment:
//   AMALGAM_MERGEKIT_PYTHON=.../python node bench/merge/against-mergekit.mjs [architecture...]
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeToFloat32 } from '../../dist/formats/dtype.js'
import { openCheckpoint } from '../../dist/formats/open-file.js'
import { mergeMergekit } from '../../dist/merge/mergekit/merge-config.js'
import { configurations } from './configs.mjs'
import { ARCHITECTURES, saveFamily } from './models.mjs'

const python = process.env.AMALGAM_MERGEKIT_PYTHON ?? 'bench/peers/.venv-mergekit/bin/python'
const runner = fileURLToPath(new URL('../peers/run_mergekit.py', import.meta.url))
const wanted = process.argv.slice(2).length > 0 ? process.argv.slice(2) : Object.keys(ARCHITECTURES)

/** Stored type, and how the configuration asks for it to be merged and written. */
const SETTINGS = [
  { label: 'float32', stored: 'F32', dtypes: { dtype: 'float32' } },
  { label: 'bfloat16', stored: 'BF16', dtypes: { dtype: 'float32', out_dtype: 'bfloat16' } },
]

const work = mkdtempSync(join(tmpdir(), 'against-mergekit-'))
const rows = []
try {
  for (const architecture of wanted) {
    for (const setting of SETTINGS) rows.push(...(await compare(architecture, setting)))
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
report(rows)

async function compare(architecture, { label, stored, dtypes }) {
  const folder = join(work, `${architecture}-${label}`)
  mkdirSync(folder)
  saveFamily(folder, architecture, stored)
  const layers = ARCHITECTURES[architecture].config.num_hidden_layers
  const cases = configurations(dtypes, layers).map((entry, i) => {
    const config = join(folder, `${i}.yml`)
    const absolute = JSON.parse(JSON.stringify(entry.config), (key, value) =>
      key === 'model' || key === 'base_model' ? join(folder, value) : value,
    )
    writeFileSync(config, JSON.stringify(absolute, undefined, 1))
    return { ...entry, config, parsed: absolute, theirs: join(folder, `theirs-${i}`), ours: join(folder, `ours-${i}`) }
  })
  const jobs = join(folder, 'jobs.json')
  writeFileSync(jobs, JSON.stringify(cases.map(({ config, theirs }) => ({ config, out: theirs, seed: 1 }))))
  spawnSync(python, [runner, jobs], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, OMP_NUM_THREADS: '1' },
  })
  const found = []
  for (const { method, form, parsed, config, theirs, ours } of cases) {
    const row = { architecture, label, method, form }
    const record = existsSync(`${theirs}.json`)
      ? JSON.parse(readFileSync(`${theirs}.json`, 'utf8'))
      : { error: 'no result' }
    let error
    try {
      await mergeMergekit(parsed, ours, { folder, text: readFileSync(config, 'utf8') })
    } catch (cause) {
      error = cause.message
    }
    if (record.error !== undefined || error !== undefined)
      found.push({ ...row, theirError: record.error, ourError: error })
    else found.push({ ...row, ...difference(theirs, ours, tiesOf(form, folder, parsed)) })
  }
  return found
}

/**
 * Positions that a method selects by rank where several elements have the very rank's magnitude: which of them is kept is arbitrary (in
 * mergekit it depends on the sorting routine). By tensor name; plain forms only.
 */
function tiesOf(form, folder, { models }) {
  if (form === 'slices') return () => false // tensors are renumbered, ranks are the same as in the other forms
  const open = model => openCheckpoint(model)
  const base = open(join(folder, 'base'))
  const experts = models
    .filter(({ model }) => !model.endsWith('base'))
    .map(({ model, parameters }) => ({ checkpoint: open(model), parameters }))
  const cache = new Map()
  const tied = name => {
    const { dtype } = base.tensors.get(name)
    const b = read(base, name, dtype)
    const taus = experts.map(({ checkpoint }) => read(checkpoint, name, dtype).map((value, i) => value - b[i]))
    const marks = new Uint8Array(b.length)
    for (const [m, tau] of taus.entries()) {
      const { density = 1, gamma = 0 } = experts[m].parameters ?? {}
      if (!(density < 1)) continue
      const magnitudes = tau.map(Math.abs)
      const sorted = magnitudes.slice().sort()
      const n = sorted.length
      const bottom = Math.max(0, n - Math.trunc(density * n) - Math.trunc(gamma * n))
      const cuts = [sorted[bottom], sorted[bottom + Math.trunc(density * n)]]
      magnitudes.forEach((value, i) => {
        if (cuts.includes(value)) marks[i] = 1
      })
    }
    return marks
  }
  return (name, i) => {
    if (!cache.has(name)) cache.set(name, tied(name))
    return cache.get(name)[i] === 1
  }
}

/** The largest |a − b| of a tensor over its largest |b|; for 16-bit results also the largest distance in units in the last place. */
function difference(theirs, ours, isTied) {
  const [a, b] = [openCheckpoint(ours), openCheckpoint(theirs)]
  let [relative, ulps, where, off, total, tied] = [0, 0, '', 0, 0, 0]
  const missing = [...b.tensors.keys()].filter(name => !a.tensors.has(name))
  const extra = [...a.tensors.keys()].filter(name => !b.tensors.has(name))
  for (const [name, { dtype, shape }] of b.tensors) {
    if (missing.includes(name)) continue
    const mine = a.tensors.get(name)
    if (mine.dtype !== dtype || JSON.stringify(mine.shape) !== JSON.stringify(shape)) {
      missing.push(`${name} (${mine.dtype} [${mine.shape}] for ${dtype} [${shape}])`)
      continue
    }
    const [x, y] = [read(a, name, dtype), read(b, name, dtype)]
    const largest = y.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    for (let i = 0; i < y.length; i++) {
      const distance = Math.abs(x[i] - y[i])
      total++
      if (distance === 0) continue
      off++
      if (isTied(name, i)) {
        tied++
        continue
      }
      if (distance / largest > relative) [relative, where] = [distance / largest, name]
      if (dtype === 'BF16') ulps = Math.max(ulps, distance / unit(Math.max(Math.abs(x[i]), Math.abs(y[i]))))
    }
  }
  a.close()
  b.close()
  return { relative, ulps, where, differing: off / total, tied: tied / total, missing, extra }
}

/** One unit in the last place of bfloat16 at that magnitude. */
function unit(value) {
  return 2 ** (Math.floor(Math.log2(value)) - 7)
}

function read(checkpoint, name, dtype) {
  const bytes = checkpoint.read(name)
  const values = new Float32Array(bytes.byteLength / (dtype === 'F32' ? 4 : 2))
  decodeToFloat32(bytes, dtype, values)
  return values
}

function report(rows) {
  console.log(
    'method             architecture dtype     form                    worst relative   ulps   differing   of them tied ranks',
  )
  let worst = 0
  for (const row of rows) {
    const head = `${row.method.padEnd(18)} ${row.architecture.padEnd(12)} ${row.label.padEnd(9)} ${row.form.padEnd(23)}`
    if (row.theirError || row.ourError) {
      console.log(`${head} theirs: ${row.theirError ?? 'merged'}; ours: ${row.ourError ?? 'merged'}`)
      continue
    }
    worst = Math.max(worst, row.label === 'float32' ? row.relative : 0)
    const notes = [
      row.missing.length > 0 ? `missing ${row.missing}` : '',
      row.extra.length > 0 ? `extra ${row.extra}` : '',
    ].join(' ')
    console.log(
      `${head} ${row.relative.toExponential(2).padStart(14)} ${(row.label === 'bfloat16' ? row.ulps.toFixed(2) : '').padStart(6)} ${`${(100 * row.differing).toFixed(2)} %`.padStart(11)} ${`${(100 * row.tied).toFixed(2)} %`.padStart(9)}  ${row.relative > 1e-6 ? row.where : ''} ${notes}`,
    )
  }
  console.log(`worst in float32: ${worst.toExponential(2)}`)
}
