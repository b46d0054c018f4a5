// A plain copy of the weights of a folder, forced to disk as a merge's output is: node bench/merge/copy.mjs FROM TO
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const [from, to] = process.argv.slice(2)
const buffer = new Uint8Array(1 << 22)
mkdirSync(to)
for (const name of readdirSync(from).filter(file => file.endsWith('.safetensors'))) {
  const [source, target] = [openSync(join(from, name), 'r'), openSync(join(to, name), 'wx')]
  for (;;) {
    const count = readSync(source, buffer)
    if (count === 0) break
    writeSync(target, buffer, 0, count)
  }
  fsyncSync(target)
  closeSync(target)
  closeSync(source)
}
