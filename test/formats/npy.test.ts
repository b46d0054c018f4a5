import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AmalgamError } from '../../src/errors.ts'
import { parseNpy } from '../../src/formats/npy.ts'
import { thrownBy } from '../helpers/thrown.ts'

/** A .npy file: the header padded with spaces to a multiple of 64 bytes, as NumPy writes it. */
function npy(header: string, data: Uint8Array = new Uint8Array(0), version: 1 | 2 | 3 = 1): Uint8Array {
  const start = version === 1 ? 10 : 12
  const text = Buffer.from(`${header.padEnd(Math.ceil((header.length + 1 + start) / 64) * 64 - start - 1)}\n`, 'latin1')
  const head = Buffer.alloc(start)
  head.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0])
  if (version === 1) head.writeUInt16LE(text.length, 8)
  else head.writeUInt32LE(text.length, 8)
  return Buffer.concat([head, text, data])
}

function dict(descr: string, shape: string, order = 'False'): string {
  return `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`
}

const bytesOf = (array: NodeJS.TypedArray): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

describe('parseNpy', () => {
  it.each([1, 2, 3] as const)('reads a float32 matrix of version %i', version => {
    const values = Float32Array.of(1, 2.5, -3, 4, 0, 6)
    expect(parseNpy(npy(dict('<f4', '(2, 3)'), bytesOf(values), version), 'a.npy')).toEqual({
      dtype: 'f4',
      shape: [2, 3],
      data: values,
    })
  })

  it.each([
    ['<f8', Float64Array.of(1, -0.1)],
    ['|i1', Int8Array.of(-1, 2)],
    ['<i2', Int16Array.of(-1, 300)],
    ['<i4', Int32Array.of(-1, 70000)],
    ['<i8', BigInt64Array.of(-1n, 2n ** 40n)],
    ['|u1', Uint8Array.of(1, 255)],
    ['<u2', Uint16Array.of(1, 65535)],
    ['<u4', Uint32Array.of(1, 2 ** 32 - 1)],
    ['<u8', BigUint64Array.of(1n, 2n ** 63n)],
    ['|b1', Uint8Array.of(0, 1)],
  ])('reads elements of type %s', (descr, values) => {
    expect(parseNpy(npy(dict(descr, '(2,)'), bytesOf(values)), 'a.npy')).toEqual({
      dtype: descr.slice(1),
      shape: [2],
      data: values,
    })
  })

  it('turns big-endian elements round', () => {
    const data = Uint8Array.of(0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0)
    expect(parseNpy(npy(dict('>f4', '(2,)'), data), 'a.npy').data).toEqual(Float32Array.of(1, -2))
    expect(parseNpy(npy(dict('>i2', '(1,)'), Uint8Array.of(1, 2)), 'a.npy').data).toEqual(Int16Array.of(258))
  })

  it('reads fixed-width text without its padding', () => {
    const wide = Uint32Array.from([...'search\0\0é\0\0\0\0\0\0\0'].map(c => c.codePointAt(0)!))
    expect(parseNpy(npy(dict('<U8', '(2,)'), bytesOf(wide)), 'a.npy')).toEqual({
      dtype: 'U8',
      shape: [2],
      data: ['search', 'é'],
    })
    expect(parseNpy(npy(dict('|S3', '(2,)'), Buffer.from('ab\0cde')), 'a.npy').data).toEqual(['ab', 'cde'])
  })

  it('reads scalars, empty arrays, any order of keys, both quotes, and one dimension in either order', () => {
    expect(parseNpy(npy(dict('<f4', '()'), bytesOf(Float32Array.of(3))), 'a.npy').shape).toEqual([])
    expect(parseNpy(npy(dict('<f4', '(0, 5)')), 'a.npy').shape).toEqual([0, 5])
    const header = `{"shape": (1,), "fortran_order": True, "descr": "<f4"}`
    expect(parseNpy(npy(header, bytesOf(Float32Array.of(3))), 'a.npy').data).toEqual(Float32Array.of(3))
  })

  const FOUR = new Uint8Array(4)
  const refused: readonly (readonly [what: string, file: Uint8Array, message: string])[] = [
    [
      'another kind of file',
      Buffer.from('PK\x03\x04 and so on'),
      'a.npy is no .npy file: it does not start with the bytes of one.',
    ],
    [
      'a newer version',
      Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 4, 0, 0, 0),
      'a.npy has .npy version 4.0; versions 1.0, 2.0 and 3.0 are read.',
    ],
    [
      'a header that passes the end',
      Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 200, 0),
      'a.npy announces a header of 200 bytes and has 0 left.',
    ],
    [
      'a header of four gigabytes',
      Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 255, 255, 255, 255),
      'a.npy announces a header of 4294967295 bytes; at most 1048576 are read.',
    ],
    ['Python objects', npy(dict('|O', '(1,)'), FOUR), 'a.npy holds Python objects (pickle), which are never read.'],
    [
      'column-major order',
      npy(dict('<f4', '(1, 1)', 'True'), FOUR),
      'a.npy holds its array in column-major (Fortran) order; row-major is required.',
    ],
    [
      'records',
      npy(`{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }`, FOUR),
      'a.npy holds records with named fields; save one array per field.',
    ],
    [
      'complex numbers',
      npy(dict('<c8', '(1,)'), FOUR),
      'a.npy has elements of type "<c8"; read are f4, f8, i1 to i8, u1 to u8, b1 and text (U, S).',
    ],
    ['missing elements', npy(dict('<f4', '(2,)'), FOUR), 'a.npy needs 8 bytes for shape (2) of "<f4", got 4.'],
    ['surplus bytes', npy(dict('<f4', '()'), new Uint8Array(5)), 'a.npy needs 4 bytes for shape () of "<f4", got 5.'],
    [
      'text without width',
      npy(dict('<U0', '(999999999999999,)')),
      'a.npy has text of "<U0"; a width of 1 to 4096 characters is required.',
    ],
    [
      'text beyond Unicode',
      npy(dict('<U1', '(1,)'), Uint8Array.of(0, 0, 0x11, 0)),
      'a.npy has text that is not Unicode.',
    ],
    [
      'an expression',
      npy(`{'descr': '<f4', 'fortran_order': False, 'shape': (2*3,), }`, FOUR),
      'a.npy has a damaged header: unexpected text "*3,), }             " at character 52.',
    ],
    [
      'a negative dimension',
      npy(dict('<f4', '(-1,)'), FOUR),
      'a.npy has a damaged header: unexpected text "-1,), }             " at character 51.',
    ],
    [
      'a repeated key',
      npy(`{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,), }`, FOUR),
      `a.npy has a damaged header: a new key expected, found "'descr'".`,
    ],
    [
      'a missing key',
      npy(`{'descr': '<f4', 'shape': (1,), }`, FOUR),
      "a.npy has a damaged header: the keys 'descr', 'fortran_order' and 'shape' are required, each with its type.",
    ],
    [
      'text after the header',
      npy(`${dict('<f4', '(1,)')} x`, FOUR),
      'a.npy has a damaged header: text after the dictionary.',
    ],
    [
      'a thousand dimensions',
      npy(dict('<f4', `(${'1, '.repeat(1000)})`), FOUR),
      'a.npy has a damaged header: more than 64 dimensions.',
    ],
  ]
  it.each(refused)('refuses %s', (_, file, message) => {
    expect(thrownBy(() => parseNpy(file, 'a.npy'))).toBe(`FormatError: ${message}`)
  })

  it('answers mutated files with a typed error or an array, nothing else', () => {
    const good = npy(dict('<f4', '(2, 3)'), new Uint8Array(24))
    const edit = fc.tuple(fc.nat(99), fc.nat(255))
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), edits => {
        const file = good.slice()
        for (const [at, value] of edits) file[at] = value
        try {
          parseNpy(file, 'a.npy')
        } catch (error) {
          expect(error).toBeInstanceOf(AmalgamError)
        }
      }),
      { numRuns: 3000 },
    )
  })
})
