// Where a candidate's time goes: merge, inference, everything else (scheduling, messages, scores).
// Usage: npm run build && node bench/inference.mjs [width] [examples] [candidates] [workers]
// A multilayer perceptron 784 -> width -> width -> 10 and two task vectors, merged by task arithmetic, scored on `examples` rows.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { evaluatorReference } from '../dist/evaluation/registry.js'
import { createWorkerHostExecutor } from '../dist/executors/host/worker-host.js'
import { createInlineExecutor } from '../dist/executors/inline.js'
import { buildOnnxModel } from '../dist/formats/onnx-build.js'
import { writeSafetensors } from '../dist/formats/write-file.js'
import { createRng } from '../dist/rng.js'

const [width = 1024, examples = 2048, candidates = 30, workers = 2] = process.argv.slice(2).map(Number)
const FEATURES = 784
const CLASSES = 10
const widths = [FEATURES, width, width, CLASSES]
const folder = mkdtempSync(join(tmpdir(), 'amalgam-inference-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/** Weights with the scale of a trained network. */
function weights(seed) {
  const rng = createRng(seed)
  const tensors = []
  for (let layer = 0; layer + 1 < widths.length; layer++) {
    const [inputs, outputs] = [widths[layer], widths[layer + 1]]
    const scale = 1 / Math.sqrt(inputs)
    tensors.push({
      name: `layers.${layer}.weight`,
      shape: [outputs, inputs],
      data: Float32Array.from({ length: inputs * outputs }, () => scale * rng.normal()),
    })
    tensors.push({ name: `layers.${layer}.bias`, shape: [outputs], data: new Float32Array(outputs) })
  }
  return tensors
}

function writeSource(id, seed) {
  const path = join(folder, `${id}.safetensors`)
  const bytes = data => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  writeSafetensors(
    path,
    weights(seed).map(({ name, shape, data }) => [name, { dtype: 'F32', shape, data: bytes(data) }]),
  )
  return { id, path }
}

function writeGraph() {
  const nodes = []
  for (let layer = 0; layer + 1 < widths.length; layer++) {
    const last = layer + 2 === widths.length
    nodes.push({
      op: 'Gemm',
      inputs: [layer === 0 ? 'pixels' : `h${layer}`, `layers.${layer}.weight`, `layers.${layer}.bias`],
      outputs: [last ? 'logits' : `a${layer}`],
      attributes: { transB: { int: 1 } },
    })
    if (!last) nodes.push({ op: 'Relu', inputs: [`a${layer}`], outputs: [`h${layer + 1}`] })
  }
  const model = buildOnnxModel({
    inputs: [{ name: 'pixels', shape: ['batch', FEATURES] }],
    outputs: [{ name: 'logits', shape: ['batch', CLASSES] }],
    nodes,
    initializers: weights(0),
  })
  writeFileSync(join(folder, 'network.onnx'), model)
}

function writeArray(name, descr, shape, data) {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.map(dim => `${dim},`).join(' ')}), }\n`
  const head = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8])
  writeFileSync(join(folder, name), Buffer.concat([head, Buffer.from(header), Buffer.from(data.buffer)]))
}

/** `examples` rows in the search split, and one in each other. */
function writeData() {
  const rng = createRng(5)
  const rows = examples + 2
  writeArray(
    'x.npy',
    '<f4',
    [rows, FEATURES],
    Float32Array.from({ length: rows * FEATURES }, () => rng.uniform()),
  )
  writeArray(
    'y.npy',
    '|u1',
    [rows],
    Uint8Array.from({ length: rows }, () => rng.integer(0, CLASSES)),
  )
  writeArray(
    's.npy',
    '|u1',
    [rows],
    Uint8Array.from({ length: rows }, (_, i) => Math.max(0, i - examples + 1)),
  )
}

function job(k) {
  return {
    label: `candidate ${k}`,
    split: 'search',
    recipe: {
      kind: 'parameter-merge',
      method: 'task_arithmetic',
      base: 'base',
      sources: ['a', 'b'],
      parameters: {},
      groups: [
        { layers: 'all', coefficients: { a: { weight: 0.1 + k / candidates }, b: { weight: 1 - k / candidates } } },
      ],
    },
  }
}

const median = values => values.toSorted((a, b) => a - b)[values.length >> 1]

/** One line per setting: medians over the candidates, milliseconds. */
async function measure(title, executor, inFlight) {
  await Promise.all(Array.from({ length: 2 * inFlight }, (_, k) => executor.submit(job(k)))) // sessions, caches
  const timings = []
  let next = 0
  const started = performance.now()
  const lane = async () => {
    while (next < candidates) {
      const from = performance.now()
      const evaluation = await executor.submit(job(next++))
      if (evaluation.status !== 'scored') throw new Error(evaluation.reason)
      timings.push({ ...evaluation.timing, wallMs: performance.now() - from })
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
  const perSecond = (1000 * candidates) / (performance.now() - started)
  const wall = median(timings.map(t => t.wallMs))
  const merge = median(timings.map(t => t.mergeMs))
  const inference = median(timings.map(t => t.inferenceMs))
  const around = median(timings.map(t => t.wallMs - t.inferenceMs))
  const rest = median(timings.map(t => t.wallMs - t.inferenceMs - t.mergeMs))
  console.log(
    `${title.padEnd(28)} ${[wall, inference, merge, rest].map(ms => ms.toFixed(2).padStart(9)).join(' ')} ` +
      `${((100 * around) / wall).toFixed(1).padStart(7)} % ${perSecond.toFixed(1).padStart(8)}`,
  )
}

writeGraph()
writeData()
const sources = [writeSource('base', 1), writeSource('a', 2), writeSource('b', 3)]
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
const parameters = weights(0).reduce((sum, { data }) => sum + data.length, 0)
console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0].model}, commit ${commit}`)
console.log(`${parameters} parameters, ${examples} examples, ${candidates} candidates; medians in milliseconds`)
console.log(`${''.padEnd(28)}      wall inference     merge      rest  around it  per second`)
for (const mode of ['inputs', 'initializers']) {
  const evaluator = evaluatorReference(
    {
      kind: 'onnx',
      id: 'bench',
      graph: 'network.onnx',
      weights: mode,
      inputs: { pixels: { npy: 'x.npy' } },
      output: 'logits',
      tasks: [{ name: 'bench', label: { npy: 'y.npy' }, split: { npy: 's.npy' } }],
    },
    folder,
    'bench',
  )
  const setup = { sources, evaluator }
  const inline = await createInlineExecutor(setup)
  await measure(`${mode}, inline`, inline, 1)
  await inline.close()
  for (const count of new Set([1, workers])) {
    const host = await createWorkerHostExecutor(setup, { workers: count, evaluationTimeoutMs: 600_000 })
    await measure(`${mode}, host of ${count}`, host, count)
    await host.close()
  }
}
