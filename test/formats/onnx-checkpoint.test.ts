import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildOnnxModel } from '../../src/formats/onnx-build.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { thrownBy } from '../helpers/thrown.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-onnx-checkpoint-'))
})
afterAll(() => rm(folder, { recursive: true }))

const W = Float32Array.of(1, -2, 3, 4, 5, 6)
const floats = (bytes: Uint8Array): number[] => [...new Float32Array(new Uint8Array(bytes).buffer)]

describe('an .onnx file as a checkpoint', () => {
  it('offers its float initializers, whole or in part, and leaves integers out', async () => {
    const path = join(folder, 'a.onnx')
    const initializers = [
      { name: 'w', shape: [3, 2], data: W },
      { name: 'shape', shape: [1], data: BigInt64Array.of(7n) },
      { name: 'wide', shape: [1], data: Float64Array.of(0.1) },
    ]
    await writeFile(path, buildOnnxModel({ inputs: [], outputs: [], nodes: [], initializers }))
    const checkpoint = openCheckpoint(path)
    expect([...checkpoint.tensors.values()]).toEqual([
      { name: 'w', dtype: 'F32', shape: [3, 2], byteLength: 24 },
      { name: 'wide', dtype: 'F64', shape: [1], byteLength: 8 },
    ])
    expect(checkpoint.files).toEqual([path])
    expect(floats(checkpoint.read('w'))).toEqual([...W])
    const part = new Uint8Array(8)
    checkpoint.readRange('w', 4, part)
    expect(floats(part)).toEqual([-2, 3])
    checkpoint.verifyUnchanged()
    checkpoint.close()
  })

  it('offers tensors whose values are not in one piece', async () => {
    const path = join(folder, 'scattered.onnx')
    const writer = new BinaryWriter().tag(1, WireType.Varint).int64(8)
    writer.tag(7, WireType.LengthDelimited).fork() // graph
    writer.tag(5, WireType.LengthDelimited).fork() // initializer
    writer
      .tag(8, WireType.LengthDelimited)
      .string('w')
      .tag(1, WireType.Varint)
      .int64(2)
      .tag(2, WireType.Varint)
      .int32(1)
    writer.tag(4, WireType.Bit32).float(5).tag(4, WireType.Bit32).float(6)
    await writeFile(path, writer.join().join().finish())
    const checkpoint = openCheckpoint(path)
    expect(floats(checkpoint.read('w'))).toEqual([5, 6])
    checkpoint.close()
  })

  it('is refused when it is no model', async () => {
    const path = join(folder, 'no.onnx')
    await writeFile(path, '')
    expect(thrownBy(() => openCheckpoint(path))).toBe(`FormatError: ${path} is no ONNX model: it has no graph.`)
  })
})
