import { BLOCK_BYTES } from '../kernel/load.ts'
import { padded, type Stretch, TERM_BYTES, WORK_BYTES } from '../layout.ts'
import { WINDOW } from '../operators/merge-windows.ts'
import type { Importance } from '../operators/operator.ts'
import { type Bench, fillStretch, stretchesOf } from './tiles.ts'
import type { Job, Workshop } from './work.ts'

/** An entry begins with a word for each model that is measured, not 0 where a number of it is beyond float32; then come their numbers. */
function headerBytes(models: number): number {
  return Math.ceil((models * 4) / BLOCK_BYTES) * BLOCK_BYTES
}

/** Of a stretch, for as many models as are measured. */
export function importanceBytes(elements: number, models: number): number {
  return headerBytes(models) + padded(elements) * 4 * models
}

/** A stretch with the number of elements before it. */
interface Place {
  readonly stretch: Stretch
  readonly done: number
}

/**
 * out = Σ w_m (s_m + δ) x_m / Σ w_m (s_m + δ): one pass over weights and statistics. The statistics of all models are kept as float32, once per
 * machine, as long as an arena has room; else they go window by window from their files through the same kernel, so that the bits are the same.
 * @returns whether the numbers are in float32's range; if not, the target is not complete
 */
export function mergeByImportance(shop: Workshop, { weights, delta }: Importance, job: Job): boolean {
  const { plan, tensor } = job
  const used = plan.sources.flatMap((source, m) => (weights[m] === 0 ? [] : [{ source, weight: weights[m]! }]))
  const measured = shop.statistics.fisherOf(tensor.name)
  for (const place of stretchesOf(tensor)) {
    const { bank, elements, addresses } = place.stretch
    const bench = shop.benches[bank]!
    for (const [m, { source, weight }] of used.entries()) {
      bench.terms.setUint32(m * TERM_BYTES, addresses[source]!, true)
      bench.terms.setFloat64(m * TERM_BYTES + 8, weight, true)
    }
    const sources = used.map(({ source }) => source)
    const [header, stride] = [headerBytes(measured.length), padded(elements) * 4]
    const isWithin = shop.prepared.borrowSpare(
      bank,
      `importance ${job.t}`,
      importanceBytes(elements, measured.length),
      0,
      at => keep(shop, job, place, measured, at),
      at => {
        const positions = sources.map(source => measured.indexOf(source))
        const beyond = new Uint32Array(bench.tile.buffer, at, measured.length)
        if (positions.some(k => beyond[k] !== 0)) return false
        placeStatistics(
          bench,
          positions.map(k => at + header + stride * k),
        )
        const { kernel, tileAt, termsAt } = bench
        fillStretch(bench, 0, elements, place.done, job.target, (offset, bytes) =>
          kernel.importanceMean(tileAt, termsAt, sources.length, delta, offset, offset, bytes),
        )
        return true
      },
    )
    if (!(isWithin ?? fromFiles(shop, job, place, sources, delta))) return false
  }
  return true
}

function placeStatistics({ terms }: Bench, addresses: readonly number[]): void {
  for (const [m, address] of addresses.entries()) terms.setUint32(m * TERM_BYTES + 4, address, true)
}

/** Fills an entry in. */
function keep(shop: Workshop, job: Job, { stretch, done }: Place, measured: readonly number[], at: number): void {
  const { buffer } = shop.benches[stretch.bank]!.tile
  const floats = padded(stretch.elements)
  const beyond = new Uint32Array(buffer, at, measured.length).fill(0)
  for (const [k, source] of measured.entries()) {
    const to = new Float32Array(buffer, at + headerBytes(measured.length) + k * floats * 4, floats)
    to.fill(0, stretch.elements)
    for (let begin = 0; begin < stretch.elements; begin += WINDOW) {
      const count = Math.min(WINDOW, stretch.elements - begin)
      const [values] = read(shop, job, [source], done + begin, count)
      to.set(values!, begin)
      if (!isWithin(values!)) beyond[k] = 1
    }
  }
  shop.statistics.verifyUnchanged() // what is kept is looked at once only
}

/** A stretch with statistics that are not kept: they pass through the work area of the thread, a block of each model. */
function fromFiles(
  shop: Workshop,
  job: Job,
  { stretch: { bank, elements }, done }: Place,
  sources: readonly number[],
  delta: number,
): boolean {
  const bench = shop.benches[bank]!
  const { kernel, tileAt, termsAt, work, workAt } = bench
  const block = Math.floor(WORK_BYTES / sources.length / BLOCK_BYTES) * BLOCK_BYTES
  placeStatistics(
    bench,
    sources.map((_, m) => workAt + m * block),
  )
  for (let begin = 0; begin < elements; begin += WINDOW) {
    const count = Math.min(WINDOW, elements - begin)
    const values = read(shop, job, sources, done + begin, count)
    if (!values.every(isWithin)) return false
    fillStretch(bench, begin, begin + count, done, job.target, (offset, bytes) => {
      let largest = 0
      for (let at = 0; at < bytes; at += block) {
        const size = Math.min(block, bytes - at)
        const from = (offset + at) / 4 - begin
        for (const [m, own] of values.entries()) {
          const part = own.subarray(from, from + size / 4)
          work.set(part, (m * block) / 4)
          work.fill(0, (m * block) / 4 + part.length, (m * block + size) / 4)
        }
        const found = kernel.importanceMean(tileAt + at, termsAt, sources.length, delta, offset + at, 0, size)
        largest = Math.max(largest, found >>> 0)
      }
      return largest
    })
  }
  return true
}

/** By source. */
function read(shop: Workshop, { plan, tensor }: Job, sources: readonly number[], begin: number, count: number) {
  const inputs = sources.map(model => ({ model, tensor: tensor.name }))
  const measurement = { kind: 'fisher', inputsAlong: undefined } as const
  return shop.statistics.read(measurement, { operator: plan.operator, inputs }, begin, count)
}

function isWithin(values: Float64Array): boolean {
  return values.every(value => Math.fround(value) < Number.POSITIVE_INFINITY)
}
