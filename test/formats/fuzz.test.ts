import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { formats } from '../../bench/proofs/fuzz/formats.mjs'
import { generator, mutate } from '../../bench/proofs/fuzz/mutations.mjs'
import { AmalgamError } from '../../src/errors.ts'
import { parseNpy } from '../../src/formats/npy.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'amalgam-fuzz-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The small version of bench/proofs/fuzz-headers.mjs, which reads 100,000 of each and counts what they ask of memory. */
const ROUNDS = 2_000

describe('a mutated file', () => {
  it.each(Object.entries(formats({ openCheckpoint, parseNpy }, folder)))(
    'of %s is read or refused with a typed error',
    (_, { valid, read }) => {
      for (const file of valid) read(file)
      const next = generator(20_26)
      let refused = 0
      for (let round = 0; round < ROUNDS; round++) {
        const bytes = mutate(valid[next(valid.length)]!, next)
        try {
          read(bytes)
        } catch (error) {
          if (!(error instanceof AmalgamError)) throw new Error(`round ${round}`, { cause: error })
          refused++
        }
      }
      expect(refused).toBeGreaterThan(ROUNDS / 2)
    },
  )
})
