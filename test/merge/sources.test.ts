import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError, MergeError } from '../../src/errors.ts'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import { layOutBanks, SCRATCH_BYTES } from '../../src/merge/layout.ts'
import { digestFiles, inspectSources, loadSharedSources } from '../../src/merge/sources.ts'
import { failure, type Model, rejection, saveModels, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
const integers = (...values: number[]) =>
  ({
    dtype: 'I64',
    shape: [values.length],
    data: new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer),
  }) as const

function complaint(models: Readonly<Record<string, Model>>): readonly unknown[] {
  const references = saveModels(newFolder(), models)
  const error = failure(() => inspectSources(references))
  expect(() => loadSharedSources(references)).toThrow(error.message)
  return [error.constructor, error.message, error.hint]
}

describe('sources that fit together', () => {
  it('are described from their headers', () => {
    const model = { 'a.w': tensor([1, 2, 3, 4, 5, 6], [2, 3], 'BF16'), ids: integers(1, 2), s: tensor([1], []) }
    const references = saveModels(newFolder(), { x: model, y: model })
    const inspection = inspectSources(references)
    expect(inspection.sources).toEqual(references.map(({ id, path }) => ({ id, path, files: [path], bytes: 32 })))
    expect(inspection.parameters).toBe(7)
    expect(inspection.weights).toEqual([
      { name: 's', dtype: 'F32', shape: [], elements: 1 },
      { name: 'a.w', dtype: 'BF16', shape: [2, 3], elements: 6 },
    ])
    expect(inspection.others).toEqual([{ name: 'ids', dtype: 'I64', shape: [2] }])
  })
})

describe('sources that do not fit together', () => {
  it('lack tensors of each other: both sides are listed, and the nearest name is offered', () => {
    expect(
      complaint({ x: { 'w.0': tensor([1]), both: tensor([1]) }, y: { 'w.1': tensor([1]), both: tensor([1]) } }),
    ).toEqual([
      MergeError,
      'Sources "x" and "y" must have the same tensors: only "x" has "w.0"; only "y" has "w.1".',
      'Is "w.1" in "y" what "x" calls "w.0"?',
    ])
  })

  it('are listed briefly however many tensors are missing', () => {
    const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`layer${i}`, tensor([1])]))
    expect(complaint({ x: { w: tensor([1]) }, y: { ...many, w: tensor([1]) } })).toEqual([
      MergeError,
      'Sources "x" and "y" must have the same tensors: only "y" has "layer0", "layer1", "layer2", "layer3", "layer4" and 4 more.',
      'Sources must be fine-tuned from the same model and saved in the same way.',
    ])
  })

  it('differ in a shape', () => {
    expect(complaint({ x: { w: tensor([1, 2], [1, 2]) }, y: { w: tensor([1, 2], [2, 1]) } })).toEqual([
      MergeError,
      'Sources must agree in the shape of every tensor: "w" is [1, 2] in "x" and [2, 1] in "y".',
      'Sources must be fine-tuned from the same model; vocabularies that were extended differ in shape.',
    ])
  })

  it('differ in a dtype', () => {
    expect(
      complaint({ x: { v: tensor([1]), w: tensor([1]) }, y: { v: tensor([1]), w: tensor([1], [1], 'BF16') } }),
    ).toEqual([
      MergeError,
      'Sources must agree in the dtype of every tensor: "w" is F32 in "x" and BF16 in "y".',
      'Convert the sources to one dtype first.',
    ])
  })

  it('are compared with the first one, each of them', () => {
    const w = { w: tensor([1]) }
    expect(complaint({ x: w, y: w, z: { v: tensor([1]) } })[1]).toBe(
      'Sources "x" and "z" must have the same tensors: only "x" has "w"; only "z" has "v".',
    )
  })

  it('hold 8-bit floats with scales of their own', () => {
    const scaled = {
      'a.weight': { dtype: 'F8_E4M3', shape: [2], data: new Uint8Array(2) },
      'a.weight_scale_inv': tensor([1]),
    } as const
    expect(complaint({ x: scaled })).toEqual([
      MergeError,
      'Tensor "a.weight" is F8_E4M3 and means something only times the scale "a.weight_scale_inv".',
      'Convert the sources to BF16, F16 or F32 first, their scales multiplied in.',
    ])
  })

  it('are none, or two of one id', () => {
    const [reference] = saveModels(newFolder(), { x: {} })
    expect(failure(() => inspectSources([])).message).toBe('A merge needs at least one source.')
    const error = failure(() => inspectSources([reference!, reference!]))
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).toBe('Two sources have the id "x".')
  })
})

describe('loaded sources', () => {
  it.each(['F64', 'F32', 'F16', 'BF16'] as const)('hold %s weights as float32', dtype => {
    const values = [1, -2.5, 0.15625, 96, 0]
    const shared = loadSharedSources(saveModels(newFolder(), { x: { w: tensor(values, [5], dtype) } }))
    const { stretches } = shared.tensors[0]!
    const [{ bank, addresses, elements }] = stretches as [(typeof stretches)[number]]
    expect([...new Float32Array(shared.banks[bank]!.buffer, addresses[0]!, elements)]).toEqual(values)
  })

  it('refuse a NaN and an infinity with source and tensor', () => {
    for (const [bad, dtype] of [
      [Number.NaN, 'F32'],
      [Number.NEGATIVE_INFINITY, 'BF16'],
      [Number.NaN, 'F16'],
    ] as const) {
      const values = Array.from({ length: 70_000 }, () => 0.5)
      values[69_999] = bad
      const [x, y] = saveModels(newFolder(), {
        x: {
          w: tensor([1], [1], dtype),
          v: tensor(
            values.map(() => 1),
            [70_000],
            dtype,
          ),
        },
        y: { w: tensor([1], [1], dtype), v: tensor(values, [70_000], dtype) },
      })
      const error = failure(() => loadSharedSources([x!, y!]))
      expect(error).toBeInstanceOf(MergeError)
      expect(error.message).toBe(
        `Source "y" (${y!.path}) has a value that is NaN or infinite as float32 in tensor "v"; the first is ${bad}, element 69999.`,
      )
    }
  })

  it('refuse a float64 that float32 cannot hold', () => {
    const path = join(newFolder(), 'x.safetensors')
    writeSafetensors(path, [['w', { dtype: 'F64', shape: [1], data: new Uint8Array(Float64Array.of(1e300).buffer) }]])
    expect(() => loadSharedSources([{ id: 'x', path }])).toThrow(
      /has a value that is NaN or infinite as float32 in tensor "w"; the first is Infinity, element 0\.$/,
    )
  })

  it('keep integers aside, once, and only if all sources agree', () => {
    const equal = loadSharedSources(saveModels(newFolder(), { x: { ids: integers(1, 2) }, y: { ids: integers(1, 2) } }))
    expect(equal.tensors).toEqual([])
    expect(equal.others).toHaveLength(1)
    expect([...new BigInt64Array(equal.others[0]!.data.buffer)]).toEqual([1n, 2n])

    const references = saveModels(newFolder(), { x: { ids: integers(1, 2) }, y: { ids: integers(1, 3) } })
    expect(failure(() => loadSharedSources(references)).message).toBe(
      'Tensor "ids" of dtype I64 differs between "x" and "y"; only floats are merged, the rest must be equal.',
    )
  })

  it('know which sources have the very same bits in a tensor', () => {
    const [zero, minusZero] = [tensor([0, 1]), tensor([-0, 1])]
    const shared = loadSharedSources(
      saveModels(newFolder(), { a: { w: zero }, b: { w: minusZero }, c: { w: zero }, d: { w: minusZero } }),
    )
    expect(shared.tensors[0]!.twinOf).toEqual([0, 1, 0, 1])
  })
})

describe('the layout of banks', () => {
  const weight = (name: string, elements: number) => ({ name, dtype: 'F32', shape: [elements], elements }) as const

  it('puts the same stretch of all sources into one bank, aligned and apart', () => {
    const sizes = [1, 16, 17, 1000, 0, 333]
    const bankBytes = 2 * SCRATCH_BYTES + 3 * 64 * 20
    const layout = layOutBanks(
      sizes.map((elements, i) => weight(`t${i}`, elements)),
      3,
      2,
      bankBytes,
    )
    expect(layout.banks.length).toBeGreaterThan(3)
    const used: [bank: number, begin: number, end: number][] = []
    layout.stretches.forEach((stretches, t) => {
      expect(stretches.reduce((sum, { elements }) => sum + elements, 0)).toBe(sizes[t])
      for (const [s, { bank, elements, addresses }] of stretches.entries()) {
        expect(addresses).toHaveLength(3)
        if (s < stretches.length - 1) expect(elements % 16).toBe(0)
        for (const address of addresses) {
          expect(address % 64).toBe(0)
          expect(address).toBeGreaterThanOrEqual(2 * SCRATCH_BYTES)
          used.push([bank, address, address + Math.ceil(elements / 16) * 64])
        }
      }
    })
    used.sort((a, b) => a[0] - b[0] || a[1] - b[1])
    for (const [i, [bank, , end]] of used.entries()) {
      expect(end).toBeLessThanOrEqual(bankBytes)
      const next = used[i + 1]
      if (next?.[0] === bank) expect(next[1]).toBeGreaterThanOrEqual(end)
    }
  })

  it('reaches beyond 4 GiB with several banks, none of them larger', () => {
    const layout = layOutBanks([weight('big', 3e9), weight('small', 10)], 2, 256)
    expect(layout.stretches[0]!.length).toBe(12) // half of each bank is for what is prepared
    for (const bytes of layout.banks) expect(bytes).toBeLessThan(2 ** 32)
    expect(layout.banks.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(2 * 4 * 3e9)
  })
})

describe('digests', () => {
  it('are the SHA-256 of each file, in order', async () => {
    const folder = newFolder()
    const paths = ['a', 'b'].map(name => join(folder, name))
    writeFileSync(paths[0]!, 'abc')
    writeFileSync(paths[1]!, new Uint8Array(3 << 20).fill(7))
    const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
    expect(await digestFiles(paths)).toEqual([
      { path: paths[0], bytes: 3, sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' },
      { path: paths[1], bytes: 3 << 20, sha256: sha256(paths[1]!) },
    ])
  })

  it('of a file that is gone say so', async () => {
    const path = join(newFolder(), 'gone')
    expect((await rejection(digestFiles([path]))).message).toBe(`${path} cannot be read (ENOENT).`)
  })
})
