import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../src/errors.ts'
import { parseOnnxModel } from '../../src/formats/onnx.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { openOnnxTemplate } from '../../src/formats/open-onnx.ts'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import { OnnxWriter } from '../../src/formats/write-onnx.ts'
import { createMerger } from '../../src/merge/merge.ts'
import type { SourceReference } from '../../src/merge/model.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import { mergeToFiles } from '../../src/merge/write-model.ts'
import { mlpGraph, randomModel } from '../evaluation/onnx-fixture.ts'
import {
  all,
  bytes,
  encode,
  external,
  field,
  floats,
  graph,
  IR,
  initializer,
  int,
  text,
} from '../formats/onnx-fields.ts'
import { linearRecipe, rejection, taskArithmeticRecipe, temporaryFolders } from './fixture.ts'

const newFolder = temporaryFolders()
const WIDTHS = [40, 30, 3]

function models(): { readonly folder: string; readonly references: readonly SourceReference[] } {
  const folder = newFolder()
  const references = ['base', 'a'].map((id, i): SourceReference => {
    const path = join(folder, `${id}.onnx`)
    const shape = { name: 'shape', shape: [2], data: BigInt64Array.of(-1n, 3n) }
    writeFileSync(path, mlpGraph(randomModel(i + 1, WIDTHS), WIDTHS, { extra: [shape] }))
    return { id, path }
  })
  return { folder, references }
}

const recipe = taskArithmeticRecipe('base', { a: 0.3 })

async function logits(path: string): Promise<Float32Array> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node')
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 })
  const x = new Tensor(
    'float32',
    Float32Array.from({ length: 40 }, (_, i) => i / 10 - 2),
    [1, 40],
  )
  const { data } = (await session.run({ pixels: x })).logits!
  await session.release()
  return data as Float32Array
}

describe('a merge that is written as ONNX', () => {
  it.each([
    ['one file', undefined],
    ['a graph and its weights', 0],
  ])('as %s: has the graph of the base, the merged weights, and runs', async (_, singleFileBytes) => {
    const { folder, references } = models()
    const out = join(folder, 'out.onnx')
    const { files, bytes: written } = await mergeToFiles(
      recipe,
      references,
      out,
      singleFileBytes === undefined ? {} : { singleFileBytes },
    )
    const names = singleFileBytes === undefined ? ['out.onnx'] : ['out.onnx', 'out.onnx.data']
    expect(files.map(file => basename(file))).toEqual(names)
    expect(written).toBe(files.reduce((sum, file) => sum + statSync(file).size, 0))
    expect(readdirSync(folder).sort()).toEqual(['a.onnx', 'base.onnx', ...names])

    const scored = createMerger(loadSharedSources(references), 0).merge(recipe)
    const checkpoint = openCheckpoint(out)
    for (const [name, { data, shape }] of scored.tensors) {
      expect(checkpoint.tensors.get(name)!.shape).toEqual(shape)
      expect(Buffer.compare(checkpoint.read(name), new Uint8Array(data.slice().buffer)), name).toBe(0)
    }
    checkpoint.close()

    const byHand = join(folder, 'by-hand.onnx')
    const shape = { name: 'shape', shape: [2], data: BigInt64Array.of(-1n, 3n) }
    writeFileSync(byHand, mlpGraph(scored, WIDTHS, { extra: [shape] }))
    expect(await logits(out)).toEqual(await logits(byHand))
    if (singleFileBytes === undefined) expect(readFileSync(out).equals(readFileSync(byHand))).toBe(true)
  })

  it('takes the graph of the first ONNX source where the base has none, and needs one', async () => {
    const { folder, references } = models()
    const onnx = openCheckpoint(references[0]!.path)
    const plain = join(folder, 'plain.safetensors')
    writeSafetensors(
      plain,
      [...onnx.tensors.values()].map(({ name, dtype, shape }) => [name, { dtype, shape, data: onnx.read(name) }]),
    )
    onnx.close()
    const mixed = [{ id: 'base', path: plain }, references[1]!]
    const out = join(folder, 'out.onnx')
    await mergeToFiles(recipe, mixed, out)
    const direct = join(folder, 'direct.onnx')
    await mergeToFiles(recipe, references, direct)
    expect(readFileSync(out).equals(readFileSync(direct))).toBe(true)
  })

  it('keeps what its graph says besides, in any field, and integers that lie outside', async () => {
    const folder = newFolder()
    const path = join(folder, 'm.onnx')
    writeFileSync(join(folder, 'ints'), new Uint8Array(BigInt64Array.from({ length: 200 }, (_, i) => BigInt(i)).buffer))
    writeFileSync(join(folder, 'w'), floats(1, 2))
    const file = encode(
      IR,
      text(2, 'producer'),
      graph(
        text(10, 'words about the graph'),
        external('ids', [200], { location: 'ints' }, 7),
        initializer(
          text(8, 'halves'),
          int(1, 2),
          int(2, 10),
          text(12, 'words about it'),
          int(5, 0x3c00),
          int(5, 0xc000),
        ),
        external('w', [2], { location: 'w', offset: '0' }),
        initializer(text(8, 'none'), int(1, 0), int(2, 1)),
        initializer(text(8, 'n'), int(1, 1), int(2, 7), bytes(9, new Uint8Array(8))),
        field(99, all(text(1, 'unknown'))),
      ),
      text(1000, 'later'),
    )
    writeFileSync(path, file)
    for (const singleFileBytes of [2 ** 31 - 1, 0]) {
      const out = join(folder, `out-${singleFileBytes}.onnx`)
      const { files } = await mergeToFiles(linearRecipe({ m: 2 }, { normalize: false }), [{ id: 'm', path }], out, {
        singleFileBytes,
      })
      expect(files).toHaveLength(singleFileBytes === 0 ? 2 : 1)
      const whole = readFileSync(out)
      for (const words of ['producer', 'words about the graph', 'words about it', 'unknown', 'later'])
        expect(whole.includes(words), words).toBe(true)
      const template = openOnnxTemplate(out)
      expect([...template.model.initializers.keys()]).toEqual(['ids', 'halves', 'w', 'none', 'n'])
      expect(template.external.has('ids')).toBe(singleFileBytes === 0)
      expect(template.external.has('w')).toBe(false) // small
      template.close()
      const checkpoint = openCheckpoint(out)
      expect([...checkpoint.read('w')]).toEqual([...floats(2, 4)])
      expect([...checkpoint.read('halves')]).toEqual([0x00, 0x40, 0x00, 0xc4])
      checkpoint.close()
    }
    const first = readFileSync(join(folder, 'out-0.onnx'))
    expect(parseOnnxModel(first, 'x').initializers.get('ids')!.external).toEqual({
      location: ['out-0.onnx.data'],
      offset: 0,
      length: 1600,
    })
    expect(readFileSync(join(folder, 'out-0.onnx.data')).equals(readFileSync(join(folder, 'ints')))).toBe(true)
  })

  it('replaces an older graph, but neither a source nor weights that another graph may need', async () => {
    const { folder, references } = models()
    const out = join(folder, 'out.onnx')
    await mergeToFiles(recipe, references, out)
    await mergeToFiles(recipe, references, out, { singleFileBytes: 0 })
    const error = await rejection(mergeToFiles(recipe, references, out, { singleFileBytes: 0 }))
    expect(error).toBeInstanceOf(ConfigError)
    expect(error.message).toBe(`${out}.data exists, and may belong to another model.`)
    expect((await rejection(mergeToFiles(recipe, references, references[1]!.path))).message).toBe(
      `${references[1]!.path} is a file of the source "a", and would be overwritten.`,
    )
    expect(readdirSync(folder).sort()).toEqual(['a.onnx', 'base.onnx', 'out.onnx', 'out.onnx.data'])
  })

  it('leaves nothing behind when it fails in the middle', async () => {
    const { folder, references } = models()
    const path = join(folder, 'bad.onnx')
    const bad = randomModel(9, WIDTHS)
    bad.tensors.get('layers.1.weight')!.data[5] = Number.NaN
    writeFileSync(path, mlpGraph(bad, WIDTHS))
    for (const singleFileBytes of [2 ** 31 - 1, 0]) {
      const error = await rejection(
        mergeToFiles(
          linearRecipe({ base: 1, bad: 1 }),
          [references[0]!, { id: 'bad', path }],
          join(folder, 'out.onnx'),
          {
            singleFileBytes,
          },
        ),
      )
      expect(error.message).toMatch(/tensor "layers.1.weight"; the first is NaN, element 5/)
      expect(readdirSync(folder).sort()).toEqual(['a.onnx', 'bad.onnx', 'base.onnx'])
    }
  })
})

describe('OnnxWriter', () => {
  it('reserves room for whole tensors, where they do not stay in memory', () => {
    const { folder, references } = models()
    const template = openOnnxTemplate(references[0]!.path)
    const writer = new OnnxWriter(join(folder, 'out.onnx'), template, { singleFileBytes: 0 })
    expect(writer.entries.map(({ name }) => name)).toEqual([
      'layers.0.weight',
      'layers.0.bias',
      'layers.1.weight',
      'layers.1.bias',
    ])
    expect(() => writer.reserve(4)).toThrow('4 bytes are not those of the next initializer, 4800.')
    expect(writer.reserve(4800)).toMatchObject({ begin: 0, path: join(folder, 'out.onnx.data') })
    expect(writer.reserve(120)).toMatchObject({ path: join(folder, 'out.onnx') }) // small: it stays in the graph
    expect(() => writer.commit()).toThrow('2 initializers of')
    writer.append(new Uint8Array(360 + 12))
    expect(() => writer.append(new Uint8Array(1))).toThrow('More bytes were appended than the initializers have.')
    writer.abort()
    expect(existsSync(join(folder, 'out.onnx.data'))).toBe(false)
    template.close()
  })
})
