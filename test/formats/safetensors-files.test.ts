import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { AmalgamError, ConfigError, FormatError } from '../../src/errors.ts'
import type { Dtype } from '../../src/formats/dtype.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { SafetensorsWriter, type TensorData, writeSafetensors } from '../../src/formats/write-file.ts'
import { HOSTILE_FILES } from '../fixtures/hostile/safetensors-cases.ts'

const root = mkdtempSync(join(tmpdir(), 'amalgam-formats-'))
let here = root
let count = 0

beforeEach(() => {
  here = join(root, String(count++))
  mkdirSync(here)
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const bytesOf = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
const f32 = (...values: number[]): TensorData => ({ dtype: 'F32', shape: [values.length], data: bytesOf(...values) })

function failure(work: () => unknown): AmalgamError {
  try {
    work()
  } catch (error) {
    if (error instanceof AmalgamError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

function save(name: string, tensors: Record<string, TensorData>): string {
  const path = join(here, name)
  writeSafetensors(path, Object.entries(tensors))
  return path
}

describe('a written file', () => {
  it('reads back with the same tensors, bytes and metadata', () => {
    const tensor = fc
      .record({
        dtype: fc.constantFrom<[Dtype, number][]>(['F32', 4], ['BF16', 2], ['I64', 8], ['BOOL', 1]),
        shape: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
        seed: fc.nat({ max: 255 }),
      })
      .map(({ dtype: [dtype, size], shape, seed }): TensorData => {
        const length = shape.reduce((product, n) => product * n, size)
        return { dtype, shape, data: Uint8Array.from({ length }, (_, i) => (seed + i * 7) & 255) }
      })
    const tensors = fc.dictionary(fc.string({ maxLength: 8 }), tensor, { maxKeys: 6 })
    fc.assert(
      fc.property(tensors, given => {
        const path = join(here, 'x.safetensors')
        writeSafetensors(path, Object.entries(given), { format: 'pt' })
        const checkpoint = openCheckpoint(path)
        expect(new Set(checkpoint.tensors.keys())).toEqual(new Set(Object.keys(given)))
        for (const [name, { dtype, shape, data }] of Object.entries(given)) {
          expect(checkpoint.tensors.get(name)).toEqual({ name, dtype, shape, byteLength: data.byteLength })
          expect(checkpoint.read(name)).toEqual(data)
        }
        expect([...checkpoint.metadata]).toEqual([['format', 'pt']])
        checkpoint.close()
      }),
      { numRuns: 50 },
    )
  })

  it('has the same bytes for the same tensors, and leaves nothing else in its folder', () => {
    const a = save('a.safetensors', { x: f32(1, 2), y: f32(3) })
    const b = save('b.safetensors', { y: f32(3), x: f32(1, 2) })
    expect(readFileSync(a).equals(readFileSync(b))).toBe(true)
    expect(readdirSync(here).sort()).toEqual(['a.safetensors', 'b.safetensors'])
  })

  it('replaces an older one, and a failed attempt leaves the older one as it was', () => {
    const path = save('a.safetensors', { x: f32(1) })
    const before = readFileSync(path)
    expect(() => writeSafetensors(path, [['x', { dtype: 'F32', shape: [2], data: bytesOf(1) }]])).toThrow(
      'Tensor "x" takes 8 bytes by its shape, and has 4.',
    )
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(readdirSync(here)).toEqual(['a.safetensors'])
    save('a.safetensors', { x: f32(2) })
    expect(readFileSync(path).equals(before)).toBe(false)
  })

  it('takes its final name only with the last byte', () => {
    const path = join(here, 'a.safetensors')
    const writer = new SafetensorsWriter(path, [{ name: 'x', dtype: 'F32', shape: [2] }])
    writer.append(bytesOf(1))
    expect(existsSync(path)).toBe(false)
    expect(() => writer.commit()).toThrow(/needs \d+ bytes, and \d+ were appended/)
    writer.append(bytesOf(2))
    writer.commit()
    writer.abort()
    expect(openCheckpoint(path).read('x')).toEqual(bytesOf(1, 2))
  })

  it('never appears half written when its process is killed at any moment', () => {
    const path = join(here, 'a.safetensors')
    const module = new URL('../../src/formats/write-file.ts', import.meta.url).href
    const loader = new URL('../helpers/typescript-loader.mjs', import.meta.url).href
    const script = `
      import { SafetensorsWriter } from ${JSON.stringify(module)}
      const [path, pieces] = process.argv.slice(1)
      const writer = new SafetensorsWriter(path, [{ name: 'x', dtype: 'U8', shape: [64] }])
      for (let i = 0; i < 64; i++) {
        if (i === Number(pieces)) process.kill(process.pid, 'SIGKILL')
        writer.append(Uint8Array.of(i))
      }
      if (pieces === '64') process.kill(process.pid, 'SIGKILL')
      writer.commit()
      process.kill(process.pid, 'SIGKILL')`
    for (const pieces of [64, 65]) {
      const flags = ['--import', loader, '--input-type=module', '-e', script]
      const child = spawnSync(process.execPath, [...flags, path, String(pieces)])
      expect(child.signal, child.stderr.toString()).toBe('SIGKILL')
      if (pieces < 65) expect(existsSync(path)).toBe(false)
    }
    expect(openCheckpoint(path).read('x')).toEqual(Uint8Array.from({ length: 64 }, (_, i) => i))
  })

  it('needs a folder to lie in', () => {
    const error = failure(() => writeSafetensors(join(here, 'no', 'a.safetensors'), []))
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).toBe(`${join(here, 'no', 'a.safetensors')} cannot be written (ENOENT).`)
  })
})

describe('a checkpoint', () => {
  it('reads into a given buffer, and parts of a tensor', () => {
    const checkpoint = openCheckpoint(save('a.safetensors', { x: f32(1, 2, 3), y: f32(4) }))
    const target = new Uint8Array(12)
    expect(checkpoint.read('x', target)).toBe(target)
    expect(target).toEqual(bytesOf(1, 2, 3))
    const part = new Uint8Array(4)
    checkpoint.readRange('x', 8, part)
    expect(part).toEqual(bytesOf(3))
    expect(() => checkpoint.readRange('x', 9, part)).toThrow('Bytes 9..13 are outside tensor "x" of 12.')
    expect(() => checkpoint.read('x', part)).toThrow('Tensor "x" has 12 bytes, the target 4.')
    checkpoint.close()
    checkpoint.close()
  })

  it('reads into shared memory', () => {
    const checkpoint = openCheckpoint(save('a.safetensors', { x: f32(1, 2, 3) }))
    const shared = new SharedArrayBuffer(16)
    checkpoint.read('x', new Uint8Array(shared, 4, 12))
    expect([...new Float32Array(shared)]).toEqual([0, 1, 2, 3])
    checkpoint.close()
  })

  it('suggests the nearest name for a tensor it lacks', () => {
    const path = save('a.safetensors', { 'layers.0.weight': f32(1) })
    const error = failure(() => openCheckpoint(path).read('layers.0.wieght'))
    expect(error.message).toBe(`${path} has no tensor "layers.0.wieght".`)
    expect(error.hint).toBe('Did you mean "layers.0.weight"?')
  })

  it('notices that its file was changed, replaced or cut', () => {
    const path = save('a.safetensors', { x: f32(1, 2) })
    const checkpoint = openCheckpoint(path)
    checkpoint.verifyUnchanged()
    save('a.safetensors', { x: f32(3, 4) })
    expect(failure(() => checkpoint.verifyUnchanged()).message).toBe(`${path} was changed while it was read.`)
    expect(checkpoint.read('x')).toEqual(bytesOf(1, 2)) // the descriptor still has the old file

    const other = openCheckpoint(path)
    truncateSync(path, 70)
    expect(failure(() => other.read('x')).message).toMatch(
      /became shorter while it was read: it ends before byte \d+\.$/,
    )
    checkpoint.close()
    other.close()
  })
})

describe('a path that leads to no weights', () => {
  it('does not exist', () => {
    const error = failure(() => openCheckpoint(join(here, 'no.safetensors')))
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).toBe(`${join(here, 'no.safetensors')} does not exist.`)
  })

  it.each(['pytorch_model.bin', 'model.pt', 'a.pth', 'a.ckpt', 'a.pkl'])('is the pickle %s', name => {
    const path = join(here, name)
    writeFileSync(path, 'x')
    const error = failure(() => openCheckpoint(path))
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).toBe(
      `${path} holds pickled weights. Reading a pickle runs whatever code it carries, so it is not read.`,
    )
    expect(error.hint).toBe('Convert the model to safetensors first.')
  })

  it('is a folder with nothing but a pickle', () => {
    writeFileSync(join(here, 'pytorch_model.bin'), 'x')
    expect(failure(() => openCheckpoint(here)).message).toBe(
      `${here} holds pickled weights. Reading a pickle runs whatever code it carries, so it is not read.`,
    )
  })

  it('is an empty folder, or one with files of other names', () => {
    const error = failure(() => openCheckpoint(here))
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).toBe(`${here} has neither model.safetensors nor model.safetensors.index.json.`)
    expect(error.hint).toBe('Give the path of a .safetensors file, or of a folder that holds a model.')
    save('b.safetensors', {})
    save('a.safetensors', {})
    expect(failure(() => openCheckpoint(here)).hint).toBe(
      'Give the path of a file in it: "a.safetensors", "b.safetensors".',
    )
  })

  it('has an ending nobody reads', () => {
    const path = join(here, 'a.gguf')
    writeFileSync(path, 'x')
    expect(failure(() => openCheckpoint(path)).message).toMatch(
      /a\.gguf is of no known format; known are \.safetensors/,
    )
  })

  it('is a named pipe, which is refused at once instead of waited for', () => {
    const path = join(here, 'a.safetensors')
    expect(spawnSync('mkfifo', [path], { env: { PATH: '/usr/bin:/bin' } }).status).toBe(0)
    expect(failure(() => openCheckpoint(path)).message).toBe(`${path} is not a regular file.`)
  })

  it.each(HOSTILE_FILES.filter((_, i) => i % 10 === 0))('is a file that $why', ({ bytes, message }) => {
    const path = join(here, 'a.safetensors')
    writeFileSync(path, bytes)
    const error = failure(() => openCheckpoint(path))
    expect(error).toBeInstanceOf(FormatError)
    expect(error.message).toBe(message.replace('FILE', path))
  })
})

describe('a folder with shards', () => {
  const index = (map: Record<string, unknown>) =>
    writeFileSync(
      join(here, 'model.safetensors.index.json'),
      JSON.stringify({ metadata: { total_size: 1.5e3 }, weight_map: map }),
    )
  const indexPath = () => join(here, 'model.safetensors.index.json')

  it('is one checkpoint', () => {
    save('m-1.safetensors', { a: f32(1), b: f32(2) })
    save('m-2.safetensors', { c: f32(3) })
    index({ a: 'm-1.safetensors', b: 'm-1.safetensors', c: 'm-2.safetensors' })
    const checkpoint = openCheckpoint(here)
    expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b', 'c'])
    expect(checkpoint.read('c')).toEqual(bytesOf(3))
    expect(checkpoint.files).toEqual([indexPath(), join(here, 'm-1.safetensors'), join(here, 'm-2.safetensors')])
    checkpoint.close()
  })

  it('prefers model.safetensors to an index beside it', () => {
    save('model.safetensors', { a: f32(1) })
    index({ a: 'gone.safetensors' })
    expect(openCheckpoint(here).files).toEqual([join(here, 'model.safetensors')])
  })

  it.each([
    ['../../x.safetensors', '"../../x.safetensors"'],
    ['/etc/x.safetensors', '"/etc/x.safetensors"'],
    ['C:\\x.safetensors', '"C:\\\\x.safetensors"'],
    ['C:x.safetensors', '"C:x.safetensors"'],
    ['a\0.safetensors', '"a\\u0000.safetensors"'],
    ['a.bin', '"a.bin"'],
    ['..', '".."'],
    ['', '""'],
    [3, 'something else'],
  ])('may not name the shard %j', (shard, shown) => {
    index({ a: shard })
    const error = failure(() => openCheckpoint(here))
    expect(error).toBeInstanceOf(FormatError)
    expect(error.message).toBe(
      `${indexPath()}: tensor "a" must name a .safetensors file in the same folder, not ${shown}.`,
    )
  })

  it('has exactly the tensors of its index, each in the named shard', () => {
    save('m-1.safetensors', { a: f32(1) })
    save('m-2.safetensors', { b: f32(2) })
    const both = { a: 'm-1.safetensors', b: 'm-2.safetensors' }
    index({ ...both, c: 'm-1.safetensors' })
    expect(failure(() => openCheckpoint(here)).message).toBe(
      `${indexPath()} places tensor "c" in "m-1.safetensors", which does not have it.`,
    )
    save('m-2.safetensors', { b: f32(2), x: f32(1) })
    index(both)
    expect(failure(() => openCheckpoint(here)).message).toBe(
      `${indexPath()}: "m-2.safetensors" holds tensor "x", but the index does not list it.`,
    )
    save('m-2.safetensors', { b: f32(2), a: f32(1) })
    expect(failure(() => openCheckpoint(here)).message).toBe(
      `${indexPath()}: "m-2.safetensors" holds tensor "a", but the index places it in "m-1.safetensors".`,
    )
    rmSync(join(here, 'm-2.safetensors'))
    expect(failure(() => openCheckpoint(here)).message).toBe(`${join(here, 'm-2.safetensors')} does not exist.`)
  })

  it('has an index that maps names to files', () => {
    index({})
    expect(failure(() => openCheckpoint(here)).message).toBe(`${indexPath()} lists no tensors.`)
    writeFileSync(indexPath(), '{"weight_map":[]}')
    expect(failure(() => openCheckpoint(here)).message).toBe(
      `${indexPath()} needs a weight_map, an object of tensor name to file name.`,
    )
    writeFileSync(indexPath(), '{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}')
    expect(failure(() => openCheckpoint(here)).message).toMatch(/has the name "a" twice in one object/)
  })

  it('may not link out of itself, except into the blobs of a Hugging Face cache', () => {
    const elsewhere = save('elsewhere.safetensors', { a: f32(1) })
    const model = join(here, 'model')
    mkdirSync(model)
    symlinkSync(elsewhere, join(model, 'model.safetensors'))
    const error = failure(() => openCheckpoint(model))
    expect(error).toBeInstanceOf(FormatError)
    expect(error.message).toBe(
      `${join(model, 'model.safetensors')} is a link that leads out of its folder, to "${elsewhere}".`,
    )

    const snapshot = join(here, 'cache', 'snapshots', 'abc')
    mkdirSync(snapshot, { recursive: true })
    mkdirSync(join(here, 'cache', 'blobs'))
    writeFileSync(join(here, 'cache', 'blobs', 'f00'), readFileSync(elsewhere))
    symlinkSync('../../blobs/f00', join(snapshot, 'model.safetensors'))
    expect(openCheckpoint(snapshot).read('a')).toEqual(bytesOf(1))
  })
})
