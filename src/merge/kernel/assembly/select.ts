// Order statistics of the magnitudes of a task vector, |x - b| as float32: their bits are ordered as they are. Two counts over the elements,
// by the upper and then by the lower half of the bits, name the magnitude of a rank; a search finds its position.

/** Adds up, in 65536 u32 at `counts`, how many of the magnitudes' bits, shifted by 15, have each value. */
export function countUpper(counts: usize, x: usize, base: usize, elements: i32): void {
  const end = x + (<usize>elements << 2)
  for (; x < end; x += 4, base += 4) {
    const at = counts + (<usize>(magnitude(x, base) >>> 15) << 2)
    store<u32>(at, load<u32>(at) + 1)
  }
}

/** Adds up, in 32768 u32 at `counts`, the lower 15 bits of the magnitudes whose upper ones are `upper`. Whole blocks of 16; those beyond `elements` do not count. */
export function countLower(counts: usize, x: usize, base: usize, upper: u32, elements: i32): void {
  const wanted = i32x4.splat(<i32>upper)
  for (let i: i32 = 0; i < elements; i += 16, x += 64, base += 64) {
    const a = i32x4.eq(i32x4.shr_u(magnitudes(x, base), 15), wanted)
    const b = i32x4.eq(i32x4.shr_u(magnitudes(x + 16, base + 16), 15), wanted)
    const c = i32x4.eq(i32x4.shr_u(magnitudes(x + 32, base + 32), 15), wanted)
    const d = i32x4.eq(i32x4.shr_u(magnitudes(x + 48, base + 48), 15), wanted)
    if (!v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) continue
    const last = min(elements - i, 16)
    for (let k: i32 = 0; k < last; k++) {
      const bits = magnitude(x + (<usize>k << 2), base + (<usize>k << 2))
      if (bits >>> 15 != upper) continue
      const at = counts + (<usize>(bits & 0x7fff) << 2)
      store<u32>(at, load<u32>(at) + 1)
    }
  }
}

/** Position of the `nth` (from 1) element whose magnitude has exactly these bits; minus how many there are, if fewer. */
export function findEqual(x: usize, base: usize, bits: u32, nth: i32, elements: i32): i32 {
  const wanted = i32x4.splat(<i32>bits)
  let seen: i32 = 0
  for (let i: i32 = 0; i < elements; i += 16, x += 64, base += 64) {
    const a = i32x4.eq(magnitudes(x, base), wanted)
    const b = i32x4.eq(magnitudes(x + 16, base + 16), wanted)
    const c = i32x4.eq(magnitudes(x + 32, base + 32), wanted)
    const d = i32x4.eq(magnitudes(x + 48, base + 48), wanted)
    if (!v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) continue
    const own = i32x4.bitmask(a) | (i32x4.bitmask(b) << 4) | (i32x4.bitmask(c) << 8) | (i32x4.bitmask(d) << 12)
    const valid = elements - i < 16 ? own & ((1 << (elements - i)) - 1) : own
    const count = popcnt(valid)
    if (seen + count < nth) {
      seen += count
      continue
    }
    let left = valid
    for (let k: i32 = seen + 1; k < nth; k++) left &= left - 1
    return i + ctz(left)
  }
  return -seen
}

@inline
function magnitudes(x: usize, base: usize): v128 {
  return v128.and(f32x4.sub(v128.load(x), v128.load(base)), i32x4.splat(0x7fffffff))
}

@inline
export function magnitude(x: usize, base: usize): u32 {
  return reinterpret<u32>(load<f32>(x) - load<f32>(base)) & 0x7fffffff
}
