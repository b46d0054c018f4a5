import {
  AmalgamError,
  ConfigError,
  EvaluatorError,
  ExecutorError,
  FormatError,
  GenomeError,
  MergeError,
  RunLockedError,
  RunStoreError,
  StorageError,
} from '../../errors.ts'
import type { PlainError } from './protocol.ts'

const CLASSES: ReadonlyMap<string, typeof AmalgamError> = new Map(
  [
    AmalgamError,
    ConfigError,
    EvaluatorError,
    ExecutorError,
    FormatError,
    GenomeError,
    MergeError,
    RunLockedError,
    RunStoreError,
    StorageError,
  ].map(errorClass => [errorClass.name, errorClass]),
)

/** Classes do not survive a structured clone: an error travels as its parts. */
export function toPlainError(thrown: unknown): PlainError {
  if (!(thrown instanceof Error)) {
    return { name: 'Error', message: String(thrown), hint: undefined, stack: undefined }
  }
  return {
    name: thrown.name,
    message: thrown.message,
    hint: thrown instanceof AmalgamError ? thrown.hint : undefined,
    stack: thrown.stack,
  }
}

/** The expected error it was, of its class; anything else as the cause of an {@link ExecutorError}, with its own stack. */
export function fromPlainError(plain: PlainError): AmalgamError {
  const ErrorClass = CLASSES.get(plain.name)
  if (ErrorClass !== undefined) {
    return new ErrorClass(plain.message, plain.hint === undefined ? {} : { hint: plain.hint })
  }
  const cause = new Error(plain.message)
  cause.name = plain.name
  if (plain.stack !== undefined) cause.stack = plain.stack
  return new ExecutorError(`The worker host could not set itself up: ${plain.name}: ${plain.message}`, { cause })
}
