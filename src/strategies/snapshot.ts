import { z } from 'zod'
import { RunStoreError, show } from '../errors.ts'
import type { Snapshot } from './strategy.ts'

/** Schema of `RngState` (src/rng.ts). */
export const rngStateSchema = z.strictObject({
  key: z.number().int().nonnegative(),
  words: z.tuple([z.number().int(), z.number().int(), z.number().int(), z.number().int()]).readonly(),
  spare: z.number().nullable(),
})

/**
 * The checked state of a snapshot.
 * @throws {RunStoreError} if kind, version or shape differ from what is expected.
 */
export function snapshotState<State>(
  snapshot: Snapshot,
  expected: { readonly kind: string; readonly version: number; readonly schema: z.ZodType<State> },
): State {
  if (snapshot.kind !== expected.kind) {
    throw new RunStoreError(`Expected a snapshot of strategy "${expected.kind}", got one of ${show(snapshot.kind)}.`, {
      hint: 'Resume a run with the configuration it was started with.',
    })
  }
  if (snapshot.version !== expected.version) {
    throw new RunStoreError(
      `Expected version ${expected.version} of the "${expected.kind}" snapshot, got ${show(snapshot.version)}.`,
      { hint: 'Resume the run with the version of amalgam that started it.' },
    )
  }
  const parsed = expected.schema.safeParse(snapshot.state)
  if (!parsed.success) {
    throw new RunStoreError(`The "${expected.kind}" snapshot is damaged: ${z.prettifyError(parsed.error)}`, {
      hint: 'Resume from an earlier snapshot or from the journal alone.',
    })
  }
  return parsed.data
}
