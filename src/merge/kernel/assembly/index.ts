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
