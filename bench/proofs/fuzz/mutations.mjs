// Seeded mutations of valid files: bytes and, in JSON, words. The same seed and round give the same file.

/** Lehmer generator, multiplier 48271 modulo 2^31 - 1. @returns {(n: number) => number} whole numbers below n */
export function generator(seed) {
  let x = (seed % 2147483646) + 1
  return n => {
    x = (x * 48271) % 2147483647
    return x % n
  }
}

const WORDS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  '\\',
  '\0',
  '9',
  '-',
  '1e9',
  'null',
  '__proto__',
  '"dtype"',
  '99999999999',
  '18446744073709551615',
  '"shape":[4294967296,4294967296]',
  '"data_offsets":[0,0]',
  '"F8_E4M3"',
  '[[[[[[',
  '{"a":{"a":{"a":',
  '../x',
  '\ud800',
  'True',
  "'O'",
  '(1,)',
].map(word => new TextEncoder().encode(word))
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x3a, 0x0a]

/**
 * @param {Uint8Array} file
 * @param {(n: number) => number} next
 * @returns {Uint8Array} the file after one to four edits
 */
export function mutate(file, next) {
  let bytes = file
  for (let edits = 1 + next(4); edits > 0; edits--) bytes = edit(bytes, next)
  return bytes
}

function edit(bytes, next) {
  if (bytes.byteLength === 0) return Uint8Array.of(next(256))
  const at = next(bytes.byteLength)
  switch (next(8)) {
    case 0: // one bit
      return replaced(bytes, at, [bytes[at] ^ (1 << next(8))])
    case 1: // a byte at an edge
      return replaced(bytes, at, [EDGES[next(EDGES.length)]])
    case 2: // eight bytes: lengths, offsets
      return replaced(
        bytes,
        at,
        Array.from({ length: 8 }, () => (next(3) === 0 ? next(256) : next(2) * 255)),
      )
    case 3: // cut
      return bytes.slice(0, at)
    case 4: // a stretch out
      return spliced(bytes, at, Math.min(bytes.byteLength - at, 1 + next(16)), new Uint8Array(0))
    case 5: // a stretch twice
      return spliced(bytes, at, 0, bytes.slice(at, at + 1 + next(64)))
    case 6: // a word in
      return spliced(bytes, at, next(2) * 4, WORDS[next(WORDS.length)])
    default: // zeros in
      return spliced(bytes, at, 0, new Uint8Array(1 + next(32)))
  }
}

function replaced(bytes, at, values) {
  const copy = bytes.slice()
  for (const [i, value] of values.entries()) if (at + i < copy.byteLength) copy[at + i] = value
  return copy
}

function spliced(bytes, at, drop, insert) {
  const end = Math.min(bytes.byteLength, at + drop)
  const out = new Uint8Array(at + insert.byteLength + bytes.byteLength - end)
  out.set(bytes.subarray(0, at))
  out.set(insert, at)
  out.set(bytes.subarray(end), at + insert.byteLength)
  return out
}
