import { padded } from '../layout.ts'
import { Areas, aligned } from './areas.ts'
import { cutBytes } from './cut-tables.ts'
import { CutTerms, cutTermsBytes } from './cut-terms.ts'
import { findSelections, type Selection } from './cuts.ts'
import { lastKeptWord, type StreamTensor, type TaskVectorMethod, type ThinnedModel } from './stream-tensor.ts'
import { type TensorBytes, TileFrame, type TileSizes } from './tile-frame.ts'

/** Bits of masks that are kept from one pass to the next, per thread; beyond, they are made again. */
const MASK_BYTES_LIMIT = 64 << 20
/** mergekit leaves norms below this alone. */
const NEGLIGIBLE = 1e-7
/** As in `kernel/assembly/stream-ranks.ts`: its tables, and bytes for an element of a row. */
const RANK_TABLES = 221_376
const RANK_BYTES = 28
/** Bytes behind a mask that are touched with it. */
const MASK_SLACK = 4

/**
 * `operators/task-vector-family.ts` in passes: cuts of the magnitudes where elements are selected by them, then norms where kept elements
 * are scaled back, then the result.
 */
export function mergeTaskVectors(
  tensor: StreamTensor,
  method: TaskVectorMethod,
  io: TensorBytes,
  sizes: TileSizes,
): void {
  const merge = new TaskVectorMerge(tensor, method, io, sizes)
  merge.write(merge.scales())
}

class TaskVectorMerge {
  readonly #method: TaskVectorMethod
  readonly #frame: TileFrame
  readonly #selections: readonly (Selection | undefined)[]
  /** Addresses, by position of the model where there are several. */
  readonly #pointers: number
  readonly #weights: number
  readonly #sums: number
  readonly #left: number
  readonly #terms: number
  readonly #vectors: (m: number) => number
  readonly #bits: (m: number) => number
  readonly #ranks: (m: number) => number
  readonly #scratch: number
  readonly #masks: readonly (Uint8Array | undefined)[]
  #masked = false

  constructor(tensor: StreamTensor, method: TaskVectorMethod, io: TensorBytes, { tile, chunk: wanted }: TileSizes) {
    this.#method = method
    const { models } = method
    const columns = models.reduce((most, { thinning }) => Math.max(most, columnsOf(thinning)), 0)
    const chunk = columns === 0 ? wanted : Math.max(1, Math.floor(wanted / columns)) * columns
    const whole = padded(chunk)
    const areas = new Areas()
    const each = (bytes: number) => {
      const at = areas.take(aligned(bytes) * models.length)
      return (m: number) => at + m * aligned(bytes)
    }
    this.#pointers = areas.take(models.length * 4)
    this.#weights = areas.take(models.length * 4)
    this.#sums = areas.take(16)
    this.#left = areas.take(models.length * 16)
    this.#terms = areas.take(cutTermsBytes(models.length))
    this.#vectors = each(whole * 4)
    this.#bits = each(whole / 8 + MASK_SLACK)
    this.#ranks = each(columns * 4)
    this.#scratch = areas.take(columns === 0 ? 0 : columns * RANK_BYTES + RANK_TABLES)
    const selected = models.flatMap(({ thinning }) => (thinning.kind === 'largest' ? [thinning] : []))
    const cuts = selected.reduce((sum, { from }) => sum + (from === 0 ? 1 : 2), 0)
    const room = areas.take(cuts === 0 ? 0 : cutBytes(selected.length, cuts, chunk))
    this.#frame = new TileFrame(tensor, io, { tile, chunk }, areas.bytes)
    for (const [m, { weight, thinning }] of models.entries()) {
      this.#frame.u32[this.#pointers / 4 + m] = this.#vectors(m)
      this.#frame.f32[this.#weights / 4 + m] = weight
      if (thinning.kind === 'rank') this.#writeRanks(m, thinning)
    }
    this.#selections = findSelections(this.#frame, models, room)
    const bytes = Math.ceil(tensor.elements / chunk) * (whole / 8)
    const restored = models.filter(({ scale }) => scale === 'restore')
    const keep = bytes * restored.length <= MASK_BYTES_LIMIT
    this.#masks = models.map(model => (keep && restored.includes(model) ? new Uint8Array(bytes) : undefined))
  }

  /** What the kept elements of each model are multiplied by. */
  scales(): readonly number[] {
    const { models } = this.#method
    const restored = models.flatMap(({ scale }, m) => (scale === 'restore' ? [m] : []))
    const sums = models.map(() => ({ all: 0, kept: 0 }))
    if (restored.length > 0) {
      const { kernel, f64, tensor } = this.#frame
      const inputs = [0, ...restored.map(m => models[m]!.input)]
      const at = this.#sums / 8
      this.#startMasks()
      this.#frame.pass(inputs, 0, tensor.elements, (start, count, whole) => {
        for (const m of restored) {
          this.#mask(m, start, count, whole)
          f64.fill(0, at, at + 2)
          kernel.sumMagnitudes(this.#sums, this.#frame.at(models[m]!.input), this.#frame.at(0), this.#bits(m), whole)
          sums[m]!.all += f64[at]!
          sums[m]!.kept += f64[at + 1]!
        }
      })
      this.#masked = true
    }
    return models.map(({ scale }, m) => {
      if (scale !== 'restore') return scale
      const { all, kept } = sums[m]!
      return all < NEGLIGIBLE || kept < NEGLIGIBLE ? 1 : all / kept
    })
  }

  write(scales: readonly number[]): void {
    const { elect, normalize, lambda, models } = this.#method
    const frame = this.#frame
    const { kernel, tensor } = frame
    this.#startMasks()
    const inputs = [0, ...models.map(({ input }) => input)]
    const terms = CutTerms.of(frame, this.#terms, this.#method, this.#selections, scales)
    if (terms !== undefined) {
      const [work, block] = [this.#vectors(0), aligned(padded(frame.chunk) * 4)]
      frame.write(inputs, 0, tensor.elements, (_start, count, whole) =>
        terms.mix(this.#weights, work, block, count, whole),
      )
      return
    }
    frame.write(inputs, 0, tensor.elements, (start, count, whole) => {
      frame.requireFinite(0, whole)
      for (const [m, { input, thinning }] of models.entries()) {
        frame.requireFinite(input, whole)
        const bits = thinning.kind === 'none' ? 0 : this.#bits(m)
        if (bits !== 0) this.#mask(m, start, count, whole)
        const scale = scales[m]!
        if (scale === 1) kernel.thin(this.#vectors(m), frame.at(input), frame.at(0), bits, whole)
        else kernel.thinScaled(this.#vectors(m), frame.at(input), frame.at(0), bits, scale, whole)
      }
      const [out, base, vectors, weights, n] = [frame.out, frame.at(0), this.#pointers, this.#weights, models.length]
      return elect
        ? kernel.addElected(out, base, vectors, weights, n, lambda, normalize ? 1 : 0, whole)
        : kernel.addAll(out, base, vectors, weights, n, whole)
    })
  }

  /** Of the elements on a cut, none has been met yet. */
  #startMasks(): void {
    for (const [m, selection] of this.#selections.entries()) {
      this.#frame.f64[this.#left / 8 + 2 * m] = selection?.low?.equalAbove ?? 0
      this.#frame.f64[this.#left / 8 + 2 * m + 1] = selection?.high?.equalAbove ?? 0
    }
  }

  /** Writes the bits of a chunk, or takes those of the pass before. Chunks must come in order. */
  #mask(m: number, start: number, count: number, whole: number): void {
    const { bytes, chunk } = this.#frame
    const mask = this.#masks[m]
    const bits = this.#bits(m)
    const from = Math.floor(start / chunk) * (padded(chunk) / 8)
    if (mask !== undefined && this.#masked) {
      bytes.set(mask.subarray(from, from + whole / 8), bits)
      return
    }
    this.#makeMask(this.#method.models[m]!, m, start, count, whole)
    mask?.set(bytes.subarray(bits, bits + whole / 8), from)
  }

  #makeMask({ input, thinning }: ThinnedModel, m: number, start: number, count: number, whole: number): void {
    const { kernel, bytes } = this.#frame
    const [x, base, bits] = [this.#frame.at(input), this.#frame.at(0), this.#bits(m)]
    if (thinning.kind === 'random') {
      kernel.maskRandom(bits, start, thinning.key, thinning.second, thinning.last, whole)
      return
    }
    if (thinning.kind === 'rank') {
      const { columns, key, second } = thinning
      bytes.fill(0, bits, bits + whole / 8)
      const rows = count / columns
      kernel.maskByRank(bits, x, base, rows, columns, start, key, second, this.#ranks(m), this.#scratch)
      return
    }
    const { low, high } = this.#selections[m] ?? { low: undefined, high: undefined }
    const left = this.#left + 16 * m
    if (low === undefined) bytes.fill(0xff, bits, bits + whole / 8)
    else kernel.maskAbove(bits, x, base, low.threshold, low.exact, left, 0, whole)
    if (high !== undefined) kernel.maskAbove(bits, x, base, high.threshold, high.exact, left + 8, 1, whole)
  }

  #writeRanks(m: number, { columns, density, epsilon }: Extract<ThinnedModel['thinning'], { kind: 'rank' }>): void {
    const at = this.#ranks(m) / 4
    for (let rank = 0; rank < columns; rank++) {
      const p = columns === 1 ? density : density - epsilon + (2 * epsilon * rank) / (columns - 1)
      this.#frame.u32[at + rank] = lastKeptWord(p)
    }
  }
}

function columnsOf(thinning: ThinnedModel['thinning']): number {
  return thinning.kind === 'rank' ? thinning.columns : 0
}
