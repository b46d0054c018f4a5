import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AmalgamError, EvaluatorError } from '../../errors.ts'

/** Kernels in WebAssembly that what they work on is copied to, a tile at a time. */

export const PAGE_BYTES = 1 << 16

export interface KernelMemory {
  readonly buffer: ArrayBuffer
  grow(pages: number): void
}
/** The part of the global that is used; Node's type declarations do not have it. */
interface WebAssemblyGlobal {
  readonly Memory: new (options: { initial: number }) => KernelMemory
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
}
const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyGlobal }

/** A kernel with a memory of its own, of one page. @throws {AmalgamError} when the build left it out */
export function loadKernel<Exports>(file: URL): { readonly memory: KernelMemory; readonly exports: Exports } {
  const memory = new WebAssembly.Memory({ initial: 1 })
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readModule(file)), { env: { memory } })
  return { memory, exports: exports as Exports }
}

function readModule(file: URL): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new AmalgamError(`The kernel ${basename(fileURLToPath(file))} is missing.`, {
      hint: 'Run `npm run build:kernel`.',
      cause,
    })
  }
}

/**
 * Grows the memory to `bytes`: views of it are to be made afterwards.
 * @param what is put there, for messages: `3 rows of 10 logits`
 * @throws {EvaluatorError} when there is not as much
 */
export function reserve(memory: KernelMemory, bytes: number, what: string): void {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE_BYTES)
  if (missing <= 0) return
  try {
    memory.grow(missing)
  } catch (error) {
    throw new EvaluatorError(`For ${what} ${missing * PAGE_BYTES} bytes more are needed, which there are not.`, {
      cause: error,
    })
  }
}
