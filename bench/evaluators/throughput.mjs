// What scoring a candidate takes beside onnxruntime alone: the very batches that the `onnx` evaluator runs, in a loop that does nothing else.
//   npm run build; node bench/evaluators/throughput.mjs [--rounds N]
// Exits 1 where a candidate without its merge takes more than 5 % longer than the loop, with the weights given the same way.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as ort from 'onnxruntime-node'
import { loadEvaluatorFile } from '../../dist/config/load.js'
import { createWorkerHostExecutor } from '../../dist/executors/host/worker-host.js'
import { createInlineExecutor } from '../../dist/executors/inline.js'
import { parseOnnxModel } from '../../dist/formats/onnx.js'
import { buildOnnxModel } from '../../dist/formats/onnx-build.js'
import { makePatchable, promoteInitializers } from '../../dist/formats/onnx-rewrite.js'
import { writeSafetensors } from '../../dist/formats/write-file.js'
import { createMerger } from '../../dist/merge/merge.js'
import { loadSharedSources } from '../../dist/merge/sources.js'
import { createRng } from '../../dist/rng.js'

const LIMIT = 1.05
/** A candidate that takes less says little: the clock of a shared machine is not that even. */
const LEAST_MS = 100
const rounds = Number(process.argv[process.argv.indexOf('--rounds') + 1] || 15)
const cores = availableParallelism()
const at = path => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'amalgam-throughput-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const rng = createRng(1)
const normals = (count, scale) => Float32Array.from({ length: count }, () => scale * rng.normal())
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1]

function writeArray(name, descr, shape, data) {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.map(dim => `${dim},`).join(' ')}), }\n`
  const head = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8])
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  writeFileSync(join(folder, name), Buffer.concat([head, Buffer.from(header), bytes]))
}

/** `count` rows in the search split, and one in each other. @returns the task's keys */
function writeRows(name, count, features) {
  const rows = count + 2
  const uniform = Float32Array.from({ length: rows * features }, () => rng.uniform())
  writeArray(`${name}-x.npy`, '<f4', [rows, features], uniform)
  writeArray(
    `${name}-y.npy`,
    '|u1',
    [rows],
    Uint8Array.from({ length: rows }, () => rng.integer(0, 10)),
  )
  writeArray(
    `${name}-s.npy`,
    '|u1',
    [rows],
    Uint8Array.from({ length: rows }, (_, i) => Math.max(0, i - count + 1)),
  )
  return {
    inputs: { pixels: { npy: `${name}-x.npy` } },
    tasks: [{ name, label: { npy: `${name}-y.npy` }, split: { npy: `${name}-s.npy` } }],
  }
}

/** Two 3 x 3 convolutions of 32 channels over images of 16 x 16, mean pooling, 10 classes. */
function convolutional() {
  const shapes = { 'first.weight': [32, 1, 3, 3], 'second.weight': [32, 32, 3, 3], 'head.weight': [10, 32] }
  const tensors = () =>
    Object.entries(shapes).map(([name, shape]) => {
      const fan = shape.slice(1).reduce((product, dim) => product * dim, 1)
      return { name, shape, data: normals(shape[0] * fan, Math.sqrt(2 / fan)) }
    })
  const attributes = { kernel_shape: { ints: [3, 3] }, pads: { ints: [1, 1, 1, 1] } }
  const graph = buildOnnxModel({
    inputs: [{ name: 'pixels', shape: ['batch', 256] }],
    outputs: [{ name: 'logits', shape: ['batch', 10] }],
    nodes: [
      { op: 'Reshape', inputs: ['pixels', 'image'], outputs: ['x'] },
      { op: 'Conv', inputs: ['x', 'first.weight'], outputs: ['a'], attributes },
      { op: 'Relu', inputs: ['a'], outputs: ['b'] },
      { op: 'Conv', inputs: ['b', 'second.weight'], outputs: ['c'], attributes },
      { op: 'Relu', inputs: ['c'], outputs: ['d'] },
      { op: 'GlobalAveragePool', inputs: ['d'], outputs: ['e'] },
      { op: 'Flatten', inputs: ['e'], outputs: ['f'] },
      { op: 'Gemm', inputs: ['f', 'head.weight'], outputs: ['logits'], attributes: { transB: { int: 1 } } },
    ],
    initializers: [...tensors(), { name: 'image', shape: [4], data: BigInt64Array.of(-1n, 1n, 16n, 16n) }],
  })
  writeFileSync(join(folder, 'conv.onnx'), graph)
  const sources = ['a', 'b'].map(id => {
    const path = join(folder, `${id}.safetensors`)
    const entry = ({ name, shape, data }) => [name, { dtype: 'F32', shape, data: new Uint8Array(data.buffer) }]
    writeSafetensors(path, tensors().map(entry))
    return { id, path }
  })
  return { graph: join(folder, 'conv.onnx'), sources }
}

/** The networks; `document(size)` is the evaluator over `size` examples. */
const CASES = [
  {
    name: 'digits',
    sources: ['low', 'high'].map(id => ({ id, path: at(`examples/digits/${id}.safetensors`) })),
    size: 4096,
    modes: ['inputs', 'initializers'],
    document: size => ({ graph: at('examples/digits/network.onnx'), ...writeRows('digits', size, 64) }),
  },
  {
    name: 'convolutional',
    ...convolutional(),
    size: 256,
    modes: ['inputs', 'initializers'],
    document: size => ({ graph: join(folder, 'conv.onnx'), batch_size: 64, ...writeRows('conv', size, 256) }),
  },
  {
    name: 'tiny-llama',
    sources: ['english', 'javascript'].map(id => ({ id, path: at(`examples/tiny-llama/${id}`) })),
    size: 16,
    modes: ['inputs'], // its graph takes weights as inputs
    document: size => {
      const lines = readFileSync(at('examples/tiny-llama/data/english.jsonl'), 'utf8').trim().split('\n')
      const texts = Array.from({ length: size + 2 }, (_, i) => ({
        text: JSON.parse(lines[i % lines.length]).text,
        split: ['search', 'select', 'holdout'][Math.max(0, i - size + 1)],
      }))
      writeFileSync(join(folder, 'texts.jsonl'), texts.map(line => `${JSON.stringify(line)}\n`).join(''))
      return {
        graph: at('examples/tiny-llama/llama.onnx'),
        constants: ['*.table'],
        batch_size: 16,
        text: { tokenizer: 'bytes', prefix_token: 0, max_length: 256 },
        tasks: [{ kind: 'language_model', name: 'texts', data: 'texts.jsonl', split: { column: 'split' } }],
      }
    },
  },
]

function evaluatorOf({ name, document }, size, options) {
  const path = join(folder, `${name}.yaml`)
  writeFileSync(path, JSON.stringify({ kind: 'onnx', id: name, ...document(size), ...options }))
  return loadEvaluatorFile(path)
}

function jobOf({ sources }, weight) {
  const coefficients = Object.fromEntries(sources.map(({ id }, i) => [id, { weight: i === 0 ? weight : 1 - weight }]))
  const recipe = {
    kind: 'parameter-merge',
    method: 'linear',
    base: undefined,
    sources: sources.map(({ id }) => id),
    parameters: { normalize: false },
    groups: [{ layers: 'all', coefficients }],
  }
  return { label: `candidate ${weight}`, split: 'search', recipe }
}

/** A candidate's milliseconds without its merge, from submitting it to having its scores. */
async function candidateMs(executor, job) {
  const started = performance.now()
  const evaluation = await executor.submit(job)
  const elapsed = performance.now() - started
  if (evaluation.status !== 'scored') throw new Error(evaluation.reason)
  return elapsed - evaluation.timing.mergeMs
}

/** What one candidate asks of the runtime, in order: watched while the evaluator scores it. */
async function watchRuns(executor, job) {
  const { InferenceSession } = ort.default ?? ort
  const { run } = InferenceSession.prototype
  if (typeof run !== 'function') throw new Error('onnxruntime-node has no InferenceSession.prototype.run to watch.')
  const runs = []
  InferenceSession.prototype.run = function (feeds, ...rest) {
    runs.push({ feeds: { ...feeds }, rest })
    return run.call(this, feeds, ...rest)
  }
  try {
    await candidateMs(executor, job)
  } finally {
    InferenceSession.prototype.run = run
  }
  if (runs.length === 0) throw new Error('The evaluator ran nothing that could be watched.')
  return runs
}

const SESSION = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
}

/** The same runs without anything around them. @returns a function that takes a candidate's milliseconds */
async function bareLoop({ sources }, graph, mode, runs, job) {
  const bytes = readFileSync(graph)
  const { tensors } = createMerger(loadSharedSources(sources, { threads: 1 }), 0).merge(job.recipe)
  const weights = Object.fromEntries(
    [...tensors].map(([name, { data, shape }]) => [name, new ort.Tensor('float32', data.slice(), shape)]),
  )
  // All that can be made beforehand is.
  const batches = runs.map(({ feeds, rest }) => {
    const inputs = Object.fromEntries(Object.entries(feeds).filter(([name]) => !Object.hasOwn(weights, name)))
    return { feeds: mode === 'inputs' ? { ...inputs, ...weights } : inputs, rest }
  })
  const all = async session => {
    for (const { feeds, rest } of batches) await session.run(feeds, ...rest)
  }
  const { initializers } = parseOnnxModel(bytes, graph)
  const inside = new Set(Object.keys(weights).filter(name => initializers.has(name))) // the others are inputs as it is
  const patchable = mode === 'inputs' ? undefined : makePatchable(bytes, inside, graph)
  const session =
    mode === 'inputs'
      ? await ort.InferenceSession.create(promoteInitializers(bytes, inside, graph), SESSION)
      : undefined
  return async () => {
    const started = performance.now()
    if (session !== undefined) await all(session)
    else {
      for (const [name, slot] of patchable.slots) {
        const { data } = weights[name]
        patchable.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), slot.start)
      }
      const own = await ort.InferenceSession.create(patchable.bytes, SESSION)
      await all(own)
      await own.release()
    }
    return performance.now() - started
  }
}

/** Examples that take at least {@link LEAST_MS} of inference, a whole number of batches. */
async function calibrate(one) {
  const executor = await createInlineExecutor({
    sources: one.sources,
    evaluator: evaluatorOf(one, one.size, { weights: 'inputs', threads: 1 }),
  })
  const times = []
  for (let k = 0; k < 4; k++) times.push((await executor.submit(jobOf(one, k / 4))).timing.inferenceMs)
  await executor.close()
  return one.size * Math.max(1, Math.ceil((2 * LEAST_MS) / Math.min(...times)))
}

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0].model}, commit ${commit}`)
console.log(`\nOne thread, milliseconds per candidate without its merge, medians of ${rounds} rounds in turn`)
console.log(
  `${'network'.padEnd(15)}${'weights'.padEnd(14)}examples  batches     bare   in process  ratio       host  ratio`,
)
let failed = false
const sizes = new Map()
for (const one of CASES) {
  const size = await calibrate(one)
  sizes.set(one, size)
  for (const mode of one.modes) {
    const evaluator = evaluatorOf(one, size, { weights: mode, threads: 1 })
    const { graph } = evaluator.options
    const setup = { sources: one.sources, evaluator }
    const inline = await createInlineExecutor(setup)
    const host = await createWorkerHostExecutor(setup, { workers: 1 })
    await candidateMs(inline, jobOf(one, 0.5)) // sessions, caches
    const runs = await watchRuns(inline, jobOf(one, 0.5))
    const bare = await bareLoop(one, graph, mode, runs, jobOf(one, 0.5))
    const times = { bare: [], inline: [], host: [] }
    for (let round = -2; round < rounds; round++) {
      const job = jobOf(one, (round + 3) / (rounds + 3))
      const measures = [
        ['bare', bare],
        ['inline', () => candidateMs(inline, job)],
        ['host', () => candidateMs(host, job)],
      ]
      // Each is first, second and third equally often.
      for (let k = 0; k < 3; k++) {
        const [name, measure] = measures[(k + round + 3) % 3]
        const ms = await measure()
        if (round >= 0) times[name].push(ms)
      }
    }
    await inline.close()
    await host.close()
    const ratio = name => median(times[name].map((ms, i) => ms / times.bare[i]))
    const [own, hosted] = [ratio('inline'), ratio('host')]
    const isSlow = own > LIMIT || hosted > LIMIT
    failed ||= isSlow || median(times.bare) < LEAST_MS
    const ms = name => median(times[name]).toFixed(1)
    console.log(
      `${one.name.padEnd(15)}${mode.padEnd(14)}${String(size).padStart(8)}${String(runs.length).padStart(9)}${ms('bare').padStart(9)}` +
        `${ms('inline').padStart(13)}${own.toFixed(3).padStart(7)}${ms('host').padStart(11)}${hosted.toFixed(3).padStart(7)}` +
        `${isSlow ? `  above ${LIMIT}` : ''}${median(times.bare) < LEAST_MS ? `  below ${LEAST_MS} ms` : ''}`,
    )
  }
}

/** Candidates per minute with two in flight per worker. */
async function perMinute(executor, one, workers, count) {
  let next = 0
  const started = performance.now()
  const lane = async () => {
    while (next < count) await candidateMs(executor, jobOf(one, ++next / (count + 1)))
  }
  await Promise.all(Array.from({ length: 2 * workers }, lane))
  return (60_000 * count) / (performance.now() - started)
}

console.log(`\nCandidates per minute on ${cores} cores`)
const sides = [
  { title: `${cores} workers, 1 thread each`, workers: cores, threads: 1 },
  { title: `1 worker, ${cores} threads`, workers: 1, threads: cores },
  { title: '1 worker, threads: auto', workers: 1, threads: 'auto' },
]
console.log(`${'network'.padEnd(15)}${sides.map(({ title }) => title.padStart(26)).join('')}`)
for (const one of CASES) {
  const hosts = []
  for (const { workers, threads } of sides) {
    const evaluator = evaluatorOf(one, sizes.get(one), { weights: 'inputs', threads })
    const host = await createWorkerHostExecutor({ sources: one.sources, evaluator }, { workers })
    await perMinute(host, one, workers, 2 * workers) // sessions, caches, choices
    hosts.push(host)
  }
  const found = sides.map(() => [])
  for (let round = 0; round < 3; round++)
    for (const [i, { workers }] of sides.entries()) found[i].push(await perMinute(hosts[i], one, workers, 4 * cores))
  const auto = hosts[2].diagnostics().choices.find(({ option }) => option === 'threads')
  for (const host of hosts) await host.close()
  console.log(`${one.name.padEnd(15)}${found.map(values => median(values).toFixed(0).padStart(26)).join('')}`)
  console.log(`${''.padEnd(15)}auto: ${auto.value}. ${auto.reason}`)
}
process.exit(failed ? 1 : 0)
