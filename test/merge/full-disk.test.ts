import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { EXIT, StorageError } from '../../src/errors.ts'
import { AtomicFile, commitPair } from '../../src/formats/write-file.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import { mlpGraph, randomModel } from '../evaluation/onnx-fixture.ts'
import { linearRecipe, rejection, saveModels, temporaryFolders, tensor } from './fixture.ts'

/** A disk that takes so many more bytes, and then fails; `free` is what it says it has. */
const disk = vi.hoisted(() => ({
  left: Number.POSITIVE_INFINITY,
  code: 'ENOSPC',
  free: Number.POSITIVE_INFINITY,
  sync: true,
}))

vi.mock('node:fs', async original => {
  const fs = await original<typeof import('node:fs')>()
  const fail = () => Object.assign(new Error(`${disk.code}: no`), { code: disk.code })
  return {
    ...fs,
    writeSync: (descriptor: number, bytes: Uint8Array, offset = 0, length = bytes.byteLength, position?: number) => {
      if (disk.left <= 0) throw fail()
      // A disk that is nearly full takes a part first.
      const part = Math.min(length, disk.left)
      disk.left -= part
      return fs.writeSync(descriptor, bytes, offset, part, position)
    },
    fsyncSync: (descriptor: number) => {
      if (!disk.sync) throw fail()
      fs.fsyncSync(descriptor)
    },
    statfsSync: (path: string) => {
      const stats = fs.statfsSync(path)
      return Number.isFinite(disk.free) ? { ...stats, bavail: disk.free, bsize: 1 } : stats
    },
  }
})

const newFolder = temporaryFolders()
afterEach(() => {
  Object.assign(disk, { left: Number.POSITIVE_INFINITY, code: 'ENOSPC', free: Number.POSITIVE_INFINITY, sync: true })
})

function models(folder: string) {
  const values = Float32Array.from({ length: 3000 }, (_, i) => i)
  const safetensors = saveModels(folder, { a: { w: tensor(values), v: tensor(values) } })
  writeFileSync(join(folder, 'a.onnx'), mlpGraph(randomModel(1, [40, 30, 3]), [40, 30, 3]))
  return { safetensors, onnx: [{ id: 'a', path: join(folder, 'a.onnx') }] }
}

const OUTPUTS = [
  ['a .safetensors file', 'safetensors', 'x.safetensors', {}, 'x.safetensors'],
  ['a folder of shards', 'safetensors', 'x', { shardBytes: 13_000 }, 'x/model-0000'],
  ['an .onnx file', 'onnx', 'x.onnx', {}, 'x.onnx'],
  ['an .onnx file and its weights', 'onnx', 'x.onnx', { singleFileBytes: 0 }, 'x.onnx'],
] as const

describe('a disk that fills', () => {
  it.each(OUTPUTS)('at any byte leaves nothing of %s, and is told', async (_, kind, name, options, told) => {
    const folder = newFolder()
    const references = models(folder)[kind]
    const place = join(folder, 'disk')
    mkdirSync(place)
    const out = join(place, name)
    for (const left of [0, 1, 500, 4_000, 5_000]) {
      disk.left = left
      const error = await rejection(mergeToFiles(linearRecipe({ a: 2 }), references, out, options))
      expect(error).toBeInstanceOf(StorageError)
      expect(error.exitCode).toBe(EXIT.environment)
      expect(error.message.startsWith(join(place, told)), error.message).toBe(true)
      expect(error.message).toMatch(/could not be written: the disk is full \(ENOSPC\)/)
      expect(error.hint).toBe('Nothing was left there. Make room, or choose a place on another disk.')
      expect(readdirSync(place)).toEqual([])
    }
    disk.left = Number.POSITIVE_INFINITY
    await mergeToFiles(linearRecipe({ a: 2 }), references, out, options)
    expect(existsSync(out)).toBe(true)
  })

  it.each(OUTPUTS)('when %s is forced to it leaves nothing', async (_, kind, name, options) => {
    const folder = newFolder()
    const references = models(folder)[kind]
    const place = join(folder, 'disk')
    mkdirSync(place)
    Object.assign(disk, { sync: false, code: 'EIO' })
    const error = await rejection(mergeToFiles(linearRecipe({ a: 2 }), references, join(place, name), options))
    expect(error.message).toMatch(/could not be written: the disk failed \(EIO\)/)
    expect(readdirSync(place)).toEqual([])
  })

  it.each(OUTPUTS)('is seen before %s is begun, where it is too full already', async (_, kind, name, options) => {
    const folder = newFolder()
    const references = models(folder)[kind]
    disk.free = 200
    const error = await rejection(mergeToFiles(linearRecipe({ a: 2 }), references, join(folder, name), options))
    expect(error).toBeInstanceOf(StorageError)
    expect(error.message).toMatch(/ needs \d+ bytes, and its disk has 200 left\.$/)
    expect(readdirSync(folder).sort()).toEqual(['a.onnx', 'a.safetensors'])
  })

  it('passes on what is no failure of the disk', () => {
    disk.left = 0
    disk.code = 'EBADF'
    const file = new AtomicFile(join(newFolder(), 'x'), 1)
    expect(() => file.append(new Uint8Array(1))).toThrow(/^EBADF: no$/)
    file.abort()
  })
})

describe('two files of which one needs the other', () => {
  it('are both there, or none', () => {
    const folder = newFolder()
    const open = () => ['x.data', 'x'].map(name => new AtomicFile(join(folder, name), 1))
    const [data, model] = open()
    data!.append(new Uint8Array(1))
    expect(() => commitPair(data!, model!)).toThrow('needs 1 bytes, and 0 were appended')
    model!.abort()
    expect(readdirSync(folder)).toEqual([])
    const again = open()
    for (const file of again) file.append(new Uint8Array(1))
    commitPair(again[0]!, again[1]!)
    expect(readdirSync(folder).sort()).toEqual(['x', 'x.data'])
  })
})
