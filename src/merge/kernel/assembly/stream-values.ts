// Order statistics of float64 numbers that come in stretches, and what `operators/arcee-fusion.ts` asks of every element. A number's key is its
// bits, turned so that unsigned keys are in the order of the numbers.
import { put } from './stream-elements'
import { greatest, high, low } from './stream-reduce'

/** Counts keys by their upper 16 bits: `table` is the address of 65536 u32. */
export function countUpperKeys(table: usize, values: usize, count: i32): void {
  for (let i = 0; i < count; i++, values += 8) increment(table, <u32>(keyAt(values) >>> 48))
}

/**
 * Counts the next 16 bits of the keys with given upper 16 bits, in a table for each of those: at `table`, one after another.
 * @param uppers address of `given` u32
 */
export function countNextKeys(table: usize, values: usize, uppers: usize, given: i32, count: i32): void {
  for (let i = 0; i < count; i++, values += 8) {
    const key = <u32>(keyAt(values) >>> 32)
    for (let g: usize = 0; g < <usize>given; g++) {
      if (key >>> 16 == load<u32>(uppers + (g << 2))) increment(table + (g << 18), key & 0xffff)
    }
  }
}

/**
 * Stores at `out` the numbers whose keys have the upper 32 bits `upper`, each as two f64: the number, and how many of them in a row equal it.
 * @returns how many pairs there are
 */
export function gatherKeys(out: usize, values: usize, upper: u32, count: i32): i32 {
  let end = out
  for (let i = 0; i < count; i++, values += 8) {
    if (<u32>(keyAt(values) >>> 32) != upper) continue
    const value = load<f64>(values)
    if (end == out || load<f64>(end - 16) != value) {
      store<f64>(end, value)
      store<f64>(end, 0, 8)
      end += 16
    }
    store<f64>(end - 16, load<f64>(end - 16, 8) + 1, 8)
  }
  return <i32>((end - out) >> 4)
}

@inline
function keyAt(address: usize): u64 {
  const bits = load<u64>(address)
  return bits ^ (<u64>(<i64>bits >> 63) | 0x8000000000000000)
}

@inline
function increment(table: usize, bin: u32): void {
  const at = table + (<usize>bin << 2)
  store<u32>(at, load<u32>(at) + 1)
}

/**
 * |x - b| times the divergence of its row, as f64 at `out`.
 * @param divergences address of a f64 for each row of `columns` elements
 */
export function importances(out: usize, x: usize, base: usize, divergences: usize, columns: i32, count: i32): void {
  for (let end = 0, row = 0, i = 0; i < count; row++) {
    const divergence = load<f64>(divergences + (<usize>row << 3))
    end += columns
    for (; i < end; i++, x += 4, base += 4, out += 8) {
      store<f64>(out, abs(<f64>load<f32>(x) - <f64>load<f32>(base)) * divergence)
    }
  }
}

/**
 * The base with the changes whose value is at least `threshold`. `count` is a multiple of 16.
 * @returns the largest magnitude in the result as float32 bits
 */
export function takeValuable(out: usize, x: usize, base: usize, values: usize, threshold: f64, count: i32): u32 {
  const limit = f64x2.splat(threshold)
  let most = i32x4.splat(0)
  for (let i = 0; i < count; i += 4, x += 16, base += 16, values += 32, out += 16) {
    const a = v128.load(x), b = v128.load(base)
    const b1 = low(b), b2 = high(b)
    const d1 = v128.and(f64x2.sub(low(a), b1), f64x2.ge(v128.load(values), limit))
    const d2 = v128.and(f64x2.sub(high(a), b2), f64x2.ge(v128.load(values, 16), limit))
    most = i32x4.max_u(most, put(out, b, f64x2.add(b1, d1), f64x2.add(b2, d2)))
  }
  return greatest(most)
}
