// What a candidate costs in memory, by merge method: one float32 pass from shared memory into the buffers that are fed, one thread, beside
// a plain copy in the same run, and beside the method's definition in float64. Every round has other numbers, so nothing is found ready
// but what the method prepares once. Run after `npm run build`: node bench/merge/candidates.mjs [--elements N] [--repeats N] [--methods a,b]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeSafetensors } from '../../dist/formats/write-file.js'
import { createPreparedMemory } from '../../dist/merge/fast/prepared.js'
import { allocateSharedMemory } from '../../dist/merge/kernel/load.js'
import { layOutBanks } from '../../dist/merge/layout.js'
import { createMerger } from '../../dist/merge/merge.js'
import { OPERATORS } from '../../dist/merge/operators/registry.js'
import { readStatisticsTable } from '../../dist/merge/statistics-table.js'

const GIGA = 1e9
const COLUMNS = 1024
/** Matrices of these take a singular value decomposition for their definition: that is timed on a small one. */
const SPECTRAL = new Set(['tsv_m', 'iso_c', 'iso_cts', 'star', 'wudi', 'dc_merge', 'opcm'])
const SMALL = 192
/** Inputs of the layer that RegMean solves. */
const INPUTS = 128
/** Rounds that do not count: WebAssembly is compiled anew for speed while it runs. */
const WARM_UP = 4
/** Another merge than the one before, so that methods without a searched number are computed too. */
const PLAIN = {
  kind: 'parameter-merge',
  method: 'passthrough',
  base: undefined,
  sources: ['m0'],
  parameters: {},
  groups: [{ layers: 'all', coefficients: { m0: { scale: 1 } } }],
}

const { values: flags } = parseArgs({
  options: {
    elements: { type: 'string', default: String(1 << 24) },
    repeats: { type: 'string', default: '7' },
    methods: { type: 'string' },
    models: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
})
const elements = Math.ceil(Number(flags.elements) / COLUMNS) * COLUMNS
const repeats = Number(flags.repeats)
const most = Number(flags.models)
const chosen = flags.methods?.split(',')
const methods = [...OPERATORS.values()].filter(({ name }) => chosen === undefined || chosen.includes(name))

// Not taken for a matrix with singular vectors: bases of every method are of full size.
const large = sourcesOf('embed_tokens.weight', [elements / COLUMNS, COLUMNS], most + 1)
const small = sourcesOf('layers.0.w', [SMALL, SMALL], most + 1)
const folder = mkdtempSync(join(tmpdir(), 'amalgam-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const copyFrom = new Float32Array(elements).fill(1)
const copyTo = new Float32Array(elements)

const rows = methods.map(operator => {
  const count = Math.min(most, operator.models[1])
  const passes = inputsOf(operator, count) + 1
  const shared =
    operator.needs === 'input-gram' ? sourcesOf('layers.0.w', [elements / INPUTS, INPUTS], most + 1) : large
  const isSmall = SPECTRAL.has(operator.name) || operator.needs === 'input-gram'
  const tensor = isSmall ? small : shared
  for (const own of new Set([shared, tensor])) own.statistics = statisticsOf(operator.needs, own)
  // Of its own: what other methods have prepared takes no room from this one's.
  shared.prepared = createPreparedMemory(shared.prepared.arenas, 1)
  const merger = createMerger(shared, 0)
  merger.merge(recipeOf(operator, count, 0)) // prepares
  const [ms, copyMs] = medians([
    { before: () => merger.merge(PLAIN), run: round => merger.merge(recipeOf(operator, count, round)) },
    { before: () => {}, run: () => copyTo.set(copyFrom) },
  ])
  const other = createMerger(tensor, 0)
  const start = performance.now()
  other.merge(recipeOf(operator, count, 1), { exact: true })
  const definitionMs = performance.now() - start
  return {
    method: operator.name,
    class: operator.candidate?.kind ?? 'sources',
    models: count,
    ms,
    gigabytesPerSecond: (elements * 4 * passes) / GIGA / (ms / 1000),
    copyGigabytesPerSecond: (elements * 8) / GIGA / (copyMs / 1000),
    definitionMs,
    definitionElements: isSmall ? SMALL * SMALL : elements,
  }
})

if (flags.json) console.log(JSON.stringify({ elements, repeats, models: most, rows }, undefined, 2))
else {
  console.log(
    `${elements} float32 per model, one thread, median of ${repeats}; GB/s count what has to be read and written`,
  )
  console.log('method            class     models  candidate      GB/s  copy GB/s   of copy  definition (float64)')
  for (const row of rows) {
    const share = row.gigabytesPerSecond / row.copyGigabytesPerSecond
    console.log(
      [
        row.method.padEnd(17),
        row.class.padEnd(10),
        String(row.models).padStart(5),
        `${row.ms.toFixed(1)} ms`.padStart(12),
        row.gigabytesPerSecond.toFixed(1).padStart(9),
        row.copyGigabytesPerSecond.toFixed(1).padStart(10),
        `${(100 * share).toFixed(0)} %`.padStart(9),
        `${row.definitionMs.toFixed(0)} ms${row.definitionElements === elements ? '' : ` for ${SMALL} × ${SMALL}`}`.padStart(
          14,
        ),
      ].join(' '),
    )
  }
}

/** Tensors that a pass reads: base and models, or models alone, or with statistics of the same size, or what was solved of them. */
function inputsOf(operator, count) {
  if (operator.needs === 'fisher') return 2 * count
  if (operator.needs === 'input-gram') return 1
  return count + (operator.base === 'required' ? 1 : 0)
}

/** Weights, densities and scales that differ from round to round, inside the ranges of the method. */
function recipeOf(operator, count, round) {
  const sources = Array.from({ length: count }, (_, m) => `m${m}`)
  const structural = structuralOf(operator)
  const value = (parameter, m) => {
    const [low, high] = parameter.searchRange
    if (structural.has(parameter.name)) return parameter.default ?? low
    if (parameter.name === 'density') return 0.35 + 0.003 * round + 0.05 * m
    const x = low + (high - low) * (0.4 + 0.01 * round + 0.02 * m)
    return parameter.integer ? Math.round(x) : x
  }
  const coefficients = Object.fromEntries(
    sources.map((id, m) => [id, Object.fromEntries(operator.coefficients.map(c => [c.name, value(c, m)]))]),
  )
  const parameters = Object.fromEntries(
    operator.parameters.map(p => [p.name, p.kind === 'number' ? value(p, 0) : p.default]),
  )
  return {
    kind: 'parameter-merge',
    method: operator.name,
    base: operator.base === 'required' ? 'base' : undefined,
    sources,
    parameters,
    groups: [{ layers: 'all', coefficients }],
  }
}

/** What changes the prepared tensors stays: a search tries few values of it, and each is prepared once. */
function structuralOf(operator) {
  const names = [...operator.parameters, ...operator.coefficients].filter(p => p.kind === 'number').map(p => p.name)
  if (operator.name === 'layer_swap') return new Set(names)
  if (operator.candidate?.kind !== 'prepared') return new Set(['epsilon', 'gamma', 'k', 'max_iter', 'tol', 'eps'])
  const linear = operator.name.startsWith('iso') ? ['alpha'] : ['alpha', 'lambda', 'weight']
  return new Set(names.filter(name => !linear.includes(name)))
}

/** One after the other, over and over: what disturbs the machine disturbs all. */
function medians(cases) {
  const times = cases.map(() => [])
  for (let round = 1 - WARM_UP; round <= repeats; round++) {
    for (const [i, { before, run }] of cases.entries()) {
      before()
      const start = performance.now()
      run(round)
      if (round > 0) times[i].push(performance.now() - start)
    }
  }
  return times.map(all => all.sort((a, b) => a - b)[all.length >> 1])
}

/** A file for each model: Fisher information of many decades, or the Gram matrix of the inputs of a layer. */
function statisticsOf(needs, { ids, tensors: [{ name, shape }] }) {
  if (needs === undefined) return undefined
  return ids.map((id, m) => {
    const [stored, dimensions] = needs === 'fisher' ? [name, shape] : [`${name}.gram`, [shape[1], shape[1]]]
    const numbers = new Float32Array(dimensions[0] * dimensions[1])
    for (let i = 0; i < numbers.length; i++) {
      const [row, column] = [Math.floor(i / dimensions[1]), i % dimensions[1]]
      if (needs === 'fisher') numbers[i] = 10 ** -((i * (7 + m)) % 20)
      else numbers[i] = row === column ? 2 + m : 1 / (1 + Math.abs(row - column))
    }
    const path = join(folder, `${id}-${dimensions.join('-')}.safetensors`)
    writeSafetensors(path, [[stored, { dtype: 'F32', shape: dimensions, data: new Uint8Array(numbers.buffer) }]])
    const model = { id, tensors: new Map([[name, { shape }]]), merged: [[name, { name, transposed: false }]] }
    return readStatisticsTable(path, model)
  })
}

/** As if loaded from files: a base and models with one tensor, changes a hundredth of the weights. */
function sourcesOf(name, shape, count) {
  const tensor = { name, dtype: 'F32', shape, elements: shape[0] * shape[1] }
  const { stretches, banks, arenas } = layOutBanks([tensor], count, 1)
  const shared = {
    ids: ['base', ...Array.from({ length: count - 1 }, (_, m) => `m${m}`)],
    threads: 1,
    banks: banks.map(allocateSharedMemory),
    prepared: createPreparedMemory(arenas, 1),
    tensors: [{ ...tensor, stretches: stretches[0], twinOf: Array.from({ length: count }, (_, j) => j) }],
    others: [],
  }
  let x = 1
  const next = () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return x / 2 ** 31
  }
  let done = 0
  for (const { bank, addresses, elements: length } of stretches[0]) {
    const views = addresses.map(at => new Float32Array(shared.banks[bank].buffer, at, length))
    for (let i = 0; i < length; i++) {
      const base = next()
      views[0][i] = base
      for (let j = 1; j < count; j++) views[j][i] = base + 0.01 * next() * next()
    }
    done += length
  }
  if (done !== tensor.elements) throw new Error('The tensor has not found its place.')
  return shared
}
