import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { parseOnnxModel } from '../../src/formats/onnx.ts'
import { buildOnnxModel } from '../../src/formats/onnx-build.ts'
import { makePatchable, promoteInitializers } from '../../src/formats/onnx-rewrite.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { takeInFiles } from '../../src/formats/open-onnx.ts'
import { thrownBy } from '../helpers/thrown.ts'
import {
  all,
  type Body,
  bytes,
  encode,
  external,
  field,
  floats,
  graph,
  IR,
  initializer,
  int,
  model,
  text,
} from './onnx-fields.ts'

const root = mkdtempSync(join(tmpdir(), 'amalgam-external-'))
let here = root
let count = 0
beforeEach(() => {
  here = join(root, String(count++))
  mkdirSync(here)
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const path = () => join(here, 'm.onnx')
const save = (...parts: readonly Body[]) => writeFileSync(path(), model(...parts))
const data = (name: string, ...values: number[]) => writeFileSync(join(here, name), floats(...values))
const opening = () => thrownBy(() => openCheckpoint(path()).close())
const values = (read: Uint8Array) => [...new Float32Array(new Uint8Array(read).buffer)]

describe('weights in another file', () => {
  it('are read from their place, whole or in part, also below the folder of the model', () => {
    mkdirSync(join(here, 'deep'))
    data('m.data', 0, 1, 2, 3, 4)
    data('deep/w', 9)
    save(
      external('a', [2], { location: 'm.data', offset: '4', length: '8' }),
      external('b', [2], { location: 'm.data', offset: '12', checksum: '0'.repeat(40) }),
      external('c', [1], { location: 'deep/w' }),
      initializer(text(8, 'd'), int(1, 1), int(2, 1), bytes(9, floats(7))),
      external('n', [1], { location: 'nowhere' }, 7),
    )
    const checkpoint = openCheckpoint(path())
    expect([...checkpoint.tensors.values()].map(({ name, byteLength }) => [name, byteLength])).toEqual([
      ['a', 8],
      ['b', 8],
      ['c', 4],
      ['d', 4],
    ])
    expect(checkpoint.files).toEqual([path(), join(here, 'm.data'), join(here, 'deep', 'w')])
    expect(['a', 'b', 'c', 'd'].map(name => values(checkpoint.read(name)))).toEqual([[1, 2], [3, 4], [9], [7]])
    const part = new Uint8Array(4)
    checkpoint.readRange('b', 4, part)
    expect(values(part)).toEqual([4])
    data('m.data', 0, 0)
    expect(thrownBy(() => checkpoint.verifyUnchanged())).toBe(
      `FormatError: ${join(here, 'm.data')} was changed while it was read.`,
    )
    checkpoint.close()
  })

  it('may serve two tensors, but two may not share a part of them', () => {
    data('m.data', 1, 2, 3)
    save(external('a', [2], { location: 'm.data' }), external('tied', [2], { location: 'm.data' }))
    const checkpoint = openCheckpoint(path())
    expect(values(checkpoint.read('tied'))).toEqual([1, 2])
    checkpoint.close()
    save(external('a', [2], { location: 'm.data' }), external('b', [2], { location: 'm.data', offset: '4' }))
    expect(opening()).toBe(
      `FormatError: ${join(here, 'm.data')}: the values of initializers "a" (bytes 0 to 8) and "b" (4 to 12) overlap.`,
    )
  })

  it.each([
    '/etc/passwd',
    '../m.data',
    'a/../../m.data',
    './m.data',
    'a//m.data',
    'C:\\m.data',
    'a\\..\\b',
    'm\0.data',
    '',
  ])('may not be at %j', location => {
    data('m.data', 1)
    save(external('w', [1], { location }))
    expect(opening()).toBe(
      `FormatError: ${path()}: initializer "w" keeps its values in ${JSON.stringify(location)}; a path below the model's own folder is required.`,
    )
  })

  it.each([
    [{ offset: '0' }, 'keeps its values in another file and does not say in which.'],
    [{ location: 'm.data', offset: '-4' }, 'has the external data offset "-4"; a whole number of bytes is required.'],
    [{ location: 'm.data', offset: '1e3' }, 'has the external data offset "1e3"; a whole number of bytes is required.'],
    [
      { location: 'm.data', length: '9999999999999999' },
      'has the external data length "9999999999999999"; a whole number of bytes is required.',
    ],
    [{ location: 'm.data', length: '8' }, 'needs 4 bytes for 1 float32 elements, got 8.'],
    [
      { location: 'm.data', __proto__x: '1' },
      'has the external data key "__proto__x"; known are location, offset, length, checksum.',
    ],
    [{ location: 'm.data', checksum: 'abc' }, 'has the checksum "abc"; a SHA-1 of 40 hexadecimal digits is required.'],
    [{ location: 'm.data', offset: '4' }, 'needs bytes 4 to 8 of "m.data", which has 4.'],
    [
      { location: 'm.data', offset: '9007199254740990' },
      'needs bytes 9007199254740990 to 9007199254740994 of "m.data", which has 4.',
    ],
  ])('are described by %j, which is refused', (entries, message) => {
    data('m.data', 1)
    save(external('w', [1], entries))
    expect(opening()).toBe(`FormatError: ${path()}: initializer "w" ${message}`)
  })

  it('are described once, and are in one place', () => {
    data('m.data', 1)
    const location = field(13, all(text(1, 'location'), text(2, 'm.data')))
    const w = (...parts: readonly Body[]) => initializer(text(8, 'w'), int(1, 1), int(2, 1), ...parts)
    save(w(location, location, int(14, 1)))
    expect(opening()).toBe(`FormatError: ${path()}: initializer "w" has the external data key "location" twice.`)
    save(w(location, int(14, 1), bytes(9, floats(1))))
    expect(opening()).toBe(`FormatError: ${path()}: initializer "w" has its values more than once.`)
    save(w(location, bytes(9, floats(1))))
    expect(opening()).toBe(
      `FormatError: ${path()}: initializer "w" names another file for its values, and says that they are inside.`,
    )
    save(w(location, int(14, 2)))
    expect(opening()).toBe(
      `FormatError: ${path()}: initializer "w" has the data location 2; 0 (inside) and 1 (external) are known.`,
    )
  })

  it('may not be reached by a link out of the folder, be it a file or a folder on the way', () => {
    const elsewhere = join(root, `elsewhere-${count}`)
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'w'), floats(1))
    symlinkSync(join(elsewhere, 'w'), join(here, 'link'))
    symlinkSync(elsewhere, join(here, 'folder'))
    for (const location of ['link', 'folder/w']) {
      save(external('w', [1], { location }))
      expect(opening()).toBe(
        `FormatError: ${join(here, location)} is a link that leads out of its folder, to "${join(elsewhere, 'w')}".`,
      )
    }
    linkSync(join(elsewhere, 'w'), join(here, 'hard'))
    save(external('w', [1], { location: 'hard' }))
    expect(opening()).toBe(
      `FormatError: ${join(here, 'hard')} has 2 names (hard links): it may be a file from elsewhere.`,
    )
    save(external('w', [1], { location: 'gone' }))
    expect(opening()).toBe(`ConfigError: ${join(here, 'gone')} does not exist.`)
    save(external('w', [1], { location: 'folder' }))
    expect(opening()).toMatch(/leads out of its folder/)
    mkdirSync(join(here, 'inner'))
    save(external('w', [1], { location: 'inner' }))
    expect(opening()).toBe(`ConfigError: ${join(here, 'inner')} is not a regular file.`)
  })

  it('are found through the links of a Hugging Face cache', () => {
    const snapshot = join(here, 'snapshots', 'abc', 'onnx')
    mkdirSync(snapshot, { recursive: true })
    mkdirSync(join(here, 'blobs'))
    writeFileSync(join(here, 'blobs', '1'), model(external('w', [1], { location: 'm.data' })))
    writeFileSync(join(here, 'blobs', '2'), floats(5))
    symlinkSync('../../../blobs/1', join(snapshot, 'm.onnx'))
    symlinkSync('../../../blobs/2', join(snapshot, 'm.data'))
    const checkpoint = openCheckpoint(join(snapshot, 'm.onnx'))
    expect(values(checkpoint.read('w'))).toEqual([5])
    checkpoint.close()
  })
})

describe('a graph with values in other files', () => {
  it('takes in what is no weight, and nothing of the weights', () => {
    data('m.data', 1, 2, 3)
    save(external('w', [2], { location: 'nowhere' }), external('c', [2], { location: 'm.data', offset: '4' }))
    const whole = takeInFiles(readFileSync(path()), path(), new Set(['w']))
    const { initializers } = parseOnnxModel(whole, 'm.onnx')
    expect(initializers.get('w')!.external?.location).toEqual(['nowhere'])
    const { start, end } = initializers.get('c')!.values!
    expect(values(whole.subarray(start, end))).toEqual([2, 3])

    const promoted = parseOnnxModel(promoteInitializers(whole, new Set(['w']), 'm.onnx'), 'm.onnx')
    expect([...promoted.initializers.keys()]).toEqual(['c'])
    expect(promoted.inputs.map(({ name }) => name)).toEqual(['w'])

    const { bytes: copy, slots } = makePatchable(whole, new Set(['w']), 'm.onnx')
    copy.set(floats(8, 9), slots.get('w')!.start)
    const patched = parseOnnxModel(copy, 'm.onnx').initializers.get('w')!
    expect(patched.external).toBeUndefined()
    expect(values(copy.subarray(patched.values!.start, patched.values!.end))).toEqual([8, 9])
  })

  it('is as it was when it has none', () => {
    const file = buildOnnxModel({ inputs: [], outputs: [], nodes: [], initializers: [] })
    expect(takeInFiles(file, path(), new Set())).toBe(file)
  })

  it('never reaches a runtime with a name of a file in it', () => {
    const file = model(external('w', [1], { location: 'a' }), external('c', [1], { location: 'b' }))
    expect(thrownBy(() => promoteInitializers(file, new Set(['w']), 'm.onnx'))).toBe(
      'FormatError: m.onnx: initializer "c" keeps its values in another file, and was not taken in.',
    )
  })

  it('may have values of a type without a size only if it says how many bytes', () => {
    writeFileSync(join(here, 'm.data'), Uint8Array.of(1, 2, 3))
    const int4 = (entries: Record<string, string>) =>
      writeFileSync(path(), encode(IR, graph(external('q', [6], { location: 'm.data', ...entries }, 22))))
    int4({ length: '3' })
    expect(takeInFiles(readFileSync(path()), path(), new Set()).byteLength).toBeGreaterThan(0)
    int4({})
    expect(thrownBy(() => takeInFiles(readFileSync(path()), path(), new Set()))).toBe(
      `FormatError: ${path()}: initializer "q" is of a type without a fixed size, and needs a length.`,
    )
  })
})
