// How fast a candidate is merged: W0 + c1 τ1 + c2 τ2 over 16M float32, one thread, from shared memory into ordinary buffers, beside a
// plain copy and the plain TypeScript twin. Run after `npm run build`: node bench/merge.mjs [repeats]
import { pathToFileURL } from 'node:url'
import { createPreparedMemory } from '../dist/merge/fast/prepared.js'
import { allocateSharedMemory, instantiateKernel } from '../dist/merge/kernel/load.js'
import { taskArithmeticTwin } from '../dist/merge/kernel/twin.js'
import { COEFFICIENTS_AT, layOutBanks, POINTERS_AT, TILE_AT, TILE_BYTES } from '../dist/merge/layout.js'
import { createMerger } from '../dist/merge/merge.js'

const GIGA = 1e9

/**
 * @param {{ repeats?: number, elements?: number, log?: (line: string) => void }} [options]
 * @returns {Promise<{ elements: number, repeats: number, rows: {
 *   name: string, ms: number, fastestMs: number, gigabytesPerSecond: number, bytesPerElement: number,
 * }[] }>} medians; bytes are those read plus those written
 */
export async function benchMerge({ repeats = 31, elements = 1 << 24, log = () => {} } = {}) {
  const { shared, views } = threeSources(elements)
  const [base, a, b] = views
  const merger = createMerger(shared, 0)
  const twinOut = new Float32Array(elements)
  const copyFrom = Float32Array.from(base)
  const copyTo = new Float32Array(elements)
  const passes = tilePasses(shared, elements)

  const cases = [
    { name: 'merge into the buffers that are fed', bytesPerElement: 16, run: round => merger.merge(recipe(round)) },
    { name: 'of which the kernel, tile by tile', bytesPerElement: 16, run: passes },
    { name: 'TypedArray.set, a copy', bytesPerElement: 8, run: () => copyTo.set(copyFrom) },
    {
      name: 'the TypeScript twin',
      bytesPerElement: 16,
      run: round => taskArithmeticTwin(twinOut, base, [a, b], coefficientsOf(round)),
    },
  ]
  const times = cases.map(() => [])
  // One after the other, over and over: what disturbs the machine disturbs all of them.
  for (let round = 0; round < repeats + 2; round++) {
    for (const [i, { run }] of cases.entries()) {
      const start = performance.now()
      run(round)
      if (round >= 2) times[i].push(performance.now() - start)
    }
  }
  requireEqual(merger.merge(recipe(repeats + 1)).tensors.get('w').data, twinOut)

  const rows = cases.map(({ name, bytesPerElement }, i) => {
    const ms = median(times[i])
    const gigabytesPerSecond = (elements * bytesPerElement) / GIGA / (ms / 1000)
    return { name, ms, fastestMs: Math.min(...times[i]), gigabytesPerSecond, bytesPerElement }
  })
  log(`W0 + c1 τ1 + c2 τ2 over ${elements} float32, one thread, ${repeats} repeats`)
  log(`${''.padEnd(38)}    median   fastest   median GB/s (read + written)`)
  for (const { name, ms, fastestMs, gigabytesPerSecond } of rows) {
    const figures = [`${ms.toFixed(2)} ms`, `${fastestMs.toFixed(2)} ms`].map(text => text.padStart(10)).join('')
    log(`${name.padEnd(38)}${figures} ${gigabytesPerSecond.toFixed(1).padStart(8)}`)
  }
  return { elements, repeats, rows }
}

/** Sources as if loaded from files: base, a and b with one tensor each. */
function threeSources(elements) {
  const tensor = { name: 'w', dtype: 'F32', shape: [elements], elements }
  const { stretches, banks, arenas } = layOutBanks([tensor], 3, 1)
  const shared = {
    ids: ['base', 'a', 'b'],
    threads: 1,
    banks: banks.map(allocateSharedMemory),
    prepared: createPreparedMemory(arenas, 1),
    tensors: [{ ...tensor, stretches: stretches[0], twinOf: [0, 1, 2] }],
    others: [],
  }
  const [{ bank, addresses }] = stretches[0]
  const views = addresses.map(address => new Float32Array(shared.banks[bank].buffer, address, elements))
  for (const [j, view] of views.entries()) {
    for (let i = 0; i < elements; i++) view[i] = ((i * 2654435761 + j * 40503) >>> 8) / 2 ** 24 - 0.5
  }
  return { shared, views }
}

/** A new pair each round: a merger does not compute again what it has. */
function coefficientsOf(round) {
  return Float32Array.of(0.25 + round / 256, 0.75 - round / 256)
}

function recipe(round) {
  const [a, b] = coefficientsOf(round)
  return {
    kind: 'parameter-merge',
    method: 'task_arithmetic',
    base: 'base',
    sources: ['a', 'b'],
    parameters: {},
    groups: [{ layers: 'all', coefficients: { a: { weight: a }, b: { weight: b } } }],
  }
}

/** The kernel calls of a merge without the copies. */
function tilePasses(shared, elements) {
  const { bank, addresses } = shared.tensors[0].stretches[0]
  const memory = shared.banks[bank]
  const kernel = instantiateKernel(memory)
  return round => {
    new Uint32Array(memory.buffer, POINTERS_AT, 2).set(addresses.slice(1))
    new Float32Array(memory.buffer, COEFFICIENTS_AT, 2).set(coefficientsOf(round))
    for (let offset = 0; offset < elements * 4; offset += TILE_BYTES) {
      const bytes = Math.min(TILE_BYTES, elements * 4 - offset)
      kernel.taskArithmetic(TILE_AT, addresses[0], POINTERS_AT, COEFFICIENTS_AT, 2, offset, bytes)
    }
  }
}

function requireEqual(merged, twin) {
  if (Buffer.compare(Buffer.from(merged.buffer), Buffer.from(twin.buffer)) !== 0) {
    throw new Error('The kernel and its twin disagree.')
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await benchMerge({ repeats: Number(process.argv[2] ?? 31), log: console.log })
}
