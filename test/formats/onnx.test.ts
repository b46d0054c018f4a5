import { WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AmalgamError } from '../../src/errors.ts'
import { parseOnnxModel } from '../../src/formats/onnx.ts'
import { buildOnnxModel } from '../../src/formats/onnx-build.ts'
import { makePatchable, promoteInitializers } from '../../src/formats/onnx-rewrite.ts'
import { gatherElements, type OnnxWeight, onnxWeights } from '../../src/formats/onnx-weights.ts'
import { thrownBy } from '../helpers/thrown.ts'
import {
  all,
  type Body,
  bytes,
  encode,
  field,
  floats,
  graph,
  IR,
  initializer,
  int,
  model,
  text,
} from './onnx-fields.ts'

const SMALL = buildOnnxModel({
  inputs: [{ name: 'x', shape: ['batch', 2] }],
  outputs: [{ name: 'y', shape: ['batch', 3] }],
  nodes: [{ op: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['y'], attributes: { transB: { int: 1 } } }],
  initializers: [
    { name: 'w', shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
    { name: 'b', shape: [3], data: Float32Array.of(0.5, -0.5, 0.25) },
    { name: 'n', shape: [1], data: BigInt64Array.of(7n) },
  ],
})

/** The float initializers with their bytes. */
function readOnnxInitializers(
  file: Uint8Array,
  name: string,
): ReadonlyMap<string, Pick<OnnxWeight, 'dtype' | 'shape'> & { readonly data: Uint8Array }> {
  return new Map(
    [...onnxWeights(parseOnnxModel(file, name)).values()].map(weight => {
      const { place, dtype, shape } = weight
      if (place.kind === 'external') throw new Error('external')
      const data =
        place.kind === 'inside'
          ? file.slice(place.range.start, place.range.end)
          : gatherElements(file, place.tensor, dtype, name)
      return [weight.name, { dtype, shape, data }]
    }),
  )
}

function weightValues(file: Uint8Array, name: string): number[] {
  const { data } = readOnnxInitializers(file, 'm.onnx').get(name)!
  return [...new Float32Array(new Uint8Array(data).buffer)]
}

describe('parseOnnxModel', () => {
  it('finds inputs, outputs and initializers, and where their bytes lie', () => {
    const { irVersion, inputs, outputs, initializers } = parseOnnxModel(SMALL, 'm.onnx')
    expect(irVersion).toBe(8)
    expect(inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['batch', 2] }])
    expect(outputs).toEqual([{ name: 'y', dtype: 'float32', shape: ['batch', 3] }])
    expect([...initializers.values()].map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['w', 'float32', [3, 2]],
      ['b', 'float32', [3]],
      ['n', 'int64', [1]],
    ])
    const { start, end } = initializers.get('b')!.values!
    expect(SMALL.subarray(start, end)).toEqual(floats(0.5, -0.5, 0.25))
  })

  const raw = (...parts: readonly Body[]): Uint8Array => model(initializer(text(8, 'w'), ...parts))
  const refused: readonly (readonly [what: string, file: Uint8Array, message: string])[] = [
    ['an empty file', new Uint8Array(0), 'm.onnx is no ONNX model: it has no graph.'],
    ['a graph without a version', encode(graph()), 'm.onnx is no ONNX model: it has no IR version.'],
    ['two graphs', encode(IR, graph(), graph()), 'm.onnx has two graphs; a model has one.'],
    [
      'a field that passes the end',
      Uint8Array.of(8, 8, 0x3a, 100, 0),
      'm.onnx is damaged at byte 2: a field of 100 bytes passes its end.',
    ],
    [
      'a graph that is no message',
      encode(IR, int(7, 1)),
      'm.onnx is damaged at byte 2: field 7 must have wire type 2, not 0.',
    ],
    ['a nameless initializer', model(initializer(int(2, 1))), 'm.onnx has an initializer without a name at byte 4.'],
    [
      'two initializers of one name',
      model(initializer(text(8, 'w'), int(1, 0), int(2, 1)), initializer(text(8, 'w'), int(1, 0), int(2, 1))),
      'm.onnx has two initializers named "w".',
    ],
    [
      'fewer bytes than the shape needs',
      raw(int(1, 3), int(2, 1), bytes(9, floats(1, 2))),
      'm.onnx: initializer "w" needs 12 bytes for 3 float32 elements, got 8.',
    ],
    [
      'values given twice',
      raw(int(1, 1), int(2, 1), bytes(9, floats(1)), bytes(4, floats(1))),
      'm.onnx: initializer "w" has its values more than once.',
    ],
    ['a negative dimension', raw(int(1, -1), int(2, 1)), 'm.onnx: initializer "w" has the negative dimension -1.'],
    [
      'a product of dimensions beyond any file',
      raw(int(1, 2 ** 31), int(1, 2 ** 31), int(2, 1)),
      'm.onnx: initializer "w" has the shape [2147483648, 2147483648], more elements than a file can hold.',
    ],
    [
      'a dimension beyond 2^53',
      raw(writer => writer.tag(1, WireType.Varint).int64('9223372036854775807')),
      'm.onnx: initializer "w" has the integer "9223372036854776000" in field 1: beyond 2^53.',
    ],
    [
      'seventeen dimensions',
      raw(...Array.from({ length: 17 }, () => int(1, 1))),
      'm.onnx: initializer "w" has more than 16 entries in field 1.',
    ],
    [
      'a name of two kilobytes',
      model(initializer(text(8, 'w'.repeat(2048)))),
      'm.onnx has a name of 2048 bytes; at most 1024 are read.',
    ],
    [
      'a shape that its typed values cannot fill',
      raw(int(1, 127), int(2, 10), bytes(5, new Uint8Array(40))),
      'm.onnx: initializer "w" needs 254 bytes for 127 float16 elements, got 40.',
    ],
    ['segments', raw(field(3, int(1, 0))), 'm.onnx: initializer "w" is stored in segments, which are not supported.'],
    ['sparse initializers', model(field(15, int(1, 0))), 'm.onnx has sparse initializers, which are not supported.'],
    [
      'a constant of a node in another file',
      model(field(1, field(5, field(5, field(13, text(1, 'location')))))),
      'm.onnx: a constant inside a node keeps its values in another file (external data), which is not supported.',
    ],
    [
      'an initializer of a subgraph in another file',
      model(field(1, field(5, field(6, field(5, int(14, 1)))))),
      'm.onnx: a constant inside a node keeps its values in another file (external data), which is not supported.',
    ],
    [
      'a constant of a function in another file',
      encode(IR, graph(), field(25, field(7, field(5, field(5, int(14, 1)))))),
      'm.onnx: a constant inside a node keeps its values in another file (external data), which is not supported.',
    ],
  ]
  it.each(refused)('refuses %s', (_, file, message) => {
    expect(thrownBy(() => parseOnnxModel(file, 'm.onnx'))).toBe(`FormatError: ${message}`)
  })

  it('refuses graphs nested without end', () => {
    let body: Body = () => {}
    for (let depth = 0; depth < 100; depth++) {
      const inner = body
      body = field(1, field(5, field(6, inner)))
    }
    expect(thrownBy(() => parseOnnxModel(model(body), 'm.onnx'))).toBe(
      'FormatError: m.onnx nests graphs more than 64 deep.',
    )
  })

  it('answers mutated files with a typed error or a model, nothing else', () => {
    const edit = fc.tuple(fc.nat(SMALL.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), fc.nat(SMALL.length), (edits, cut) => {
        const file = SMALL.slice(0, cut < 20 ? SMALL.length : cut)
        for (const [at, value] of edits) if (at < file.length) file[at] = value
        try {
          readOnnxInitializers(file, 'm.onnx')
        } catch (error) {
          expect(error).toBeInstanceOf(AmalgamError)
        }
      }),
      { numRuns: 3000 },
    )
  })
})

describe('readOnnxInitializers', () => {
  it('reads float tensors from every place the format allows, and leaves integers out', () => {
    const file = model(
      initializer(text(8, 'raw'), int(1, 2), int(2, 1), bytes(9, floats(1, 2))),
      initializer(text(8, 'packed'), int(1, 2), int(2, 1), bytes(4, floats(3, 4))),
      initializer(
        text(8, 'single'),
        int(1, 2),
        int(2, 1),
        writer => writer.tag(4, WireType.Bit32).float(5),
        writer => writer.tag(4, WireType.Bit32).float(6),
      ),
      initializer(text(8, 'half'), bytes(1, Uint8Array.of(2)), int(2, 10), int(5, 0x3c00), int(5, 0xc000)),
      initializer(text(8, 'brain'), int(1, 1), int(2, 16), bytes(5, Uint8Array.of(0x80, 0x7f))), // packed varint 0x3f80
      initializer(text(8, 'wide'), int(1, 1), int(2, 11), bytes(10, new Uint8Array(Float64Array.of(7).buffer))),
      initializer(text(8, 'empty'), int(1, 0), int(2, 1)),
      initializer(text(8, 'count'), int(1, 1), int(2, 7), int(7, 3)),
    )
    const weights = readOnnxInitializers(file, 'm.onnx')
    expect([...weights].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ['raw', 'F32', [2]],
      ['packed', 'F32', [2]],
      ['single', 'F32', [2]],
      ['half', 'F16', [2]],
      ['brain', 'BF16', [1]],
      ['wide', 'F64', [1]],
      ['empty', 'F32', [0]],
    ])
    expect(weightValues(file, 'raw')).toEqual([1, 2])
    expect(weightValues(file, 'packed')).toEqual([3, 4])
    expect(weightValues(file, 'single')).toEqual([5, 6])
    expect([...weights.get('half')!.data]).toEqual([0x00, 0x3c, 0x00, 0xc0])
    expect([...weights.get('brain')!.data]).toEqual([0x80, 0x3f])
    expect(new Float64Array(weights.get('wide')!.data.slice().buffer)[0]).toBe(7)
    expect(weights.get('empty')!.data.byteLength).toBe(0)
  })

  it('refuses a float tensor without values', () => {
    const file = model(initializer(text(8, 'w'), int(1, 2), int(2, 1)))
    expect(thrownBy(() => readOnnxInitializers(file, 'm.onnx'))).toBe(
      'FormatError: m.onnx: initializer "w" needs 8 bytes for 2 float32 elements, got 0.',
    )
  })
})

describe('promoteInitializers', () => {
  it('turns the named initializers into inputs and keeps every other byte', () => {
    const promoted = promoteInitializers(SMALL, new Set(['w']), 'm.onnx')
    const before = parseOnnxModel(SMALL, 'm.onnx')
    const after = parseOnnxModel(promoted, 'm.onnx')
    expect(after.inputs).toEqual([...before.inputs, { name: 'w', dtype: 'float32', shape: [3, 2] }])
    expect([...after.initializers.keys()]).toEqual(['b', 'n'])

    const dropped = before.initializers.get('w')!.field
    const kept = Buffer.concat([
      SMALL.subarray(before.graph.start, dropped.start),
      SMALL.subarray(dropped.end, before.graph.end),
    ])
    const graphNow = promoted.subarray(after.graph.start, after.graph.end)
    expect(Buffer.from(graphNow.subarray(0, kept.length)).equals(kept)).toBe(true)
    expect(promoted.subarray(0, after.graphField.start)).toEqual(SMALL.subarray(0, before.graphField.start))
    expect([...promoted.subarray(after.graph.end)]).toEqual([...SMALL.subarray(before.graph.end)])
  })

  it('keeps fields it does not know, in the model, the graph and around the tensors', () => {
    const unknown = (number: number): Body => text(number, `unknown ${number}`)
    const file = encode(
      IR,
      unknown(1000),
      graph(
        unknown(2000),
        initializer(text(8, 'w'), int(1, 1), int(2, 1), bytes(9, floats(1))),
        writer => writer.tag(2001, WireType.StartGroup).tag(1, WireType.Bit64).fixed64(9).tag(2001, WireType.EndGroup),
        initializer(text(8, 'b'), unknown(3000), int(1, 1), int(2, 1), bytes(9, floats(2))),
      ),
      unknown(1001),
    )
    const promoted = Buffer.from(promoteInitializers(file, new Set(['w']), 'm.onnx'))
    for (const part of [unknown(1000), unknown(1001), unknown(2000), unknown(3000)])
      expect(promoted.includes(Buffer.from(encode(part)))).toBe(true)
    expect(promoted.length).toBeLessThan(file.length + 30)
    expect(weightValues(promoted, 'b')).toEqual([2])
  })

  it('does not list an input twice where the file lists its initializers as inputs', () => {
    const input = field(11, all(text(1, 'w'), field(2, field(1, all(int(1, 1), field(2, field(1, int(1, 1))))))))
    const file = model(input, initializer(text(8, 'w'), int(1, 1), int(2, 1), bytes(9, floats(1))))
    const { inputs, initializers } = parseOnnxModel(promoteInitializers(file, new Set(['w']), 'm.onnx'), 'm.onnx')
    expect(inputs.map(({ name }) => name)).toEqual(['w'])
    expect(initializers.size).toBe(0)
  })

  it.each([
    ['nothing', 'it has none of that name'],
    ['n', 'it has one of int64'],
  ])('refuses to promote %s', (name, found) => {
    expect(thrownBy(() => promoteInitializers(SMALL, new Set([name]), 'm.onnx'))).toBe(
      `FormatError: m.onnx must have a float32 initializer "${name}"; ${found}.`,
    )
  })

  it('gives a graph that computes the same bits when it is fed its own weights', async () => {
    const { InferenceSession, Tensor } = await import('onnxruntime-node')
    const x = new Tensor('float32', Float32Array.of(0.1, 0.2, -3, 4), [2, 2])
    const own = await InferenceSession.create(SMALL, { logSeverityLevel: 3 })
    const fed = await InferenceSession.create(promoteInitializers(SMALL, new Set(['w', 'b']), 'm.onnx'), {
      logSeverityLevel: 3,
    })
    const weights = {
      w: new Tensor('float32', Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]),
      b: new Tensor('float32', Float32Array.of(0.5, -0.5, 0.25), [3]),
    }
    const [a, b] = [await own.run({ x }), await fed.run({ x, ...weights })]
    expect(b.y!.data).toEqual(a.y!.data)
    await own.release()
    await fed.release()
  })
})

describe('makePatchable', () => {
  it('puts values into one piece each, so that they can be overwritten in place', () => {
    const file = model(
      initializer(text(8, 'b'), int(1, 1), int(2, 1), bytes(9, floats(9))),
      initializer(
        text(8, 'w'),
        int(1, 2),
        int(2, 1),
        writer => writer.tag(4, WireType.Bit32).float(5),
        writer => writer.tag(4, WireType.Bit32).float(6),
      ),
    )
    const { bytes: copy, slots } = makePatchable(file, new Set(['w', 'b']), 'm.onnx')
    expect(weightValues(copy, 'w')).toEqual([5, 6])
    copy.set(floats(1, 2), slots.get('w')!.start)
    copy.set(floats(3), slots.get('b')!.start)
    expect(weightValues(copy, 'w')).toEqual([1, 2])
    expect(weightValues(copy, 'b')).toEqual([3])
    expect(weightValues(file, 'b')).toEqual([9])
  })

  it('copies a file with whole tensors byte by byte', () => {
    const { bytes: copy } = makePatchable(SMALL, new Set(['w']), 'm.onnx')
    expect([...copy]).toEqual([...SMALL])
    expect(copy.buffer === SMALL.buffer).toBe(false)
  })
})
