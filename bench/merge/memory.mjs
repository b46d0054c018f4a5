// Peak resident memory of a file-to-file merge whose largest tensor is large, by method, each a process of its own. After `npm run build`:
//   node bench/merge/memory.mjs [--elements 67108864] [--methods nearswap,sce] [--folder DIR]
// A base and two experts in bfloat16 with one matrix of 4096 columns, made in a new folder under --folder and removed afterwards; a method
// that takes one model is given one. Methods whose time grows with the cube of a side are left out unless they are named.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { encodeFloat32 } from '../../dist/formats/dtype.js'
import { SafetensorsWriter } from '../../dist/formats/write-file.js'
import { OPERATORS } from '../../dist/merge/operators/registry.js'
import { createRng } from '../../dist/rng.js'

const COLUMNS = 4096
/** Random numbers that the weights repeat: drawing every one would take minutes. */
const POOL = (1 << 20) + 3
const SPECTRAL = ['tsv_m', 'iso_c', 'iso_cts', 'star', 'wudi', 'dc_merge', 'opcm']

const { values: flags } = parseArgs({
  options: {
    elements: { type: 'string', default: String(1 << 26) },
    methods: { type: 'string' },
    folder: { type: 'string', default: tmpdir() },
  },
})
const amalgam = fileURLToPath(new URL('../../bin/amalgam.js', import.meta.url))
const folder = mkdtempSync(join(flags.folder, 'merge-memory-'))
try {
  const rows = Math.max(1, Math.round(Number(flags.elements) / COLUMNS))
  saveModels(rows)
  console.log(`node ${process.version}, one matrix of ${rows} x ${COLUMNS} in bfloat16, base and two experts`)
  const methods =
    flags.methods?.split(',') ??
    [...OPERATORS.values()].filter(({ name, needs }) => !needs && !SPECTRAL.includes(name)).map(({ name }) => name)
  for (const name of methods) measure(name)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Weights of standard deviation 0.02, experts 0.002 from them; a pool of random numbers is repeated. */
function saveModels(rows) {
  const rng = createRng(7)
  const base = Float32Array.from({ length: POOL }, () => 0.02 * rng.normal())
  for (const id of ['base', 'a', 'b']) {
    const own = rng.split(id)
    const values = id === 'base' ? base : base.map(value => value + 0.002 * own.normal())
    const pool = new Uint8Array(POOL * 2)
    encodeFloat32(values, 'BF16', pool)
    const specs = [{ name: 'layers.0.weight', shape: [rows, COLUMNS], dtype: 'BF16' }]
    const writer = new SafetensorsWriter(join(folder, `${id}.safetensors`), specs, new Map())
    for (let left = rows * COLUMNS * 2; left > 0; left -= Math.min(left, pool.length)) {
      writer.append(pool.subarray(0, Math.min(left, pool.length)))
    }
    writer.commit()
  }
}

function measure(name) {
  const operator = OPERATORS.get(name)
  const sources = ['a', 'b'].slice(0, operator.models[1])
  const own = { weight: 0.5, density: 0.5 }
  const coefficients = Object.fromEntries(
    operator.coefficients.flatMap(({ name: key }) => (key in own ? [[key, own[key]]] : [])),
  )
  const based = operator.base === 'required'
  const known = operator.parameters.map(parameter => parameter.name)
  const recipe = {
    kind: 'parameter-merge',
    method: name,
    ...(based && { base: 'base' }),
    sources,
    parameters: Object.fromEntries(Object.entries({ t: 0.3, select_topk: 0.5 }).filter(([key]) => known.includes(key))),
    groups: [{ layers: 'all', coefficients: Object.fromEntries(sources.map(id => [id, coefficients])) }],
  }
  const models = Object.fromEntries(
    [...(based ? ['base'] : []), ...sources].map(id => [id, { path: `${id}.safetensors` }]),
  )
  const file = join(folder, 'recipe.json')
  writeFileSync(file, JSON.stringify({ format: 1, models, recipe }))
  const out = join(folder, 'out.safetensors')
  const report = join(folder, 'time.txt')
  const start = performance.now()
  const { status, stderr } = spawnSync(
    '/usr/bin/time',
    ['-f', '%M', '-o', report, process.execPath, amalgam, 'merge', file, '--out', out, '--json'],
    { encoding: 'utf8' },
  )
  const seconds = (performance.now() - start) / 1000
  rmSync(out, { force: true })
  const peak = Number(spawnSync('tail', ['-n', '1', report], { encoding: 'utf8' }).stdout) / 1024
  const row = `${name.padEnd(18)} ${peak.toFixed(0).padStart(6)} MiB ${seconds.toFixed(1).padStart(7)} s`
  console.log(status === 0 ? row : `${row}  failed: ${stderr.trim().split('\n').at(-1)}`)
}
