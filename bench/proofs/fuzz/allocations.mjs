// Counts what is asked of memory and of files: the constructors of buffers and `readSync` are replaced before the modules under test are loaded.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

/** Largest single buffer, all buffers together, and bytes asked of files, since the last reset. */
export const asked = { largest: 0, buffers: 0, reads: 0 }

export function reset() {
  asked.largest = 0
  asked.buffers = 0
  asked.reads = 0
}

function count(bytes) {
  asked.largest = Math.max(asked.largest, bytes)
  asked.buffers += bytes
}

export function watch() {
  const names = [
    'Uint8Array',
    'Int8Array',
    'Uint16Array',
    'Int16Array',
    'Uint32Array',
    'Int32Array',
    'Float32Array',
    'Float64Array',
    'BigInt64Array',
    'BigUint64Array',
  ]
  for (const name of names) {
    const original = globalThis[name]
    globalThis[name] = new Proxy(original, {
      construct(target, args, fresh) {
        const made = Reflect.construct(target, args, fresh === globalThis[name] ? target : fresh)
        if (!(args[0] instanceof ArrayBuffer) && !(args[0] instanceof SharedArrayBuffer)) count(made.byteLength)
        return made
      },
    })
  }
  for (const name of ['ArrayBuffer', 'SharedArrayBuffer']) {
    const original = globalThis[name]
    globalThis[name] = new Proxy(original, {
      construct(target, args, fresh) {
        count(Number(args[0]) || 0)
        return Reflect.construct(target, args, fresh === globalThis[name] ? target : fresh)
      },
    })
  }
  const readSync = fs.readSync
  fs.readSync = (descriptor, target, offset, length, position) => {
    asked.reads += length
    return readSync(descriptor, target, offset, length, position)
  }
  syncBuiltinESMExports()
}
