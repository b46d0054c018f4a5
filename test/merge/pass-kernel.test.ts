import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allocateSharedMemory, BLOCK_FLOATS, instantiateKernel, isFiniteResult } from '../../src/merge/kernel/load.ts'
import { TWIN_MIXES, type TwinMix, type TwinTerm, taskVectorPassTwin } from '../../src/merge/kernel/twin.ts'
import { TERM_BYTES } from '../../src/merge/layout.ts'
import { positionKeys, positionRandom } from '../../src/merge/operators/hash-random.ts'
import { bits } from './fixture.ts'

const MOST = 5
const FLOATS = 9 * BLOCK_FLOATS
/** Blocks of the pass are smaller than the tensor, and the last one is not full. */
const BLOCK = 4 * 64
const memory = allocateSharedMemory(1 << 18)
const kernel = instantiateKernel(memory)
const [TERMS, WEIGHTS, WORK, OUT, BASE] = [0, 1024, 4096, 16_384, 32_768]
const tableAt = (m: number) => 40_960 + m * FLOATS * 4
const ranksAt = (m: number) => 80_000 + m * FLOATS * 4
const xAt = (m: number) => 120_000 + m * FLOATS * 4
const floats = (at: number) => new Float32Array(memory.buffer, at, FLOATS)
const terms = new DataView(memory.buffer, TERMS, MOST * TERM_BYTES)

const magnitudeBits = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0]!

/** Few values, so that magnitudes are equal and differences cancel. */
const value = fc.oneof(
  fc.integer({ min: -6, max: 6 }).map(k => k / 8),
  fc.float({ min: -2, max: 2, noNaN: true }),
  fc.constantFrom(0, -0, 1e-7, -1e-40),
)
const vector = fc
  .array(value, { minLength: 24, maxLength: 24 })
  .map(pool => Float32Array.from({ length: FLOATS }, (_, i) => pool[(i * 7) % pool.length]!))

const KINDS = ['all', 'ranks', 'random', 'row-ranks', 'divided', 'varying'] as const
type Kind = (typeof KINDS)[number]
const term = fc.record({
  x: vector,
  c: fc.float({ min: -2, max: 2, noNaN: true }),
  kind: fc.constantFrom<Kind>(...KINDS),
  /** The smallest that is kept; null: none is. */
  low: fc.option(fc.integer({ min: 0, max: FLOATS - 1 }), { freq: 9 }),
  high: fc.option(fc.integer({ min: 0, max: FLOATS - 1 })),
  density: fc.double({ min: 0.25, max: 0.75, noNaN: true }),
  extreme: fc.option(fc.constantFrom(0, 1 - 2 ** -32, 2 ** -16), { freq: 1 }),
})
type Term = typeof term extends fc.Arbitrary<infer T> ? T : never
const mixing = fc.constantFrom('sum', 'elect', 'electNormalized', 'erase', 'consensus', 'limit', 'unique')
/** Kinds that loops of their own are for, and any others. */
const termLists = fc
  .tuple(
    fc.array(term, { minLength: 1, maxLength: MOST }),
    fc.constantFrom<readonly Kind[]>(['ranks'], ['all', 'ranks'], ['random'], ['all', 'random'], KINDS),
  )
  .map(([all, among]) => all.map((own): Term => ({ ...own, kind: among[KINDS.indexOf(own.kind) % among.length]! })))
const problem = fc.record({
  base: vector,
  terms: termLists,
  mixing,
  scale: fc.float({ min: -1, max: 2, noNaN: true }),
  weights: fc.array(fc.oneof(fc.float({ min: Math.fround(0.125), max: 2, noNaN: true }), fc.constantFrom(-1, 1, 0)), {
    minLength: MOST,
    maxLength: MOST,
  }),
  /** The pass takes two calls. */
  split: fc.integer({ min: 1, max: FLOATS / BLOCK_FLOATS - 1 }),
})
const CODES = { sum: 0, elect: 1, electNormalized: 2, erase: 3, consensus: 4, limit: 5, unique: 6 }

/** Writes a term for the kernel, and says the same to the twin. */
function place(base: Float32Array, { x, c, kind, low, high, density, extreme }: Term, m: number): TwinTerm {
  const at = m * TERM_BYTES
  floats(xAt(m)).set(x)
  new Uint8Array(memory.buffer, TERMS + at, TERM_BYTES).fill(0)
  terms.setUint32(at, xAt(m), true)
  terms.setInt32(at + 12, KINDS.indexOf(kind), true)
  terms.setFloat32(at + 16, c, true)
  const magnitude = (i: number) => Math.abs(Math.fround(x[i]! - base[i]!))
  const { key, second } = positionKeys(7, `model ${m}`, 'w')
  const random = positionRandom(7, `model ${m}`, 'w')
  switch (kind) {
    case 'all':
      return { x, c, keeps: () => true }
    case 'ranks': {
      terms.setInt32(at + 20, low === null ? 0x7fffffff : magnitudeBits(magnitude(low)), true)
      terms.setInt32(at + 24, low ?? -1, true)
      terms.setInt32(at + 28, high === null ? 0x7fffffff : magnitudeBits(magnitude(high)), true)
      terms.setInt32(at + 32, high ?? -1, true)
      const [bound, last] = low === null ? [Number.POSITIVE_INFINITY, -1] : [magnitude(low), low]
      const isFrom = (i: number, own: number) => own > bound || (own === bound && i <= last)
      const isBelow = (i: number, own: number) =>
        high === null || own < magnitude(high) || (own === magnitude(high) && i > high)
      return { x, c, keeps: (i, own) => isFrom(i, own) && isBelow(i, own) }
    }
    case 'varying':
      new Uint32Array(memory.buffer, tableAt(m), FLOATS).set(Array.from(x, (_, i) => (i * 5) % FLOATS))
      terms.setUint32(at + 4, tableAt(m), true)
      terms.setUint32(at + 36, low ?? 0, true)
      return { x, c, keeps: i => (i * 5) % FLOATS < (low ?? 0) }
  }
  terms.setUint32(at + 4, tableAt(m), true)
  terms.setInt32(at + 40, key, true)
  terms.setInt32(at + 44, second, true)
  kernel.uniformHalves(tableAt(m), key, second, 0, FLOATS)
  if (kind === 'random') {
    terms.setUint32(at + 36, Math.ceil((extreme ?? density) * 2 ** 32), true)
    return { x, c, keeps: i => random.at(i) < (extreme ?? density) }
  }
  const rank = (i: number) => (i * 11) % FLOATS
  const gain = 0.4
  new Uint16Array(memory.buffer, ranksAt(m), FLOATS).set(Array.from(x, (_, i) => rank(i)))
  terms.setUint32(at + 8, ranksAt(m), true)
  terms.setFloat64(at + 48, density - gain / 2, true)
  terms.setFloat64(at + 56, gain, true)
  terms.setFloat64(at + 64, FLOATS - 1, true)
  const keeps = (i: number) => random.at(i) < density - gain / 2 + (gain * rank(i)) / (FLOATS - 1)
  if (kind === 'row-ranks') return { x, c, keeps }
  const { fround } = Math
  const p0 = fround((density - gain / 2) * 65_536)
  const slope = fround((gain / (FLOATS - 1)) * 65_536)
  return { x, c, keeps, divisor: i => fround(fround(p0 + fround(slope * rank(i))) * 2 ** -16) }
}

function twinMix(kind: keyof typeof CODES, scale: number, weights: Float32Array): TwinMix {
  switch (kind) {
    case 'sum':
      return TWIN_MIXES.sum(scale)
    case 'elect':
      return TWIN_MIXES.elect(scale)
    case 'electNormalized':
      return TWIN_MIXES.electNormalized(scale, weights)
    case 'erase':
      return TWIN_MIXES.erase(weights)
    case 'consensus':
      return TWIN_MIXES.consensus(scale, 2, weights)
    case 'limit':
      return TWIN_MIXES.limit(scale)
    case 'unique':
      return TWIN_MIXES.unique(0.1, weights)
  }
}

describe('a pass over task vectors and its plain twin', () => {
  it('give the same bits, whatever is kept and however it is mixed', () => {
    fc.assert(
      fc.property(problem, ({ base, terms: given, mixing: kind, scale, weights, split }) => {
        floats(BASE).set(base)
        const chosen = kind === 'limit' ? given.slice(0, 1) : given
        const twins = chosen.map((own, m) => place(base, own, m))
        const own = Float32Array.from(weights)
        new Float32Array(memory.buffer, WEIGHTS, MOST).set(own)
        const used = kind === 'erase' ? 1 : scale
        const bound = kind === 'unique' ? Math.fround(0.1) : 2
        const middle = split * BLOCK_FLOATS
        for (const [from, to] of [
          [0, middle],
          [middle, FLOATS],
        ] as const) {
          const [at, count, own] = [OUT + from * 4, chosen.length, CODES[kind]]
          const bytes = (to - from) * 4
          kernel.taskVectorPass(at, BASE, TERMS, WEIGHTS, count, own, used, bound, WORK, BLOCK, from, from * 4, bytes)
        }
        const out = new Float32Array(FLOATS)
        taskVectorPassTwin(out, base, twins, twinMix(kind, used, own))
        expect(bits(floats(OUT).slice())).toEqual(bits(out))
      }),
      { numRuns: 1000, seed: 8 },
    )
  })

  it.each(KINDS)('say that a result is not finite, with %s', kind => {
    const base = new Float32Array(FLOATS).fill(-3e38)
    const x = new Float32Array(FLOATS).fill(-3e38)
    x[77] = 3e38
    floats(BASE).set(base)
    new Float32Array(memory.buffer, WEIGHTS, MOST).fill(1)
    const keepsAll = { low: kind === 'varying' ? FLOATS - 1 : 76, high: null, density: 0.75, extreme: 1 - 2 ** -32 }
    for (const m of [0, 1, 2]) place(base, { x, c: 1, kind, ...keepsAll }, m)
    for (const [count, mixing] of [1, 2, 3].flatMap(n => [0, 1, 2].map(k => [n, k] as const))) {
      const largest = kernel.taskVectorPass(
        ...([OUT, BASE, TERMS, WEIGHTS, count, mixing, 1, 0, WORK, BLOCK, 0, 0, FLOATS * 4] as const),
      )
      expect([isFiniteResult(largest), floats(OUT)[76]]).toEqual([false, base[76]])
    }
  })

  it('decide in full where sixteen bits of a random number leave it open', () => {
    const { key, second } = positionKeys(1, 'm', 'w')
    const random = positionRandom(1, 'm', 'w')
    kernel.uniformHalves(tableAt(0), key, second, 0, FLOATS)
    floats(BASE).fill(0)
    floats(xAt(0)).fill(1)
    new Uint8Array(memory.buffer, TERMS, TERM_BYTES).fill(0)
    terms.setUint32(0, xAt(0), true)
    terms.setUint32(4, tableAt(0), true)
    terms.setInt32(12, 2, true)
    terms.setFloat32(16, 1, true)
    terms.setInt32(40, key, true)
    terms.setInt32(44, second, true)
    for (const i of [0, 3, 70, FLOATS - 1]) {
      for (const [nudge, kept] of [
        [0, 0],
        [1, 1],
      ] as const) {
        terms.setUint32(36, random.at(i) * 2 ** 32 + nudge, true)
        kernel.taskVectorPass(OUT, BASE, TERMS, WEIGHTS, 1, 0, 1, 0, WORK, BLOCK, 0, 0, FLOATS * 4)
        expect(floats(OUT)[i]).toBe(kept)
      }
    }
  })
})
