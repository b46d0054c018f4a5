import { type MergeError, show } from '../errors.ts'
import { dtypeBytes, encodeFloat32, isWeightDtype, type WeightDtype } from '../formats/dtype.ts'
import { narrow, widen } from './convert.ts'
import { notFinite } from './fast/tiles.ts'
import type { NamedCheckpoint } from './inspect.ts'
import { allocateSharedMemory, instantiateKernel, isFiniteResult } from './kernel/load.ts'
import { blockStart, padded } from './layout.ts'
import type { KernelPlan } from './method.ts'
import { findNonFinite, type NonFinite, NonFiniteCount, nonFiniteError } from './non-finite.ts'
import type { Section } from './plan.ts'
import { requireFits } from './program/read-tensor.ts'

/** Elements of one source in memory at a time: 1 MiB as float32. Long enough for the disk, short enough for the cache. */
const CHUNK = 1 << 18

export type KernelSection = Section & { readonly plan: KernelPlan }

/** @returns the NaN and infinities that were written, where they are allowed */
export type ChunkMerge = (
  name: string,
  sections: readonly KernelSection[],
  written: WeightDtype,
  append: (bytes: Uint8Array) => void,
) => NonFinite | undefined

/**
 * Merges tensors chunk by chunk in one small memory: [addresses][coefficients][result][part of it][stored bytes][chunk of x_1][of x_2]...
 * Kernels work on whole blocks, so a section that does not fill the chunk is computed beside the result and its elements are copied. The kernels report the largest
 * magnitude, so that looking for NaN and infinities costs nothing where there are none.
 */
export function createChunkMerge(sources: readonly NamedCheckpoint[], allowNonFinite: boolean): ChunkMerge {
  const count = sources.length
  const coefficientsAt = padded(count) * 4
  const resultAt = 2 * coefficientsAt
  const partAt = resultAt + CHUNK * 4
  const storedAt = partAt + CHUNK * 4
  const chunkAt = (position: number) => storedAt + CHUNK * 8 + position * CHUNK * 4
  const memory = allocateSharedMemory(chunkAt(count))
  const kernel = instantiateKernel(memory)
  const addresses = new Uint32Array(memory.buffer, 0, count)
  const coefficients = new Float32Array(memory.buffer, coefficientsAt, count)
  const result = new Float32Array(memory.buffer, resultAt, CHUNK)
  const part = new Float32Array(memory.buffer, partAt, CHUNK)

  /** Elements [from, to) of the chunk. @returns the bits of the largest magnitude */
  const compute = ({ kernel: pass, base, terms }: KernelPlan, from: number, to: number, length: number): number => {
    for (const [j, { source, coefficient }] of terms.entries()) {
      addresses[j] = chunkAt(source)
      coefficients[j] = coefficient
    }
    const whole = from === 0 && to === length
    const start = blockStart(from)
    const [out, offset, bytes] = [whole ? resultAt : partAt, start * 4, (padded(to) - start) * 4]
    const largest =
      pass === 'linear'
        ? kernel.linear(out, 0, coefficientsAt, terms.length, offset, bytes)
        : kernel.taskArithmetic(out, chunkAt(base!), 0, coefficientsAt, terms.length, offset, bytes)
    if (whole) return largest
    const own = part.subarray(from - start, to - start)
    result.set(own, from)
    return new Uint32Array(Float32Array.of(own.reduce((most, x) => Math.max(most, Math.abs(x)), 0)).buffer)[0]!
  }

  return (name, sections, as, append) => {
    const elements = sources[0]!.checkpoint.tensors.get(name)!.shape.reduce((product, size) => product * size, 1)
    const written = new NonFiniteCount()
    for (let at = 0; at < elements; at += CHUNK) {
      const length = Math.min(CHUNK, elements - at)
      const here = sections.filter(({ begin, end }) => begin < at + length && end > at)
      const needed = new Set(here.flatMap(({ plan: { base, terms } }) => [...terms.map(({ source }) => source), base]))
      for (const source of needed) {
        if (source === undefined) continue
        // An adapter's tensors are float32, whatever its model is stored as.
        const { dtype } = sources[source]!.checkpoint.tensors.get(name)!
        if (!isWeightDtype(dtype)) continue
        const stored = new Uint8Array(memory.buffer, storedAt, length * dtypeBytes(dtype))
        sources[source]!.checkpoint.readRange(name, at * dtypeBytes(dtype), stored)
        widen(kernel, memory, dtype, storedAt, chunkAt(source), length)
      }
      let allFinite = true
      for (const { begin, end, plan } of here) {
        const largest = compute(plan, Math.max(begin - at, 0), Math.min(end - at, length), length)
        if (isFiniteResult(largest)) requireFits(name, largest, as)
        else if (allowNonFinite) allFinite = false
        else throw damaged(name, sources, needed)
      }
      const merged = new Uint8Array(memory.buffer, storedAt, length * dtypeBytes(as))
      if (allFinite) {
        written.skip(length)
        narrow(kernel, memory, as, resultAt, storedAt, length)
      } else {
        const values = result.subarray(0, length)
        written.add(values)
        const finite = values.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0)
        requireFits(name, new Uint32Array(Float32Array.of(finite).buffer)[0]!, as)
        encodeFloat32(values, as, merged) // the kernels narrow finite values only
      }
      append(merged)
    }
    return written.of(name)
  }
}

/** The source that has the NaN or infinity, or the merge itself, whose coefficients made one of finite weights. */
function damaged(
  name: string,
  sources: readonly NamedCheckpoint[],
  needed: ReadonlySet<number | undefined>,
): MergeError {
  for (const [position, { id, checkpoint }] of sources.entries()) {
    const found = needed.has(position) ? findNonFinite(checkpoint, name) : undefined
    if (found !== undefined) return nonFiniteError(`Source ${show(id)} (${checkpoint.path})`, found)
  }
  return notFinite(name)
}
