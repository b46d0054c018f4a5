import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import { correspond, type Side } from '../../src/merge/correspondence.ts'
import { matchSources, sideOf } from '../../src/merge/match-sources.ts'
import { openModel } from '../../src/merge/open-model.ts'
import { RenamedCheckpoint } from '../../src/merge/renamed-checkpoint.ts'
import { gen, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
type Given = Readonly<Record<string, readonly [shape: number[], values: ArrayLike<number>]>>

const side = (id: string, tensors: Given, ordered = false): Side => ({
  id,
  ordered,
  tensors: Object.entries(tensors).map(([name, [shape]]) => ({ name, shape })),
  read: name => Float32Array.from(tensors[name]![1]),
})
const transpose = (values: ArrayLike<number>, rows: number, columns: number) =>
  Array.from({ length: values.length }, (_, e) => values[(e % rows) * columns + Math.floor(e / rows)]!)
const tuned = (values: ArrayLike<number>, seed: number) =>
  Array.from(values, (v, i) => v + gen(seed, values.length)[i]! / 50)
const [A, B, C] = [gen(1, 12), gen(2, 12), gen(3, 12)]
const found = (a: Side, b: Side) => Object.fromEntries(correspond(a, b))

describe('tensors of two models', () => {
  it('are the same by name, whatever their order, and by name but for what stands before it', () => {
    const a = side('a', { 'q.weight': [[3, 4], A], 'k.weight': [[3, 4], B] })
    expect(found(a, side('b', { 'k.weight': [[3, 4], C], 'q.weight': [[3, 4], C] }))).toEqual({
      'q.weight': { name: 'q.weight', transposed: false, by: 'name' },
      'k.weight': { name: 'k.weight', transposed: false, by: 'name' },
    })
    expect(found(a, side('b', { 'model.k.weight': [[3, 4], C], 'model.q.weight': [[3, 4], C] }))).toMatchObject({
      'q.weight': { name: 'model.q.weight', by: 'name' },
      'k.weight': { name: 'model.k.weight', by: 'name' },
    })
  })

  it('are the same by position in two graphs', () => {
    const a = side('a', { w1: [[3, 4], A], 'onnx::MatMul_7': [[4, 3], B] }, true)
    const b = side('b', { w1: [[3, 4], C], 'onnx::MatMul_9': [[4, 3], C] }, true)
    expect(found(a, b)).toMatchObject({ 'onnx::MatMul_7': { name: 'onnx::MatMul_9', by: 'position' } })
  })

  it('are the same by values, equal or tuned, also transposed', () => {
    const graph = side('graph', { m1: [[4, 3], transpose(A, 3, 4)], m2: [[3, 4], B], m3: [[3, 4], C] }, true)
    const weights = side('weights', { c: [[3, 4], tuned(C, 9)], a: [[3, 4], tuned(A, 8)], b: [[3, 4], B] })
    expect(found(graph, weights)).toEqual({
      m1: { name: 'a', transposed: true, by: 'values' },
      m2: { name: 'b', transposed: false, by: 'values' },
      m3: { name: 'c', transposed: false, by: 'values' },
    })
  })

  it('may be stored once on one side and twice on the other', () => {
    const twice = side('twice', { embed: [[3, 4], A], head: [[4, 3], transpose(A, 3, 4)] })
    const once = side('once', { embed: [[3, 4], B] })
    expect(found(twice, once)).toEqual({
      embed: { name: 'embed', transposed: false, by: 'name' },
      head: { name: 'embed', transposed: true, by: 'tied' },
    })
    expect(found(once, twice)).toEqual({ embed: { name: 'embed', transposed: false, by: 'name' } })
  })

  it('are not guessed: what is left is listed on both sides', () => {
    const a = side('a', { x: [[3, 4], A], y: [[3, 4], B] })
    const b = side('b', { p: [[3, 4], C], q: [[3, 4], gen(4, 12)] })
    expect(() => found(a, b)).toThrow('left of "a" "x" [3, 4], "y" [3, 4]; left of "b" "p" [3, 4], "q" [3, 4]')
    const twins = side('a', {
      x: [
        [2, 2],
        [1, 1, 1, 1],
      ],
      y: [
        [2, 2],
        [1, 1, 1, 1],
      ],
    })
    expect(() =>
      found(
        twins,
        side('b', {
          p: [
            [2, 2],
            [1, 1, 1, 1],
          ],
          q: [
            [2, 2],
            [1, 1, 1, 1],
          ],
        }),
      ),
    ).toThrow('left of')
  })

  it('say so where a vocabulary was extended', () => {
    const a = side('a', { 'embed.weight': [[3, 4], A] })
    const b = side('b', { 'embed.weight': [[4, 4], gen(5, 16)] })
    expect(() => found(a, b)).toThrow('"embed.weight" is [3, 4] in "a" and [4, 4] in "b"')
  })
})

describe('sources of other names', () => {
  it('read as the reference names and orients them', () => {
    const folder = newFolder()
    const save = (name: string, tensors: Parameters<typeof writeSafetensors>[1]) => {
      const path = join(folder, `${name}.safetensors`)
      writeSafetensors(path, tensors)
      return { id: name, checkpoint: openModel(path) }
    }
    const a = save('a', [
      ['m', tensor(transpose(A, 3, 4), [4, 3])],
      ['n', tensor(B, [3, 4])],
    ])
    const b = save('b', [
      ['q', tensor(B, [3, 4])],
      ['p', tensor(A, [3, 4], 'F32')],
    ])
    const matches = correspond(sideOf(a), sideOf(b))
    const checkpoint = new RenamedCheckpoint(b.checkpoint, matches, [], a.checkpoint, [])
    expect([...checkpoint.tensors].map(([name, { shape }]) => [name, shape])).toEqual([
      ['m', [4, 3]],
      ['n', [3, 4]],
    ])
    const whole = checkpoint.read('m')
    expect(whole).toEqual(a.checkpoint.read('m'))
    const part = new Uint8Array(20)
    checkpoint.readRange('m', 8, part)
    expect(part).toEqual(whole.slice(8, 28))
    expect(checkpoint.placeOf('m')).toBeUndefined()
    a.checkpoint.close()
    checkpoint.close()
  })

  it('are matched by names alone where neither is a graph, and left to the complaint by name otherwise', () => {
    const folder = newFolder()
    const save = (name: string, tensors: Parameters<typeof writeSafetensors>[1]) => {
      const path = join(folder, `${name}.safetensors`)
      writeSafetensors(path, tensors)
      return { id: name, checkpoint: openModel(path) }
    }
    const a = save('a', [['m.weight', tensor(A, [3, 4])]])
    const prefixed = save('b', [['model.m.weight', tensor(B, [3, 4])]])
    const other = save('c', [['x', tensor(A, [3, 4])]])
    const [, renamed, left] = matchSources([a, prefixed, other])
    expect([...renamed!.checkpoint.tensors.keys()]).toEqual(['m.weight'])
    expect(left).toBe(other)
    for (const { checkpoint } of [a, prefixed, other]) checkpoint.close()
  })
})
