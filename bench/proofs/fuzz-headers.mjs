// Reads mutated files of every format: only typed errors, no hang, no buffer larger than the file, and no growth of the process.
//   node bench/proofs/fuzz-headers.mjs [--rounds 100000] [--seed 1] [--format onnx]
// A parent watches: 500 rounds that take 30 seconds are a hang, told with its format and number.
import { fork } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    format: { type: 'string' },
    child: { type: 'string' },
  },
})
const HANG_MS = 30_000
const FORMATS = ['safetensors', 'safetensors index', 'onnx', 'npy']

if (options.child === undefined) await watchAll()
else await fuzz(options.child, options.format)

async function watchAll() {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'amalgam-fuzz-')) // memory: a disk would be what is measured
  let bad = 0
  try {
    console.log(`seed ${options.seed}, Node ${process.version}`)
    for (const format of options.format === undefined ? FORMATS : [options.format])
      bad += await watchOne(format, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  console.log(bad === 0 ? 'no crash, no hang, no untyped error, no buffer above the file' : `${bad} problems`)
  process.exitCode = bad === 0 ? 0 : 1
}

function watchOne(format, folder) {
  return new Promise(resolve => {
    const args = ['--child', folder, '--format', format, '--rounds', options.rounds, '--seed', options.seed]
    const child = fork(fileURLToPath(import.meta.url), args, { execArgv: ['--expose-gc'] })
    let round = 0
    let last = Date.now()
    let result
    const timer = setInterval(() => {
      if (Date.now() - last < HANG_MS) return
      console.log(`${format}: HANG in the rounds after ${round}`)
      child.kill('SIGKILL')
    }, 500)
    child.on('message', message => {
      last = Date.now()
      if (message.round !== undefined) round = message.round
      else result = message
    })
    child.on('close', (code, signal) => {
      clearInterval(timer)
      if (result === undefined) {
        console.log(`${format}: the process ended in the rounds after ${round} (${signal ?? code})`)
        return resolve(1)
      }
      console.log(result.line)
      for (const problem of result.problems) console.log(`  ${problem}`)
      resolve(result.bad)
    })
  })
}

async function fuzz(folder, format) {
  const { asked, reset, watch } = await import('./fuzz/allocations.mjs')
  watch()
  const { formats } = await import('./fuzz/formats.mjs')
  const { generator, mutate } = await import('./fuzz/mutations.mjs')
  const { AmalgamError } = await import('../../dist/errors.js')
  const { openCheckpoint } = await import('../../dist/formats/open-file.js')
  const { parseNpy } = await import('../../dist/formats/npy.js')
  const { valid, read } = formats({ openCheckpoint, parseNpy }, folder)[format]
  const next = generator(Number(options.seed))
  const rounds = Number(options.rounds)
  const problems = []
  const messages = new Set()
  let [accepted, refused, bad, longest, largest, reads, over] = [0, 0, 0, 0, 0, 0, 0]
  // What a file asks for is compared with it and with the files beside it that it may name: 64 bytes of data, shards of less than 100.
  const beside = format === 'npy' ? 0 : format === 'safetensors' ? 0 : 100
  // 16-bit floats in an ONNX file may be integers of one byte: the tensor that they make is twice as long.
  const decoded = format === 'onnx' ? 2 : 1
  for (const file of valid) read(file) // all of them are valid, and what is loaded on first use is loaded
  globalThis.gc()
  const before = process.memoryUsage()
  for (let round = 0; round < rounds; round++) {
    const bytes = mutate(valid[next(valid.length)], next)
    reset()
    const started = performance.now()
    try {
      read(bytes)
      accepted++
    } catch (error) {
      if (error instanceof AmalgamError) {
        refused++
        messages.add(error.message.replace(/".*"|\d+/g, '').slice(0, 60))
      } else if (bad++ < 5) problems.push(`round ${round}: ${error?.stack ?? error}`)
    }
    longest = Math.max(longest, performance.now() - started)
    const size = Math.max(bytes.byteLength * decoded, beside)
    largest = Math.max(largest, asked.largest / Math.max(1, size))
    if (asked.largest > size && over++ < 5)
      problems.push(`round ${round}: a buffer of ${asked.largest} bytes for a file of ${bytes.byteLength}`)
    reads = Math.max(reads, asked.reads / Math.max(1, size))
    if (round % 500 === 0) await new Promise(resolve => process.send({ round }, resolve))
  }
  globalThis.gc()
  const after = process.memoryUsage()
  const mb = n => (n / 2 ** 20).toFixed(1)
  const line =
    `${format}: ${rounds} files, ${refused} refused in ${messages.size} ways, ${accepted} read, ${bad} other errors; largest buffer ${largest.toFixed(2)} of the file, ` +
    `reads at most ${reads.toFixed(1)} times the file, slowest ${longest.toFixed(1)} ms, heap grew by ${mb(after.heapUsed - before.heapUsed)} MB, buffers by ${mb(after.arrayBuffers - before.arrayBuffers)} MB, ` +
    `resident ${mb(after.rss)} MB (${mb(before.rss)} before)`
  process.send({ line, bad: bad + over, problems })
  process.disconnect()
}
