// What the worker host adds to a candidate: milliseconds per job of an empty evaluation on a model of one number.
// Usage: npm run build && node bench/overhead.mjs [jobs] [repeats]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createWorkerHostExecutor } from '../dist/executors/host/worker-host.js'
import { createInlineExecutor } from '../dist/executors/inline.js'

const [jobs = 2000, repeats = 5] = process.argv.slice(2).map(Number)
const folder = mkdtempSync(join(tmpdir(), 'amalgam-overhead-'))
const path = join(folder, 'one.safetensors')
const header = '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} '.padEnd(56)
const bytes = Buffer.alloc(8 + header.length + 4)
bytes.writeBigUInt64LE(BigInt(header.length), 0)
bytes.write(header, 8)
bytes.writeFloatLE(1, 8 + header.length)
writeFileSync(path, bytes)

const setup = {
  sources: [{ id: 'a', path }],
  evaluator: {
    kind: 'module',
    id: 'empty',
    options: { path: fileURLToPath(new URL('empty-evaluator.mjs', import.meta.url)), options: null },
  },
}
const job = weight => ({
  label: `weight ${weight}`,
  split: 'search',
  recipe: {
    kind: 'parameter-merge',
    method: 'linear',
    base: undefined,
    sources: ['a'],
    parameters: { normalize: false },
    groups: [{ layers: 'all', coefficients: { a: { weight } } }],
  },
})

/** Milliseconds per job, the best and the worst of `repeats`, with `slots` jobs in flight. */
async function measure(executor, slots) {
  const times = []
  for (let repeat = 0; repeat <= repeats; repeat++) {
    let next = 0
    const start = performance.now()
    const lane = async () => {
      while (next < jobs) {
        const evaluation = await executor.submit(job(1 + next++ / jobs))
        if (evaluation.status !== 'scored') throw new Error(evaluation.reason)
      }
    }
    await Promise.all(Array.from({ length: slots }, lane))
    if (repeat > 0) times.push((performance.now() - start) / jobs) // the first one warms up
  }
  return `${Math.min(...times).toFixed(3)} .. ${Math.max(...times).toFixed(3)} ms per job`
}

console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0].model}; ${jobs} jobs, ${repeats} repeats`)
const inline = await createInlineExecutor(setup)
console.log(`inline             , 1 in flight: ${await measure(inline, 1)}`)
await inline.close()
for (const workers of [1, 2]) {
  const start = performance.now()
  const executor = await createWorkerHostExecutor(setup, { workers, evaluationTimeoutMs: 60_000 })
  console.log(
    `worker host, ${workers} worker${workers > 1 ? 's' : ' '} : ready after ${Math.round(performance.now() - start)} ms`,
  )
  for (const slots of new Set([1, workers, 4 * workers])) {
    console.log(
      `worker host, ${workers} worker${workers > 1 ? 's' : ' '}, ${slots} in flight: ${await measure(executor, slots)}`,
    )
  }
  await executor.close()
}
rmSync(folder, { recursive: true })
