// Weighted sums with coefficients of their own for each row or column of a tensor:
//
//   out = c1 x1 + c2 x2 + ...        or        out = b + c1 (x1 - b) + c2 (x2 - b) + ..., b where the sum is 0
//
// Rounded to float32 term by term, from left to right. Elements lie in row-major order; a line is `length` of them. Lines need not begin at
// multiples of 16 bytes, so what does not fill a vector is computed one by one.

/**
 * Each line has one coefficient per model.
 * @param out address of the first element's result
 * @param base address of b, 0 for none; `offset` is added
 * @param pointers address of `count` u32, the addresses of x1, x2, ...; `offset` is added to each
 * @param coefficients address of f32: `stride` of each model, those of the first element's line first
 * @param first position of the first element in its line
 * @returns the largest magnitude as float32 bits
 */
export function linearByRow(
  out: usize, base: usize, pointers: usize, coefficients: usize, count: i32, stride: usize, first: usize, length: usize,
  offset: usize, elements: usize,
): u32 {
  let largest: u32 = 0
  let at: usize = 0
  for (let left = length - first; at < elements; left = length, coefficients += 4) {
    const end = min(elements, at + left)
    largest = max(largest, stretch(false, out, base, pointers, coefficients, count, stride, at, end, offset))
    at = end
  }
  return largest
}

/** Each element of a line has coefficients: `coefficients` is the address of those of the line's start, or of the first element if it is one line. */
export function linearByColumn(
  out: usize, base: usize, pointers: usize, coefficients: usize, count: i32, stride: usize, first: usize, length: usize,
  offset: usize, elements: usize,
): u32 {
  let largest: u32 = 0
  let at: usize = 0
  for (; at < elements; first = 0) {
    const end = min(elements, at + length - first)
    // The coefficient of element i of this stretch lies at c + 4 i.
    const c = coefficients + (first << 2) - (at << 2)
    largest = max(largest, stretch(true, out, base, pointers, c, count, stride, at, end, offset))
    at = end
  }
  return largest
}

// Elements [at, end). `column` is a constant where this is inlined.
@inline
function stretch(
  column: bool, out: usize, base: usize, pointers: usize, coefficients: usize, count: i32, stride: usize, at: usize, end: usize, offset: usize,
): u32 {
  let largest = i32x4.splat(0)
  let i = at << 2
  const whole = (at + ((end - at) & ~3)) << 2
  for (; i < whole; i += 16) {
    const b = base != 0 ? v128.load(base + offset + i) : i32x4.splat(0)
    let s = i32x4.splat(0)
    for (let j: i32 = 0; j < count; j++) {
      const c = coefficients + (<usize>j * stride << 2)
      const x = v128.load(<usize>load<u32>(pointers + (<usize>j << 2)) + offset + i)
      const p = f32x4.mul(column ? v128.load(c + i) : v128.load_splat<f32>(c), f32x4.sub(x, b))
      s = j == 0 ? p : f32x4.add(s, p)
    }
    if (base != 0) s = v128.bitselect(b, f32x4.add(b, s), f32x4.eq(s, i32x4.splat(0)))
    v128.store(out + i, s)
    largest = i32x4.max_u(largest, v128.and(s, i32x4.splat(0x7fffffff)))
  }
  let most = max(
    max(<u32>i32x4.extract_lane(largest, 0), <u32>i32x4.extract_lane(largest, 1)),
    max(<u32>i32x4.extract_lane(largest, 2), <u32>i32x4.extract_lane(largest, 3)),
  )
  for (; i < end << 2; i += 4) {
    const b = base != 0 ? load<f32>(base + offset + i) : <f32>0
    let s: f32 = 0
    for (let j: i32 = 0; j < count; j++) {
      const c = coefficients + (<usize>j * stride << 2)
      const x = load<f32>(<usize>load<u32>(pointers + (<usize>j << 2)) + offset + i)
      const p = load<f32>(column ? c + i : c) * (x - b)
      s = j == 0 ? p : s + p
    }
    if (base != 0) s = s == 0 ? b : b + s
    store<f32>(out + i, s)
    most = max(most, reinterpret<u32>(s) & 0x7fffffff)
  }
  return most
}
