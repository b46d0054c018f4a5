import { padded, WORK_BYTES } from '../layout.ts'
import type { Gram, GramSum } from '../operators/operator.ts'
import { kernelTerms } from '../terms.ts'
import { type Bench, fillStretch, stretchesOf } from './tiles.ts'
import { type Job, keyOf, type Workshop } from './work.ts'

/**
 * Class G: weighted sums whose coefficients follow from inner products of the vectors. Those are computed in float64 and kept; a candidate
 * is then arithmetic on small matrices, and one pass of multiply and add.
 */
export function mergeGramSum(shop: Workshop, sum: GramSum, job: Job): void {
  const { plan, tensor } = job
  const { settings, base, sources } = plan
  const of = sum.of(base !== undefined)
  const vectors = of === 'with-base' ? [base!, ...sources] : sources
  const shape = linesOf(sum.along(settings, tensor.shape), tensor.shape, tensor.elements)
  withGrams(shop, sum, job, shape, vectors, grams => {
    const from = of === 'task-vectors' ? base : undefined
    if (shape.along === 'tensor') {
      const c = sum.coefficients(grams(0), settings, tensor.name)
      wholeTensor(shop, job, vectors, from, c)
      return
    }
    const coefficients = vectors.map(() => new Float32Array(shape.lines))
    for (let line = 0; line < shape.lines; line++) {
      const c = sum.coefficients(grams(line), settings, tensor.name)
      for (let v = 0; v < c.length; v++) coefficients[v]![line] = c[v]!
    }
    byLine(shop, job, shape, vectors, from, coefficients)
  })
}

interface Lines {
  readonly along: 'tensor' | 'last' | 'first'
  /** How many vectors the tensor has. */
  readonly lines: number
  /** Elements between two of one vector. */
  readonly stride: number
  /** Elements in the row-major order until the vectors come again (`first`), or of a vector. */
  readonly length: number
}

function linesOf(along: Lines['along'], shape: readonly number[], elements: number): Lines {
  if (along === 'tensor' || elements === 0) return { along: 'tensor', lines: 1, stride: 1, length: elements }
  if (along === 'last') return { along, lines: elements / shape.at(-1)!, stride: 1, length: shape.at(-1)! }
  const lines = elements / shape[0]!
  return { along, lines, stride: lines, length: lines }
}

/** Calls `use` with the Gram matrices by line. They are kept where there is room; tables of very short lines may find none. */
function withGrams(
  shop: Workshop,
  sum: GramSum,
  job: Job,
  lines: Lines,
  vectors: readonly number[],
  use: (grams: (line: number) => Gram) => void,
): void {
  const S = vectors.length
  const packed = (S * (S + 1)) / 2
  const [first] = job.tensor.stretches
  const compute = (table: Float64Array): void => {
    const { base, models } = shop.operators.input(job.plan, job.t, '')
    const of = sum.of(base !== undefined)
    const values =
      of === 'with-base'
        ? [base!, ...models]
        : of === 'models' || base === undefined
          ? models
          : models.map(x => x.map((value, i) => value - base[i]!))
    innerProducts(values, lines, table)
  }
  const read = (table: Float64Array) => (line: number) => gramAt(table, S, line * packed)
  const bytes = lines.lines * packed * 8
  if (first === undefined || !shop.prepared.fits(first.bank, bytes)) {
    const table = new Float64Array(lines.lines * packed)
    compute(table)
    use(read(table))
    return
  }
  const { buffer } = shop.benches[first.bank]!.tile
  const view = (at: number) => new Float64Array(buffer, at, lines.lines * packed)
  const key = keyOf(job, `gram ${lines.along}`)
  shop.prepared.borrow(
    first.bank,
    key,
    bytes,
    at => compute(view(at)),
    at => use(read(view(at))),
  )
}

/** (i, j) with i <= j, row by row, for each line. */
function innerProducts(vectors: readonly Float64Array[], { lines, stride, length, along }: Lines, table: Float64Array) {
  table.fill(0)
  const packed = table.length / lines
  let p = 0
  for (const [i, a] of vectors.entries()) {
    for (const b of vectors.slice(i)) {
      if (along === 'first') for (let e = 0; e < a.length; e++) table[(e % stride) * packed + p]! += a[e]! * b[e]!
      else {
        for (let line = 0; line < lines; line++) {
          let total = 0
          for (let e = line * length; e < (line + 1) * length; e++) total += a[e]! * b[e]!
          table[line * packed + p] = total
        }
      }
      p++
    }
  }
}

function gramAt(table: Float64Array, size: number, start: number): Gram {
  return {
    size,
    at: (i, j) =>
      i <= j
        ? table[start + i * size - (i * (i - 1)) / 2 + j - i]!
        : table[start + j * size - (j * (j - 1)) / 2 + i - j]!,
  }
}

function wholeTensor(
  shop: Workshop,
  { tensor, target, plan }: Job,
  vectors: readonly number[],
  base: number | undefined,
  c: readonly number[],
): void {
  const found = kernelTerms(vectors, c, plan.operator.name)
  const isBase = found.length === 0 && base !== undefined
  const terms = isBase
    ? [{ source: base, coefficient: 1 }]
    : found.length === 0
      ? [{ source: vectors[0]!, coefficient: 0 }]
      : found
  for (const { stretch, done } of stretchesOf(tensor)) {
    const bench = shop.benches[stretch.bank]!
    const { kernel, pointers, coefficients, pointersAt, coefficientsAt, tileAt } = bench
    for (const [k, { source, coefficient }] of terms.entries()) {
      pointers[k] = stretch.addresses[source]!
      coefficients[k] = coefficient
    }
    fillStretch(bench, 0, stretch.elements, done, target, (offset, bytes) =>
      base === undefined || isBase
        ? kernel.linear(tileAt, pointersAt, coefficientsAt, terms.length, offset, bytes)
        : kernel.taskArithmetic(
            tileAt,
            stretch.addresses[base]!,
            pointersAt,
            coefficientsAt,
            terms.length,
            offset,
            bytes,
          ),
    )
  }
}

/** @param coefficients by vector, then by line */
function byLine(
  shop: Workshop,
  { tensor, target }: Job,
  lines: Lines,
  vectors: readonly number[],
  base: number | undefined,
  coefficients: readonly Float32Array[],
): void {
  for (const { stretch, done } of stretchesOf(tensor)) {
    const bench = shop.benches[stretch.bank]!
    for (const [k, source] of vectors.entries()) bench.pointers[k] = stretch.addresses[source]!
    const from = base === undefined ? 0 : stretch.addresses[base]!
    fillStretch(bench, 0, stretch.elements, done, target, (offset, bytes) => {
      const begin = offset / 4
      const end = Math.min(begin + bytes / 4, padded(stretch.elements))
      let largest = 0
      for (let at = begin; at < end; ) {
        const count = Math.min(end - at, mostElements(lines, vectors.length, done + at))
        const bits = pass(bench, lines, coefficients, from, done + at, at, count, begin)
        largest = Math.max(largest, bits >>> 0)
        at += count
      }
      return largest
    })
  }
}

/** Elements of one call: the coefficients of all lines that it meets have to fit into the work area. */
function mostElements({ along, lines, length }: Lines, vectors: number, element: number): number {
  const room = Math.floor(WORK_BYTES / 4 / vectors)
  if (along === 'last') return Math.max(1, room - 1) * length - (element % length)
  // All columns, or a part of them within one row.
  return lines <= room ? Number.POSITIVE_INFINITY : Math.min(room, length - (element % length))
}

function pass(
  { kernel, work, workAt, pointersAt, tileAt }: Bench,
  { along, lines, length }: Lines,
  coefficients: readonly Float32Array[],
  base: number,
  element: number,
  at: number,
  count: number,
  tileBegin: number,
): number {
  const V = coefficients.length
  const room = Math.floor(work.length / V)
  const inLine = element % length
  const firstLine = along === 'last' ? Math.floor(element / length) : lines <= room ? 0 : inLine
  const wanted = along === 'last' ? Math.ceil((inLine + count) / length) : lines <= room ? lines : count
  for (const [v, all] of coefficients.entries()) {
    const own = all.subarray(firstLine, firstLine + wanted)
    work.set(own, v * room)
    // Beyond the tensor's end, in the last block, lines have no coefficients.
    if (own.length < wanted) work.fill(0, v * room + own.length, v * room + wanted)
  }
  const out = tileAt + (at - tileBegin) * 4
  if (along === 'last') {
    return kernel.linearByRow(out, base, pointersAt, workAt, V, room, inLine, length, at * 4, count)
  }
  const part = lines > room
  return kernel.linearByColumn(
    out,
    base,
    pointersAt,
    workAt,
    V,
    room,
    part ? 0 : inLine,
    part ? count : length,
    at * 4,
    count,
  )
}
