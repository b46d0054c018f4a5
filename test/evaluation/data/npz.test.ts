import { deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { readNpz } from '../../../src/evaluation/data/npz.ts'
import { textsOf } from '../../../src/evaluation/data/template.ts'
import { columnMatrix } from '../../../src/evaluation/onnx/matrix.ts'
import { parseNpy } from '../../../src/formats/npy.ts'
import { parseNpz } from '../../../src/formats/npz.ts'
import { thrownBy } from '../../helpers/thrown.ts'
import { fixture } from './fixtures.ts'

const NAMES = ['x', 'score', 'label', 'byte', 'split', 'flag']

interface Entry {
  readonly name: string
  readonly content: Uint8Array
  readonly claimed?: number
}

/** A zip archive of deflated entries, whose directory claims what the test wants. */
function zip(entries: readonly Entry[]): Uint8Array {
  const locals: Buffer[] = []
  const central: Buffer[] = []
  let at = 0
  for (const { name, content, claimed = content.length } of entries) {
    const packed = deflateRawSync(content)
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(name.length, 26)
    const directory = Buffer.alloc(46)
    directory.writeUInt32LE(0x02014b50, 0)
    directory.writeUInt16LE(8, 10)
    directory.writeUInt32LE(packed.length, 20)
    directory.writeUInt32LE(claimed, 24)
    directory.writeUInt16LE(name.length, 28)
    directory.writeUInt32LE(at, 42)
    locals.push(local, Buffer.from(name), packed)
    central.push(directory, Buffer.from(name))
    at += local.length + name.length + packed.length
  }
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(at, 16)
  return Uint8Array.from(Buffer.concat([...locals, ...central, end]))
}

describe('.npz', () => {
  it.each(['arrays.npz', 'arrays-stored.npz'])('%s holds what the .npy files hold', name => {
    const arrays = parseNpz(fixture(name), name)
    expect([...arrays.keys()]).toEqual(NAMES)
    for (const key of NAMES) expect(arrays.get(key)).toEqual(parseNpy(fixture(`arrays-${key}.npy`), key))
  })

  it('gives columns of cells, and arrays where an example has several numbers', () => {
    const records = readNpz(fixture('arrays.npz'), 'data.npz')
    expect(records.length).toBe(6)
    expect(records.columns.get('split')).toEqual(['search', 'search', 'select', 'select', 'holdout', 'été'])
    expect(records.columns.get('flag')).toEqual([1, 0, 1, 1, 0, 0])
    const x = parseNpy(fixture('arrays-x.npy'), 'x')
    const matrix = columnMatrix(records, ['x'], new Set(), 'input')
    expect(matrix.shape).toEqual([2, 3])
    expect(Array.from({ length: 36 }, (_, i) => matrix.value(Math.floor(i / 6), i % 6))).toEqual([...x.data])
  })

  it('refuses an array where a number or a text is required', () => {
    const records = readNpz(fixture('arrays.npz'), 'data.npz')
    expect(thrownBy(() => columnMatrix(records, ['score', 'x'], new Set(), 'input'))).toBe(
      'FormatError: data.npz: example 0, column "x": a number is required, found {"dtype":"f4","shape":[2,3]}.',
    )
    expect(thrownBy(() => textsOf(records, 'x'))).toBe(
      'FormatError: data.npz: example 0, "x": text is required, found {"dtype":"f4","shape":[2,3]}.',
    )
  })

  it('refuses arrays of different lengths and an archive without arrays', () => {
    const [x, label] = [fixture('arrays-x.npy'), fixture('arrays-label.npy')]
    const one = parseNpy(label, 'label')
    const short = Buffer.from(label.slice(0, label.length - 8))
    short.write(Buffer.from(label).toString('latin1').includes('(6,)') ? '(5,)' : '', short.indexOf('(6,)'))
    expect(one.shape).toEqual([6])
    const unequal = zip([
      { name: 'x.npy', content: x },
      { name: 'label.npy', content: short },
    ])
    expect(thrownBy(() => readNpz(unequal, 'data.npz'))).toBe(
      'FormatError: data.npz must hold arrays with one row per example each; it has x [6, 2, 3], label [5].',
    )
    expect(thrownBy(() => readNpz(zip([]), 'data.npz'))).toMatch(/it has none\.$/)
  })

  it('refuses a file that was cut short at any byte', () => {
    const whole = fixture('arrays.npz')
    for (let length = 0; length < whole.length; length++)
      expect(thrownBy(() => parseNpz(whole.subarray(0, length), 'cut.npz'))).toMatch(/^FormatError: cut\.npz/)
  })

  it('refuses or reads a file with a damaged byte, and throws nothing else', () => {
    const whole = fixture('arrays.npz')
    for (let at = 0; at < whole.length; at++) {
      const damaged = whole.slice()
      damaged[at]! ^= 0xff
      expect(thrownBy(() => readNpz(damaged, 'bad.npz'))).toMatch(/^(nothing was thrown|FormatError: bad\.npz)/)
    }
  })

  it('does not inflate more than the directory says, nor directories that say too much', () => {
    const zeros = new Uint8Array(8 << 20)
    const content = Uint8Array.from([...fixture('arrays-byte.npy')])
    expect(thrownBy(() => parseNpz(zip([{ name: 'a.npy', content: zeros, claimed: 100 }]), 'bomb.npz'))).toMatch(
      /^FormatError: bomb\.npz: "a\.npy" cannot be inflated: /,
    )
    const huge = { content, claimed: 2 ** 31 }
    expect(thrownBy(() => parseNpz(zip([{ name: 'a.npy', ...huge }]), 'bomb.npz'))).toBe(
      'FormatError: bomb.npz inflates to more than 2147483647 bytes.',
    )
  })

  it('refuses members that are no arrays, and two of one name', () => {
    const content = fixture('arrays-byte.npy')
    expect(thrownBy(() => parseNpz(zip([{ name: '../up.txt', content }]), 'a.npz'))).toBe(
      'FormatError: a.npz: "../up.txt" is no .npy file.',
    )
    const twice = [
      { name: 'a.npy', content },
      { name: 'a.npy', content },
    ]
    expect(thrownBy(() => parseNpz(zip(twice), 'a.npz'))).toBe('FormatError: a.npz has two arrays named "a".')
  })
})
