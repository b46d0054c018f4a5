import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { type TensorSpec, tensorBytes } from '../../src/formats/safetensors.ts'
import { ShardedWriter } from '../../src/formats/shards.ts'

const root = mkdtempSync(join(tmpdir(), 'amalgam-shards-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let count = 0
const newFolder = () => {
  const folder = join(root, String(count++))
  mkdirSync(folder)
  return folder
}

const content = (spec: TensorSpec, seed: number) =>
  Uint8Array.from({ length: tensorBytes(spec) }, (_, i) => (i * 31 + seed * 7) & 0xff)

const filesOf = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map(name => [name, readFileSync(join(folder, name)).toString('hex')]))

describe('shards whose bytes are written into reserved room, in any order', () => {
  it('are the files that appending gives, for any sizes and limits, with any of the tensors appended', () => {
    const shape = fc.record({ size: fc.integer({ min: 0, max: 40 }), append: fc.boolean() })
    fc.assert(
      fc.property(fc.array(shape, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 80 }), (sizes, limit) => {
        const specs = sizes.map(({ size }, i): TensorSpec => ({ name: `t${i}`, dtype: 'U8', shape: [size] }))
        const [appended, reserved] = [newFolder(), newFolder()]
        const plain = new ShardedWriter(appended, specs, new Map(), limit)
        for (const [i, spec] of plain.entries.entries()) plain.append(content(spec, i))
        plain.commit()

        const placed = new ShardedWriter(reserved, specs, new Map(), limit)
        const writes: (() => void)[] = []
        for (const [i, spec] of placed.entries.entries()) {
          const bytes = content(spec, i)
          if (sizes[Number(spec.name.slice(1))]!.append) placed.append(bytes)
          else if (bytes.length > 0) {
            const { descriptor, begin } = placed.reserve(bytes.length)
            writes.push(() => writeSync(descriptor, bytes, 0, bytes.length, begin))
          }
          if (i % 3 === 2) {
            for (const write of writes.reverse()) write()
            writes.length = 0
            placed.settle()
            expect(placed.openFiles).toBeLessThanOrEqual(1)
          }
        }
        for (const write of writes.reverse()) write()
        placed.commit()
        expect(filesOf(reserved)).toEqual(filesOf(appended))
        openCheckpoint(reserved).close()
      }),
      { numRuns: 25, seed: 3 },
    )
  })

  it('leave nothing behind when they are given up', () => {
    const folder = newFolder()
    const specs = ['a', 'b', 'c'].map((name): TensorSpec => ({ name, dtype: 'U8', shape: [4] }))
    const writer = new ShardedWriter(folder, specs, new Map(), 4)
    for (let i = 0; i < 3; i++) writer.reserve(4)
    expect(writer.openFiles).toBe(3)
    writer.abort()
    expect(readdirSync(folder)).toEqual([])
  })

  it('refuse more than the shard has left', () => {
    const writer = new ShardedWriter(newFolder(), [{ name: 'a', dtype: 'U8', shape: [4] }], new Map())
    expect(() => writer.reserve(5)).toThrow('5 bytes do not fit into the 4 left of a shard.')
    writer.abort()
  })
})
