// What is fuzzed: for each format, valid files to start from, and how one is read. Works on `src/` and on `dist/`, whose modules are given.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const text = string => new TextEncoder().encode(string)

function safetensorsFile(json, dataBytes) {
  const header = text(json)
  const bytes = new Uint8Array(8 + header.byteLength + dataBytes)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.byteLength), true)
  bytes.set(header, 8)
  return bytes
}

const entry = (dtype, shape, begin, end) => ({ dtype, shape, data_offsets: [begin, end] })

function npyFile(header, dataBytes, version = 1) {
  const start = version === 1 ? 10 : 12
  const bytes = new Uint8Array(start + header.length + dataBytes)
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0])
  new DataView(bytes.buffer).setUint16(8, header.length, true)
  bytes.set(text(header), start)
  return bytes
}

/** An ONNX message by hand: fields of [number, bytes | text | number]. */
function message(...fields) {
  const out = []
  const varint = value => {
    for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128)
    out.push(value)
  }
  for (const [number, value] of fields) {
    if (typeof value === 'number') {
      varint(number * 8)
      varint(value)
    } else {
      const bytes = typeof value === 'string' ? text(value) : value
      varint(number * 8 + 2)
      varint(bytes.byteLength)
      for (const byte of bytes) out.push(byte)
    }
  }
  return Uint8Array.from(out)
}

function onnxFiles() {
  const tensor = (name, type, dims, ...values) => message([8, name], [2, type], ...dims.map(dim => [1, dim]), ...values)
  const external = (...entries) => entries.map(([key, value]) => [13, message([1, key], [2, value])])
  const shape = message([1, message([2, 'batch'])], [1, message([1, 2])])
  const input = message([1, 'x'], [2, message([1, message([1, 1], [2, shape])])])
  const node = message(
    [1, 'x'],
    [1, 'w'],
    [2, 'y'],
    [4, 'Gemm'],
    [5, message([1, 'value'], [5, tensor('', 1, [1], [9, new Uint8Array(4)])])],
  )
  const graph = (...initializers) =>
    message([1, node], ...initializers.map(each => [5, each]), [11, input], [12, message([1, 'y'])])
  const model = (...initializers) => message([1, 8], [7, graph(...initializers)], [8, message([1, ''], [2, 17])])
  return [
    model(tensor('w', 1, [2, 3], [9, new Uint8Array(24)]), tensor('n', 7, [1], [7, 3])),
    model(tensor('h', 10, [3], [5, Uint8Array.of(0x80, 0x78, 0, 1)]), tensor('f', 1, [2], [4, new Uint8Array(8)])),
    model(
      tensor('e', 1, [4], ...external(['location', 'm.data'], ['offset', '16'], ['length', '16']), [14, 1]),
      tensor('d', 1, [4], ...external(['location', 'm.data']), [14, 1]),
    ),
  ]
}

/**
 * @param {{ openCheckpoint: (path: string) => any, parseNpy: (bytes: Uint8Array, file: string) => unknown }} modules
 * @param {string} folder to work in, made and emptied here
 * @returns {Record<string, { valid: Uint8Array[], read: (bytes: Uint8Array) => void }>}
 */
export function formats({ openCheckpoint, parseNpy }, folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'sharded'), { recursive: true })
  const readAll = path => {
    const checkpoint = openCheckpoint(path)
    try {
      for (const name of checkpoint.tensors.keys()) checkpoint.read(name)
    } finally {
      checkpoint.close()
    }
  }
  for (const [file, name] of [
    ['m-1.safetensors', 'a'],
    ['m-2.safetensors', 'b'],
  ])
    writeFileSync(
      join(folder, 'sharded', file),
      safetensorsFile(JSON.stringify({ [name]: entry('F32', [2], 0, 8) }), 8),
    )
  writeFileSync(join(folder, 'm.data'), new Uint8Array(64))
  const through = (...names) => {
    const path = join(folder, ...names)
    return bytes => {
      writeFileSync(path, bytes)
      readAll(names.at(-1).endsWith('.json') ? join(folder, 'sharded') : path)
    }
  }
  return {
    safetensors: {
      valid: [
        safetensorsFile(JSON.stringify({ w: entry('F32', [2, 3], 0, 24) }), 24),
        safetensorsFile(
          JSON.stringify({
            __metadata__: { format: 'pt' },
            a: entry('BF16', [4], 0, 8),
            b: entry('I64', [], 8, 16),
            c: entry('U8', [0], 16, 16),
          }),
          16,
        ),
        safetensorsFile('{"x\\u00e9":{"dtype":"F8_E4M3","shape":[1,2],"data_offsets":[0,2]}}    ', 2),
        safetensorsFile('{}', 0),
      ],
      read: through('x.safetensors'),
    },
    'safetensors index': {
      valid: [
        text(JSON.stringify({ metadata: { total_size: 8 }, weight_map: { a: 'm-1.safetensors' } })),
        text(JSON.stringify({ weight_map: { a: 'm-1.safetensors', b: 'm-2.safetensors' } })),
      ],
      read: through('sharded', 'model.safetensors.index.json'),
    },
    onnx: { valid: onnxFiles(), read: through('m.onnx') },
    npy: {
      valid: [
        npyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24),
        npyFile("{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }\n", 24),
        npyFile("{'descr': '>i8', 'fortran_order': False, 'shape': (), }\n", 8),
        npyFile("{'descr': '|b1', 'fortran_order': True, 'shape': (3,), }\n", 3, 2),
      ],
      read: bytes => parseNpy(bytes, 'x.npy'),
    },
  }
}
