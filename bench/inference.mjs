// Where a candidate's time goes: merge, inference, everything else (scheduling, messages, scores).
// Usage: npm run build && node bench/inference.mjs [width] [examples] [candidates] [workers]
// A multilayer perceptron 784 -> width -> width -> 10 and two task vectors, merged by task arithmetic, scored on `examples` rows.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createParetoArchive } from '../dist/archive/pareto-archive.js'
import { evaluatorReference } from '../dist/evaluation/registry.js'
import { createWorkerHostExecutor } from '../dist/executors/host/worker-host.js'
import { createInlineExecutor } from '../dist/executors/inline.js'
import { buildOnnxModel } from '../dist/formats/onnx-build.js'
import { writeSafetensors } from '../dist/formats/write-file.js'
import { createRng } from '../dist/rng.js'
import { createRun } from '../dist/runs/run-folder.js'
import { search } from '../dist/search.js'
import { strategyDefinition } from '../dist/strategies/registry.js'

const [width = 1024, examples = 2560, candidates = 192, workers = 2] = process.argv.slice(2).map(Number)
/** As a search has by default. */
const SLOTS = 8
const REPEATS = 3
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

function job(k, [a, b] = [0.1 + k / candidates, 1 - k / candidates]) {
  return {
    label: `candidate ${k}`,
    split: 'search',
    recipe: {
      kind: 'parameter-merge',
      method: 'task_arithmetic',
      base: 'base',
      sources: ['a', 'b'],
      parameters: {},
      groups: [{ layers: 'all', coefficients: { a: { weight: a }, b: { weight: b } } }],
    },
  }
}

const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1]

/**
 * A row: milliseconds of a worker's time per candidate, as a search spends them. `wall` is elapsed time × workers / candidates, with
 * as many candidates in flight as a search has slots; `rest` is what neither merge nor inference account for.
 */
function row(title, repeats) {
  const rows = repeats.map(({ elapsedMs, workers, timings }) => {
    const wall = (elapsedMs * workers) / timings.length
    const inference = mean(timings.map(t => t.inferenceMs))
    const merge = mean(timings.map(t => t.mergeMs))
    return { wall, inference, merge, rest: wall - inference - merge, around: (100 * (wall - inference)) / wall }
  })
  const of = key => median(rows.map(r => r[key]))
  const spread = rows.map(r => r.around.toFixed(1)).sort((a, b) => a - b)
  console.log(
    `${title.padEnd(30)} ${['wall', 'inference', 'merge', 'rest'].map(key => of(key).toFixed(2).padStart(9)).join(' ')} ` +
      `${of('around').toFixed(1).padStart(7)} %   (${spread.at(0)} .. ${spread.at(-1)})`,
  )
}

/** Candidates through an executor, `slots` in flight. */
async function measure(title, executor, workers, slots) {
  await Promise.all(Array.from({ length: 2 * workers }, (_, k) => executor.submit(job(k)))) // sessions, caches
  const results = []
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const timings = []
    let next = 0
    const started = performance.now()
    const lane = async () => {
      while (next < candidates) {
        const evaluation = await executor.submit(job(next++))
        if (evaluation.status !== 'scored') throw new Error(evaluation.reason)
        timings.push(evaluation.timing)
      }
    }
    await Promise.all(Array.from({ length: slots }, lane))
    results.push({ elapsedMs: performance.now() - started, workers, timings })
  }
  row(title, results)
}

/** A whole search: strategy, archive and a run store that is on disk before anything else learns of a result. */
async function measureSearch(executor, workers) {
  const genes = ['a', 'b'].map(name => ({ kind: 'real', name, low: 0, high: 1, scale: 'linear', initial: 0.5 }))
  const objectives = [{ name: 'accuracy', direction: 'maximize', unit: 'accuracy, 0..1', reference: 0, ideal: 1 }]
  const initial = Float64Array.of(0.5, 0.5)
  const definition = strategyDefinition('cma-es')
  const results = []
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const timings = []
    const runFolder = join(folder, `run-${repeat}-${workers}`)
    const manifest = {
      format: 1,
      runId: 'bench',
      createdAt: new Date().toISOString(),
      seed: repeat,
      slots: SLOTS,
      strategy: 'cma-es',
      config: {},
      objectives,
      geneNames: ['a', 'b'],
      digests: {},
      environment: {},
    }
    const run = createRun(runFolder, manifest, { budget: candidates })
    const context = { domain: { genes, initial }, objectives, rng: createRng(repeat), budget: candidates }
    // One generation (λ samples and the start): what is measured is the machinery, not how long the last candidates of a
    // generation keep the other workers waiting.
    const strategy = definition.create(context, definition.options.parse({ population_size: candidates - 1 }))
    const started = performance.now()
    await search(
      {
        space: { ...context.domain, decode: genome => job(0, genome).recipe },
        objectives,
        strategy,
        executor: {
          ...executor,
          submit: async (...args) => {
            const evaluation = await executor.submit(...args)
            timings.push(evaluation.timing)
            return evaluation
          },
        },
        archive: createParetoArchive(objectives),
        run,
        budget: candidates,
        slots: SLOTS,
        pending: [],
      },
      new AbortController().signal,
    )
    results.push({ elapsedMs: performance.now() - started, workers, timings })
    run.close()
  }
  row(`search, host of ${workers}`, results)
}

writeGraph()
writeData()
const sources = [writeSource('base', 1), writeSource('a', 2), writeSource('b', 3)]
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
const parameters = weights(0).reduce((sum, { data }) => sum + data.length, 0)
console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0].model}, commit ${commit}`)
console.log(
  `${parameters} parameters, ${examples} examples, ${candidates} candidates, ${REPEATS} repeats; milliseconds`,
)
console.log(`${''.padEnd(30)}      wall inference     merge      rest  around it   (range)`)
const evaluator = evaluatorReference(
  {
    kind: 'onnx',
    id: 'bench',
    graph: 'network.onnx',
    weights: 'inputs',
    inputs: { pixels: { npy: 'x.npy' } },
    output: 'logits',
    tasks: [{ name: 'bench', label: { npy: 'y.npy' }, split: { npy: 's.npy' } }],
  },
  folder,
  'bench',
)
const setup = { sources, evaluator }
const inline = await createInlineExecutor(setup)
await measure('inline', inline, 1, 1)
await inline.close()
for (const count of new Set([1, workers])) {
  const host = await createWorkerHostExecutor(setup, { workers: count, evaluationTimeoutMs: 600_000 })
  await measure(`host of ${count}, ${SLOTS} in flight`, host, count, SLOTS)
  await measureSearch(host, count)
  await host.close()
}
