import { instantiateKernel, type Kernel, type SharedMemory } from '../kernel/load.ts'

/**
 * The kernels of `kernel/assembly/stream-*.ts`, which say what each does. Addresses are bytes from the start of the memory; counts of
 * elements are multiples of 16, so vectors are filled up with zeros; words and sizes of magnitudes are bits as signed or unsigned numbers alike.
 */
export interface StreamKernel extends Kernel {
  histogramHigh(table: number, x: number, base: number, count: number): void
  /** @returns not 0 where one of the counted differences was rounded to float32 */
  histogramLow(table: number, x: number, base: number, high: number, count: number): number
  countWindow(table: number, x: number, base: number, low: number, size: number, state: number, count: number): void
  gatherEqual(out: number, x: number, base: number, threshold: number, count: number): number
  /** @returns the bits of a float32 */
  largest(x: number, count: number): number
  sumMagnitudes(sums: number, x: number, base: number, bits: number, count: number): void
  /** @returns not 0 where any bit differs */
  innerProducts(sums: number, a: number, b: number, count: number): number
  taskInnerProducts(sums: number, base: number, a: number, b: number, count: number): void
  maskRandom(bits: number, first: number, key: number, second: number, last: number, count: number): void
  maskAbove(
    bits: number,
    x: number,
    base: number,
    threshold: number,
    exact: number,
    left: number,
    below: number,
    count: number,
  ): void
  maskByRank(
    bits: number,
    x: number,
    base: number,
    rows: number,
    columns: number,
    first: number,
    key: number,
    second: number,
    last: number,
    scratch: number,
  ): void
  thin(out: number, x: number, base: number, bits: number, count: number): void
  thinScaled(out: number, x: number, base: number, bits: number, factor: number, count: number): void
  /** @returns the bits of the largest magnitude in the result, as the next one */
  addAll(out: number, base: number, pointers: number, coefficients: number, models: number, count: number): number
  addElected(
    out: number,
    base: number,
    pointers: number,
    weights: number,
    models: number,
    lambda: number,
    normalize: number,
    count: number,
  ): number
  moveTowards(out: number, base: number, x: number, t: number, count: number): number
  averageChanges(
    out: number,
    base: number,
    pointers: number,
    factors: number,
    models: number,
    epsilon: number,
    count: number,
  ): number
  countChanges(counts: number, base: number, pointers: number, models: number, epsilon: number, count: number): void
  addConsensus(
    out: number,
    base: number,
    pointers: number,
    weights: number,
    lambdas: number,
    models: number,
    least: number,
    alpha: number,
    count: number,
  ): number
  variances(out: number, base: number, pointers: number, models: number, count: number): void
  maskValuesAbove(bits: number, values: number, cut: number, left: number, count: number): void
  sumSquares(sum: number, x: number, base: number, bits: number, count: number): void
  eraseOpposed(
    out: number,
    base: number,
    pointers: number,
    weights: number,
    models: number,
    bits: number,
    count: number,
  ): number
  /** Here, and in the next three, `count` is any number. */
  countUpperKeys(table: number, values: number, count: number): void
  countNextKeys(table: number, values: number, uppers: number, given: number, count: number): void
  /** @returns how many pairs of numbers */
  gatherKeys(out: number, values: number, upper: number, count: number): number
  importances(out: number, x: number, base: number, divergences: number, columns: number, count: number): void
  takeValuable(out: number, x: number, base: number, values: number, threshold: number, count: number): number
}

export function instantiateStreamKernel(memory: SharedMemory): StreamKernel {
  return instantiateKernel(memory) as StreamKernel // its signatures are those of the assembly
}
