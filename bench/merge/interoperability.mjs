// Do the Python libraries read what is written here? Merges of small Llama, Qwen2, Mistral and ViT models in float32 and bfloat16 as a single
// file, a sharded folder and an adapter, and of the digits' network as ONNX with its weights inside and outside: each is read by safetensors,
// transformers, PEFT, onnx and ONNX Runtime, its weights compared byte by byte with this project's own reading, and run. After `npm run build`
// and `sh bench/peers/setup-read-back.sh`: node bench/merge/interoperability.mjs. Ends with 1 if a file is not read as it was written.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildOnnxModel } from '../../dist/formats/onnx-build.js'
import { writeSafetensors } from '../../dist/formats/write-file.js'
import { openModel } from '../../dist/merge/open-model.js'
import { mergeToAdapter } from '../../dist/merge/write-adapter.js'
import { mergeToFiles } from '../../dist/merge/write-model.js'
import { createRng } from '../../dist/rng.js'
import { read } from './difference.mjs'
import { ARCHITECTURES, saveFamily } from './models.mjs'

const path = relative => fileURLToPath(new URL(relative, import.meta.url))
const python = process.env.AMALGAM_READ_BACK_PYTHON ?? path('../peers/.venv-read-back/bin/python')
const digits = name => path(`../../examples/digits/${name}`)

/** Small enough for several shards, and for weights outside the graph. */
const SHARD_BYTES = 32_768
const SINGLE_FILE_BYTES = 1024
const RANK = 4

if (!existsSync(python)) {
  console.error(`There is no ${python}: run bench/peers/setup-read-back.sh, or set AMALGAM_READ_BACK_PYTHON.`)
  process.exit(2)
}

const recipeOf = (base, sources, method, weights) => ({
  kind: 'parameter-merge',
  method,
  base,
  sources,
  parameters: {},
  groups: [
    {
      layers: 'all',
      coefficients: Object.fromEntries(
        sources.map((id, i) => [id, { weight: weights[i], ...(method === 'ties' ? { density: 0.6 } : {}) }]),
      ),
    },
  ],
})

/** Name → SHA-256 of a model's tensors, as this project reads them. */
function digestsOf(model) {
  const checkpoint = openModel(model)
  const digest = name => createHash('sha256').update(checkpoint.read(name)).digest('hex')
  const found = Object.fromEntries([...checkpoint.tensors.keys()].map(name => [name, digest(name)]))
  checkpoint.close()
  return found
}

const work = mkdtempSync(join(tmpdir(), 'interoperability-'))
const jobs = []
try {
  for (const dtype of ['F32', 'BF16'])
    for (const architecture of Object.keys(ARCHITECTURES)) await addFamily(architecture, dtype)
  await addOnnx('digits', digits('network.onnx'))
  await addOtherExport()
  report(readBack())
} finally {
  rmSync(work, { recursive: true, force: true })
}

async function addFamily(architecture, dtype) {
  const folder = join(work, `${architecture}-${dtype}`)
  saveFamily(folder, architecture, dtype, 2)
  const references = ['base', 'expert0', 'expert1'].map(id => ({ id, path: join(folder, id) }))
  const recipe = recipeOf('base', ['expert0', 'expert1'], 'ties', [0.7, 0.5])
  const label = `${architecture} ${dtype === 'F32' ? 'float32' : 'bfloat16'}`

  const single = join(folder, 'merged.safetensors')
  await mergeToFiles(recipe, references, single)
  const sha256 = digestsOf(single)
  jobs.push({ label: `${label}, single file`, kind: 'safetensors', files: [single], sha256 })

  const sharded = join(folder, 'merged')
  const { files } = await mergeToFiles(recipe, references, sharded, { shardBytes: SHARD_BYTES })
  const shards = files.filter(file => file.endsWith('.safetensors')).map(file => join(sharded, file.split('/').at(-1)))
  jobs.push({ label: `${label}, shards`, kind: 'safetensors', files: shards, sha256 })
  const auto = architecture === 'vit' ? 'AutoModelForImageClassification' : 'AutoModelForCausalLM'
  jobs.push({ label: `${label}, folder`, kind: 'folder', path: sharded, class: auto, sha256: digestsOf(sharded) })

  if (architecture !== 'vit') await addAdapter(architecture, folder, label)
}

/** The merge of two adapters, as an adapter and as a whole model. */
async function addAdapter(architecture, folder, label) {
  const base = join(folder, 'base')
  const adapters = ['a', 'b'].map(id => {
    const adapter = join(folder, `adapter-${id}`)
    saveAdapter(adapter, architecture, createRng(7).split(id))
    return { id, path: `${base}+${adapter}` }
  })
  const references = [{ id: 'base', path: base }, ...adapters]
  const recipe = recipeOf('base', ['a', 'b'], 'task_arithmetic', [0.6, 0.3])
  const [adapter, merged] = [join(folder, 'merged-adapter'), join(folder, 'merged-whole')]
  mergeToAdapter(recipe, references, adapter)
  await mergeToFiles(recipe, references, merged, { dtype: 'F32' })
  jobs.push({ label: `${label}, adapter`, kind: 'adapter', path: adapter, base, merged })
}

/** Low-rank factors of the query and the down projection of every layer, in PEFT's names. */
function saveAdapter(folder, architecture, rng) {
  mkdirSync(folder)
  const draw = shape => {
    const values = Float32Array.from({ length: shape[0] * shape[1] }, () => 0.1 * rng.normal())
    return { dtype: 'F32', shape, data: new Uint8Array(values.buffer) }
  }
  const modules = ['q_proj', 'down_proj']
  const adapted = ARCHITECTURES[architecture]
    .shapes()
    .filter(([name]) => modules.some(m => name.endsWith(`${m}.weight`)))
  const factors = adapted.flatMap(([name, [rows, columns]]) => {
    const prefix = `base_model.model.${name.slice(0, -'.weight'.length)}`
    return [
      [`${prefix}.lora_A.weight`, draw([RANK, columns])],
      [`${prefix}.lora_B.weight`, draw([rows, RANK])],
    ]
  })
  writeSafetensors(join(folder, 'adapter_model.safetensors'), factors)
  const config = { peft_type: 'LORA', task_type: 'CAUSAL_LM', r: RANK, lora_alpha: 8, target_modules: modules }
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config))
}

/** The same network as other programs export it: weights stored as (inputs, outputs) under numbers, biases under longer names. */
async function addOtherExport() {
  const source = openModel(digits('base.safetensors'))
  const layers = [0, 1, 2, 3, 4]
  const initializers = layers.flatMap(l => {
    const [rows, columns] = source.tensors.get(`layers.${l}.weight`).shape
    const values = read(source, `layers.${l}.weight`)
    const data = values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)])
    return [
      { name: `onnx::MatMul_${10 + l}`, shape: [columns, rows], data },
      { name: `model.layers.${l}.bias`, shape: [rows], data: read(source, `layers.${l}.bias`) },
    ]
  })
  source.close()
  const nodes = layers.flatMap(l => [
    { op: 'MatMul', inputs: [l === 0 ? 'x' : `r${l - 1}`, `onnx::MatMul_${10 + l}`], outputs: [`m${l}`] },
    { op: 'Add', inputs: [`m${l}`, `model.layers.${l}.bias`], outputs: [l === 4 ? 'logits' : `z${l}`] },
    ...(l === 4 ? [] : [{ op: 'Relu', inputs: [`z${l}`], outputs: [`r${l}`] }]),
  ])
  const graph = join(work, 'other-export.onnx')
  const [inputs, outputs] = [[{ name: 'x', shape: ['batch', 64] }], [{ name: 'logits', shape: ['batch', 10] }]]
  writeFileSync(graph, buildOnnxModel({ inputs, outputs, nodes, initializers }))
  await addOnnx('digits, other names, transposed', graph)
}

/** A graph with the weights of the base, and experts in safetensors. */
async function addOnnx(label, graph) {
  const references = [
    { id: 'base', path: graph },
    ...['low', 'high'].map(id => ({ id, path: digits(`${id}.safetensors`) })),
  ]
  const recipe = recipeOf('base', ['low', 'high'], 'task_arithmetic', [0.5, 0.4])
  const plain = [{ id: 'base', path: digits('base.safetensors') }, ...references.slice(1)]
  const weights = join(work, 'digits.safetensors')
  await mergeToFiles(recipe, plain, weights)
  const outputs = forward(weights)
  const [inside, outside] = ['inside', 'outside'].map(name =>
    join(work, `${label.replaceAll(/\W+/g, '-')}-${name}.onnx`),
  )
  await mergeToFiles(recipe, references, inside)
  await mergeToFiles(recipe, references, outside, { singleFileBytes: SINGLE_FILE_BYTES })
  const sha256 = digestsOf(inside)
  jobs.push({ label: `${label}, ONNX`, kind: 'onnx', path: inside, external: false, sha256, outputs })
  jobs.push({
    label: `${label}, ONNX and weights`,
    kind: 'onnx',
    path: outside,
    external: true,
    sha256,
    outputs,
    like: inside,
  })
}

/** Logits of two rows that rise from −1 to 1, from the safetensors file of the same recipe, in float64. */
function forward(file) {
  const model = openModel(file)
  const x = Float64Array.from({ length: 128 }, (_, i) => Math.fround(-1 + (2 * i) / 127))
  const logits = [x.subarray(0, 64), x.subarray(64)].flatMap(row => {
    let h = row
    for (let l = 0; l < 5; l++) {
      const [weight, bias] = [read(model, `layers.${l}.weight`), read(model, `layers.${l}.bias`)]
      h = Float64Array.from(bias, (b, i) => {
        const z = h.reduce((sum, value, j) => sum + weight[i * h.length + j] * value, b)
        return l < 4 ? Math.max(0, z) : z
      })
    }
    return [...h]
  })
  model.close()
  return logits
}

function readBack() {
  const list = join(work, 'jobs.json')
  writeFileSync(list, JSON.stringify(jobs))
  const { status, stdout, stderr } = spawnSync(python, [path('../peers/read_back.py'), list], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1' },
  })
  if (status !== 0) throw new Error(`read_back.py ended with ${status}: ${stderr.slice(-2000)}`)
  return JSON.parse(stdout)
}

function report({ versions, results }) {
  const libraries = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  console.log(`${libraries.join(', ')}\n`)
  const width = Math.max(...jobs.map(({ label }) => label.length))
  for (const [i, { label }] of jobs.entries())
    console.log(`${label.padEnd(width)}  ${results[i].ok ? 'pass' : 'FAIL'}  ${results[i].detail}`)
  const passed = results.filter(({ ok }) => ok).length
  console.log(`\n${passed} of ${jobs.length} are read as they were written`)
  if (passed < jobs.length) process.exitCode = 1
}
