import { describe, expect, test } from 'vitest'
import * as errors from '../../src/errors.ts'
import { compiledPath } from '../../src/executors/host/compiled.ts'
import { fromPlainError, toPlainError } from '../../src/executors/host/plain-error.ts'

const { AmalgamError, ConfigError, ExecutorError } = errors

describe('Errors across the process border', () => {
  const classes = Object.values(errors).filter(
    (value): value is typeof AmalgamError => typeof value === 'function' && value.prototype instanceof AmalgamError,
  )

  test.each(classes.map(errorClass => [errorClass.name, errorClass] as const))(
    '%s stays what it is',
    (name, errorClass) => {
      const rebuilt = fromPlainError(structuredClone(toPlainError(new errorClass('what', { hint: 'do' }))))
      expect(rebuilt).toBeInstanceOf(errorClass)
      expect(rebuilt).toMatchObject({ name, message: 'what', hint: 'do', exitCode: new errorClass('').exitCode })
    },
  )

  test('no hint stays no hint', () => {
    expect(fromPlainError(toPlainError(new ConfigError('what'))).hint).toBeUndefined()
  })

  test('what is not an error of ours becomes the cause of an executor error, with its stack', () => {
    const original = new RangeError('too long')
    const rebuilt = fromPlainError(toPlainError(original))
    expect(rebuilt).toBeInstanceOf(ExecutorError)
    expect(rebuilt.message).toBe('The worker host could not set itself up: RangeError: too long')
    expect(rebuilt.cause).toMatchObject({ name: 'RangeError', message: 'too long', stack: original.stack })
  })

  test('something else that was thrown is shown', () => {
    expect(fromPlainError(toPlainError('a string')).message).toBe(
      'The worker host could not set itself up: Error: a string',
    )
  })
})

describe('compiledPath', () => {
  test('maps the sources to their build, only the last src of the path, and leaves the build as it is', () => {
    expect(compiledPath('x.js', 'file:///home/src/amalgam/src/executors/host/compiled.ts')).toBe(
      '/home/src/amalgam/dist/executors/host/x.js',
    )
    expect(compiledPath('x.js', 'file:///home/src/amalgam/dist/executors/host/compiled.js')).toBe(
      '/home/src/amalgam/dist/executors/host/x.js',
    )
  })
})
