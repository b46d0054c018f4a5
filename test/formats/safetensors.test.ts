import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FormatError } from '../../src/errors.ts'
import { dtypeBytes } from '../../src/formats/dtype.ts'
import {
  encodeSafetensorsHeader,
  parseSafetensorsHeader,
  readHeaderLength,
  type SafetensorsHeader,
  type TensorSpec,
} from '../../src/formats/safetensors.ts'
import { parseStrictJson } from '../../src/formats/strict-json.ts'
import { fileOf, HOSTILE_FILES } from '../fixtures/hostile/safetensors-cases.ts'

function parse(bytes: Uint8Array): SafetensorsHeader {
  const length = readHeaderLength(bytes.subarray(0, 8), bytes.byteLength, 'FILE')
  return parseSafetensorsHeader(bytes.subarray(8, 8 + length), bytes.byteLength, 'FILE')
}

const spec: fc.Arbitrary<TensorSpec> = fc.record({
  name: fc.string({ maxLength: 12, unit: 'binary' }).filter(name => name !== '__metadata__'),
  dtype: fc.constantFrom('F64', 'F32', 'F16', 'BF16', 'I64', 'U8', 'BOOL', 'F8_E4M3'),
  shape: fc.array(fc.nat({ max: 4 }), { maxLength: 4 }),
})
const specs = fc.uniqueArray(spec, { selector: s => s.name, maxLength: 12 })
const metadata = fc.dictionary(fc.string(), fc.string(), { maxKeys: 4 }).map(d => new Map(Object.entries(d)))

describe('a broken safetensors file', () => {
  it.each(HOSTILE_FILES)('that $why is refused', ({ bytes, message }) => {
    let error: unknown
    try {
      parse(bytes)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(FormatError)
    expect((error as FormatError).message).toBe(message)
  })

  it('never makes anything but a FormatError, in 5,000 seeded mutations of valid files', () => {
    const valid = [
      file([{ name: 'w', dtype: 'F32', shape: [2, 3] }]),
      file([
        { name: 'a', dtype: 'BF16', shape: [4] },
        { name: 'b', dtype: 'I64', shape: [] },
        { name: '', dtype: 'U8', shape: [0] },
      ]),
      fileOf('{"__metadata__":{"format":"pt"},"x\\u00e9":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}   ', 4),
      fileOf('{}', 0),
    ]
    const pieces = [
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
    ]
    let accepted = 0
    let refused = 0
    const state = { x: 20240229 }
    const next = (n: number) => {
      state.x = (state.x * 16807) % 2147483647
      return state.x % n
    }
    for (let round = 0; round < 5000; round++) {
      let bytes = [...valid[next(valid.length)]!]
      for (let edits = 1 + next(3); edits > 0; edits--) {
        const at = next(bytes.length)
        const kind = next(5)
        if (kind === 0) bytes[at] = next(256)
        else if (kind === 1) bytes.splice(at, 1 + next(8))
        else if (kind === 2) bytes.splice(at, 0, ...new TextEncoder().encode(pieces[next(pieces.length)]))
        else if (kind === 3) bytes = bytes.slice(0, Math.max(1, at))
        else bytes[at] = (bytes[at] ?? 0) ^ (1 << next(8))
        if (bytes.length === 0) bytes = [0]
      }
      const mutated = Uint8Array.from(bytes)
      // Half of them keep a true header length, so that the mutation reaches the JSON.
      if (round % 2 === 0 && mutated.length >= 8) {
        const end = mutated.lastIndexOf(0x7d)
        if (end >= 8) new DataView(mutated.buffer).setBigUint64(0, BigInt(end + 1 - 8), true)
      }
      try {
        const { tensors } = parse(mutated)
        let at: number | undefined
        for (const { begin, end } of tensors.values()) {
          if (at !== undefined) expect(begin).toBe(at)
          at = end
        }
        expect(at ?? mutated.length).toBe(mutated.length)
        accepted++
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
        refused++
      }
    }
    expect(refused).toBeGreaterThan(3000)
    expect(accepted).toBeGreaterThan(50)
  })

  it('with more members than anyone needs is refused at the limit, not at the end of the memory', () => {
    const options = { where: 'FILE', depth: 4, members: 3 }
    const text = (n: number) =>
      new TextEncoder().encode(`{${Array.from({ length: n }, (_, i) => `"${i}":0`).join(',')}}`)
    expect(parseStrictJson(text(3), options)).toHaveProperty('size', 3)
    expect(() => parseStrictJson(text(4), options)).toThrow(
      'FILE has more than 3 members in one object (character 22).',
    )
  })
})

describe('an unusual but valid safetensors file', () => {
  it('may have no tensors, and spaces after its header', () => {
    expect(parse(fileOf('{}      ', 0)).tensors.size).toBe(0)
  })

  it('may have scalars and empty tensors, also several in one place', () => {
    const zero = '{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]}'
    const { tensors } = parse(
      fileOf(`{"z":${zero},"y":${zero},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 4),
    )
    expect([...tensors.keys()]).toEqual(['s', 'z', 'y'])
    expect(tensors.get('s')?.shape).toEqual([])
  })

  it('may name a tensor __proto__ or constructor without touching any object', () => {
    const { tensors } = parse(
      fileOf(
        '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        2,
      ),
    )
    expect([...tensors.keys()]).toEqual(['__proto__', 'constructor'])
    expect(({} as Record<string, unknown>).dtype).toBeUndefined()
  })

  it('lists its tensors in the order of their places, whatever the order of the header', () => {
    const { tensors } = parse(
      fileOf(
        '{"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        2,
      ),
    )
    expect([...tensors.values()].map(t => [t.name, t.end - t.begin])).toEqual([
      ['a', 1],
      ['b', 1],
    ])
  })
})

describe('a header that is written', () => {
  it('reads back as the same names, dtypes, shapes and metadata', () => {
    fc.assert(
      fc.property(specs, metadata, (list, texts) => {
        const layout = encodeSafetensorsHeader(list, texts)
        const bytes = new Uint8Array(layout.fileBytes)
        bytes.set(layout.header)
        const header = parse(bytes)
        expect([...header.metadata]).toEqual([...texts])
        expect([...header.tensors.values()]).toEqual(layout.entries)
        const byName = (a: TensorSpec, b: TensorSpec) => (a.name < b.name ? -1 : 1)
        const read = [...header.tensors.values()].map(({ name, dtype, shape }) => ({ name, dtype, shape }))
        expect(read.sort(byName)).toEqual([...list].sort(byName))
      }),
    )
  })

  it('is padded to 8 bytes, and every tensor starts at a multiple of its element size', () => {
    fc.assert(
      fc.property(specs, metadata, (list, texts) => {
        const layout = encodeSafetensorsHeader(list, texts)
        expect(layout.header.byteLength % 8).toBe(0)
        for (const { dtype, begin } of layout.entries) expect(begin % dtypeBytes(dtype)).toBe(0)
      }),
    )
  })

  it('does not depend on the order in which the tensors are given', () => {
    const list: TensorSpec[] = [
      { name: 'b', dtype: 'F16', shape: [2] },
      { name: 'a', dtype: 'F16', shape: [1] },
      { name: 'c', dtype: 'F64', shape: [1] },
    ]
    const layout = encodeSafetensorsHeader(list)
    expect(encodeSafetensorsHeader(list.toReversed())).toEqual(layout)
    expect(layout.entries.map(entry => entry.name)).toEqual(['c', 'a', 'b'])
  })

  it('takes no name that could not be read back', () => {
    const named = (name: string): TensorSpec => ({ name, dtype: 'U8', shape: [1] })
    expect(() => encodeSafetensorsHeader([named('a'), named('a')])).toThrow(
      'Two tensors are named "a"; a file holds one of a name.',
    )
    expect(() => encodeSafetensorsHeader([named('__metadata__')])).toThrow(
      'A tensor cannot be named __metadata__: the format keeps that name.',
    )
    expect(() => encodeSafetensorsHeader([named('\ud800')])).toThrow(FormatError)
    expect(() => encodeSafetensorsHeader([named('n'.repeat(1025))])).toThrow(/is longer than 1024 bytes/)
  })
})

function file(list: readonly TensorSpec[]): Uint8Array {
  const layout = encodeSafetensorsHeader(list)
  const bytes = new Uint8Array(layout.fileBytes)
  bytes.set(layout.header)
  return bytes
}
