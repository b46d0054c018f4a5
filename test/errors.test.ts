import { describe, expect, it } from 'vitest'
import { ConfigError, MergeError, nearest, RunLockedError, RunStoreError, show } from '../src/errors.ts'

describe('errors', () => {
  it('carry their exit code and hint', () => {
    expect(new ConfigError('x', { hint: 'y' })).toMatchObject({ exitCode: 2, hint: 'y', name: 'ConfigError' })
    expect(new MergeError('x').exitCode).toBe(2)
    expect(new RunStoreError('x').exitCode).toBe(3)
    expect(new RunLockedError('x').exitCode).toBe(75)
  })

  it('show foreign text on one short line without control characters', () => {
    expect(show('a\u001b[31mb\nc')).toBe('"a\\u001b[31mb\\nc"')
    expect(show('\u009b31m')).toBe('"\u{fffd}31m"')
    expect(show('x'.repeat(200))).toHaveLength(80)
    expect(show(undefined)).toBe('undefined')
    expect(show({ a: 1 })).toBe('{"a":1}')
    expect(show([2n ** 60n])).toBe('["1152921504606846976n"]')
  })

  it('suggest the nearest word within two edits, transpositions counted once', () => {
    expect(nearest('cma-se', ['cma-es', 'sobol'])).toBe('cma-es')
    expect(nearest('bugdet', ['budget', 'seed'])).toBe('budget')
    expect(nearest('completely-else', ['budget', 'seed'])).toBeUndefined()
  })
})
