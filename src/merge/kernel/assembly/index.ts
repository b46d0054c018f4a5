// The merge kernels in AssemblyScript (https://www.assemblyscript.org): float32 SIMD over memory that threads share.
//
//   linear:           out = c1 x1 + c2 x2 + ...
//   task arithmetic:  s = c1 (x1 - b) + c2 (x2 - b) + ...;   out = b where s = 0, else b + s
//
// Every product, difference and sum is rounded to float32, from left to right as written. `twin.ts` does the same with Math.fround, and
// the tests hold both to equal bits: WebAssembly has no fused multiply-add outside relaxed SIMD, so no engine may contract them.
// Where the weighted differences cancel, the base keeps its very bits, the sign of a zero included.
//
// Four terms at a time stay in registers. Longer sums take several passes over the result tile, which stays in the cache.
//
// Addresses are multiples of 16, `bytes` is a multiple of 64: the memory layout pads every tensor with zeros, so there are no tails.

const BLOCK: usize = 64

// What a pass over the result does besides adding its terms.
const START: i32 = 1 // it does not add to what earlier passes left in the result
const FINISH: i32 = 2 // it adds the base

/**
 * @param out address of the result
 * @param pointers address of `count` u32, the addresses of x1, x2, ...
 * @param coefficients address of `count` f32
 * @param offset bytes added to the addresses of the terms, not to `out`
 * @returns the largest magnitude in the result as float32 bits: 0x7f800000 or more says that it has an infinity or NaN
 */
export function linear(out: usize, pointers: usize, coefficients: usize, count: i32, offset: usize, bytes: usize): u32 {
  return sum(false, out, 0, pointers, coefficients, count, offset, bytes)
}

/** As `linear`, with the address of b, to which `offset` is added too. */
export function taskArithmetic(
  out: usize, base: usize, pointers: usize, coefficients: usize, count: i32, offset: usize, bytes: usize,
): u32 {
  return sum(true, out, base + offset, pointers, coefficients, count, offset, bytes)
}

@inline
function sum(delta: bool, out: usize, base: usize, pointers: usize, coefficients: usize, count: i32, offset: usize, bytes: usize): u32 {
  if (count <= 4) {
    if (count == 1) return pass(delta, START | FINISH, 1, out, base, pointers, coefficients, offset, bytes)
    if (count == 2) return pass(delta, START | FINISH, 2, out, base, pointers, coefficients, offset, bytes)
    if (count == 3) return pass(delta, START | FINISH, 3, out, base, pointers, coefficients, offset, bytes)
    return pass(delta, START | FINISH, 4, out, base, pointers, coefficients, offset, bytes)
  }
  pass(delta, START, 4, out, base, pointers, coefficients, offset, bytes)
  for (count -= 4; ; count -= 4) {
    pointers += 16
    coefficients += 16
    if (count <= 4) break
    pass(delta, 0, 4, out, base, pointers, coefficients, offset, bytes)
  }
  if (count == 1) return pass(delta, FINISH, 1, out, base, pointers, coefficients, offset, bytes)
  if (count == 2) return pass(delta, FINISH, 2, out, base, pointers, coefficients, offset, bytes)
  if (count == 3) return pass(delta, FINISH, 3, out, base, pointers, coefficients, offset, bytes)
  return pass(delta, FINISH, 4, out, base, pointers, coefficients, offset, bytes)
}

// `delta`, `role` and `terms` are constants where this is inlined, so each copy is one loop without branches.
@inline
function pass(
  delta: bool, role: i32, terms: i32, out: usize, base: usize, pointers: usize, coefficients: usize, offset: usize, bytes: usize,
): u32 {
  const p1 = address(pointers, 0, offset), c1 = coefficient(coefficients, 0)
  const p2 = terms > 1 ? address(pointers, 1, offset) : 0, c2 = terms > 1 ? coefficient(coefficients, 1) : c1
  const p3 = terms > 2 ? address(pointers, 2, offset) : 0, c3 = terms > 2 ? coefficient(coefficients, 2) : c1
  const p4 = terms > 3 ? address(pointers, 3, offset) : 0, c4 = terms > 3 ? coefficient(coefficients, 3) : c1
  let largest = i32x4.splat(0)
  for (let i: usize = 0; i < bytes; i += BLOCK) {
    // Four vectors a round, written out: compilers of WebAssembly do not unroll, and in the cache it is a tenth faster.
    const m1 = vector(delta, role, terms, i, out, base, p1, p2, p3, p4, c1, c2, c3, c4)
    const m2 = vector(delta, role, terms, i + 16, out, base, p1, p2, p3, p4, c1, c2, c3, c4)
    const m3 = vector(delta, role, terms, i + 32, out, base, p1, p2, p3, p4, c1, c2, c3, c4)
    const m4 = vector(delta, role, terms, i + 48, out, base, p1, p2, p3, p4, c1, c2, c3, c4)
    largest = i32x4.max_u(largest, i32x4.max_u(i32x4.max_u(m1, m2), i32x4.max_u(m3, m4)))
  }
  return max(
    max(<u32>i32x4.extract_lane(largest, 0), <u32>i32x4.extract_lane(largest, 1)),
    max(<u32>i32x4.extract_lane(largest, 2), <u32>i32x4.extract_lane(largest, 3)),
  )
}

// Four elements of the result, `i` bytes from its start; returns their magnitudes.
@inline
function vector(
  delta: bool, role: i32, terms: i32, i: usize, out: usize, base: usize,
  p1: usize, p2: usize, p3: usize, p4: usize, c1: v128, c2: v128, c3: v128, c4: v128,
): v128 {
  const b = delta ? v128.load(base + i) : i32x4.splat(0)
  let s = term(delta, p1 + i, c1, b)
  if ((role & START) == 0) s = f32x4.add(v128.load(out + i), s)
  if (terms > 1) s = f32x4.add(s, term(delta, p2 + i, c2, b))
  if (terms > 2) s = f32x4.add(s, term(delta, p3 + i, c3, b))
  if (terms > 3) s = f32x4.add(s, term(delta, p4 + i, c4, b))
  if (delta && (role & FINISH) != 0) s = v128.bitselect(b, f32x4.add(b, s), f32x4.eq(s, f32x4.splat(0)))
  v128.store(out + i, s)
  return v128.and(s, i32x4.splat(0x7fffffff))
}

@inline
function term(delta: bool, address: usize, c: v128, b: v128): v128 {
  const x = v128.load(address)
  return delta ? f32x4.mul(c, f32x4.sub(x, b)) : f32x4.mul(c, x)
}

@inline
function address(pointers: usize, j: usize, offset: usize): usize {
  return <usize>load<u32>(pointers + (j << 2)) + offset
}

@inline
function coefficient(coefficients: usize, j: usize): v128 {
  return f32x4.splat(load<f32>(coefficients + (j << 2)))
}

// Conversion between float32 and the 16-bit floats, sixteen elements a round. `count` is a multiple of 16. The TypeScript
// twins are in `formats/dtype.ts`.

/** bfloat16 is the upper half of a float32. */
export function fromBfloat16(out: usize, source: usize, count: i32): void {
  const end = source + (<usize>count << 1)
  for (; source < end; source += 16, out += 32) {
    const halves = v128.load(source)
    v128.store(out, i32x4.shl(i32x4.extend_low_i16x8_u(halves), 16))
    v128.store(out + 16, i32x4.shl(i32x4.extend_high_i16x8_u(halves), 16))
  }
}

/** Rounds to nearest, ties to even. The values must be finite. */
export function toBfloat16(out: usize, source: usize, count: i32): void {
  const end = source + (<usize>count << 2)
  for (; source < end; source += 32, out += 16) {
    v128.store(out, i16x8.narrow_i32x4_u(bfloat16(v128.load(source)), bfloat16(v128.load(source + 16))))
  }
}

@inline
function bfloat16(bits: v128): v128 {
  const odd = v128.and(i32x4.shr_u(bits, 16), i32x4.splat(1))
  return i32x4.shr_u(i32x4.add(i32x4.add(bits, i32x4.splat(0x7fff)), odd), 16)
}

export function fromFloat16(out: usize, source: usize, count: i32): void {
  const end = source + (<usize>count << 1)
  for (; source < end; source += 16, out += 32) {
    const halves = v128.load(source)
    v128.store(out, float32(i32x4.extend_low_i16x8_u(halves)))
    v128.store(out + 16, float32(i32x4.extend_high_i16x8_u(halves)))
  }
}

// Exponent and fraction moved into place read as the value times 2^-112, subnormals too; the product is exact.
@inline
function float32(half: v128): v128 {
  const sign = i32x4.shl(v128.and(half, i32x4.splat(0x8000)), 16)
  const magnitude = i32x4.shl(v128.and(half, i32x4.splat(0x7fff)), 13)
  const special = v128.and(i32x4.ge_s(magnitude, i32x4.splat(0x0f800000)), i32x4.splat(0x7f800000))
  const value = f32x4.mul(magnitude, i32x4.splat(0x77800000)) // 2^112
  return v128.or(v128.or(value, special), sign)
}

/** Rounds to nearest, ties to even. The magnitudes must be below 65520. */
export function toFloat16(out: usize, source: usize, count: i32): void {
  const end = source + (<usize>count << 2)
  for (; source < end; source += 32, out += 16) {
    v128.store(out, i16x8.narrow_i32x4_u(float16(v128.load(source)), float16(v128.load(source + 16))))
  }
}

// Below 2^-14 the unit is 2^-24, that of floats around 0.5: adding 0.5 rounds to it. From there on the fraction loses 13 bits.
@inline
function float16(bits: v128): v128 {
  const sign = i32x4.shr_u(v128.and(bits, i32x4.splat(0x80000000)), 16)
  const magnitude = v128.and(bits, i32x4.splat(0x7fffffff))
  const half = i32x4.splat(0x3f000000) // 0.5
  const small = i32x4.sub(f32x4.add(magnitude, half), half)
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1))
  const rebased = i32x4.sub(magnitude, i32x4.splat(0x38000000)) // exponent bias 127 to 15
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(rebased, i32x4.splat(0xfff)), odd), 13)
  return v128.or(v128.bitselect(small, normal, i32x4.lt_s(magnitude, i32x4.splat(0x38800000))), sign)
}

// Kernels that work on stretches of tensors as they are read from files.
export { addAll, addElected, thin, thinScaled } from './stream-mix'
export { addConsensus, averageChanges, countChanges, moveTowards } from './stream-elements'
export { maskAbove, maskRandom } from './stream-masks'
export { maskByRank } from './stream-ranks'
export {
  countWindow,
  gatherEqual,
  histogramHigh,
  histogramLow,
  innerProducts,
  largest,
  sumMagnitudes,
  taskInnerProducts,
} from './stream-reduce'
export { countNextKeys, countUpperKeys, gatherKeys, importances, takeValuable } from './stream-values'
export { eraseOpposed, maskValuesAbove, sumSquares, variances } from './stream-variance'
export { rankRows } from './row-ranks'
export { linearByColumn, linearByRow } from './rows'
export { countShared, keptSum, taskVectorPass } from './pass'
export { importanceMean } from './importance'
export { uniformHalves } from './thin'
export { countLower, countUpper, findEqual } from './select'
export { sortPositions, sumRanks } from './rank-sort'
export { chanceSum, chanceSums } from './chance-sums'
