import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeTensor } from '../../../src/merge/stream/merge-tensor.ts'
import type { TaskVectorMethod, ThinnedModel } from '../../../src/merge/stream/stream-tensor.ts'

const SIZES = { tile: 96, chunk: 32 }

/** @param models of which those beyond the given ones have weight 0: more than four take masks instead of the kernel's bounds */
function merged(method: Omit<TaskVectorMethod, 'models'>, models: readonly ThinnedModel[], vectors: Float32Array[]) {
  const [base] = vectors
  const out = new Float32Array(base!.length)
  const inputs = vectors.map(() => ({ dtype: 'F32', place: undefined, path: 'memory', columns: undefined }) as const)
  const tensor = {
    name: 'w',
    elements: base!.length,
    inputs,
    work: undefined,
    written: 'F32',
    method: { ...method, models },
  } as const
  const bytes = (values: Float32Array) => new Uint8Array(values.buffer)
  const io = {
    read: (input: number, offset: number, target: Uint8Array) =>
      target.set(bytes(vectors[input]!).subarray(offset, offset + target.byteLength)),
    write: (offset: number, part: Uint8Array) => bytes(out).set(part, offset),
  }
  expect(mergeTensor(tensor, 0, tensor.elements, io, SIZES)).toBe(true)
  return new Uint32Array(out.buffer)
}

describe('task vectors thinned by magnitude in registers', () => {
  it('have the bits of masks, ties and zeros included', () => {
    // Few different numbers: many magnitudes are equal, in every chunk and across chunks.
    const value = fc.constantFrom(0, -0, 1, -1, 0.5, -0.5, 2, -2, 0.1, -0.1, 3e-39)
    const problem = fc.integer({ min: 1, max: 150 }).chain(n =>
      fc.record({
        vectors: fc.array(fc.array(value, { minLength: n, maxLength: n }), { minLength: 2, maxLength: 5 }),
        ranks: fc.array(fc.tuple(fc.nat(n), fc.nat(n)), { minLength: 4, maxLength: 4 }),
        weights: fc.array(fc.constantFrom(0.5, -0.25, 1, 0.3), { minLength: 4, maxLength: 4 }),
        plain: fc.nat(4),
        elect: fc.boolean(),
        normalize: fc.boolean(),
      }),
    )
    fc.assert(
      fc.property(problem, ({ vectors, ranks, weights, plain, elect, normalize }) => {
        const all = vectors.map(values => Float32Array.from(values))
        const models = all.slice(1).map((_, m): ThinnedModel => {
          const [a, b] = ranks[m]!
          const thinning = { kind: 'largest', from: Math.min(a, b), to: Math.max(a, b) } as const
          return {
            input: m + 1,
            weight: weights[m]!,
            thinning: m === plain ? { kind: 'none' } : thinning,
            scale: 1,
          }
        })
        const method = { kind: 'task-vectors', elect, normalize, lambda: elect ? 0.7 : 1 } as const
        const idle = Array.from({ length: 4 }, (): ThinnedModel => ({ ...models[0]!, weight: 0 }))
        expect(merged(method, models, all)).toEqual(merged(method, [...models, ...idle], all))
      }),
      { numRuns: 1000 },
    )
  })
})
