/**
 * Expected errors. Each message says which thing, what was required, what was found, and what to do.
 * Everything that is not an {@link AmalgamError} is a bug and keeps its stack.
 */

/** Exit codes of the command line. `DESIGN`: 0 done, 1 failed, 2 usage or config, 3 environment or damaged run, 4 nothing feasible, 75 try later. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  environment: 3,
  infeasible: 4,
  tryAgain: 75,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Base of all expected errors. `hint` is one sentence that says what to do next. */
export class AmalgamError extends Error {
  readonly exitCode: ExitCode = EXIT.failed
  readonly hint: string | undefined

  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.hint = options.hint
  }
}

/** A config, flag or recipe that asks for something impossible or unknown. */
export class ConfigError extends AmalgamError {
  override readonly exitCode = EXIT.usage
}

/** A file whose bytes break the rules of its format. Permanent: reading it again cannot help. */
export class FormatError extends AmalgamError {
  override readonly exitCode = EXIT.usage
}

/** A genome or recipe outside its search space. */
export class GenomeError extends AmalgamError {
  override readonly exitCode = EXIT.usage
}

/** Sources that cannot be merged, or a merge with an impossible result (NaN, zero weight sum). */
export class MergeError extends AmalgamError {
  override readonly exitCode = EXIT.usage
}

/** An evaluator that cannot be set up. A candidate that scores badly or fails is a result, not an error. */
export class EvaluatorError extends AmalgamError {
  override readonly exitCode = EXIT.usage
}

/** An executor that is itself broken: no worker can be started any more. */
export class ExecutorError extends AmalgamError {
  override readonly exitCode = EXIT.environment
}

/** A disk that is full, or a file system that does not take what is written to it. */
export class StorageError extends AmalgamError {
  override readonly exitCode = EXIT.environment
}

/** A run folder that is missing, damaged, foreign or of a newer format. */
export class RunStoreError extends AmalgamError {
  override readonly exitCode = EXIT.environment
}

/** A run that another process is writing to. */
export class RunLockedError extends AmalgamError {
  override readonly exitCode = EXIT.tryAgain
}

/** The value as a short, single-line, printable string: control characters stripped, at most `limit` characters. */
export function show(value: unknown, limit = 80): string {
  const text = JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? `${item}n` : item)) ?? String(value)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: stripping them is the point (terminal escapes in file names).
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\u{fffd}')
  return clean.length <= limit ? clean : `${clean.slice(0, limit - 1)}…`
}

/** The nearest of `options` to `word` within two edits (Damerau-Levenshtein), for "did you mean". */
export function nearest(word: string, options: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = 3
  for (const option of options) {
    const distance = editDistance(word.toLowerCase(), option.toLowerCase())
    if (distance < bestDistance) {
      bestDistance = distance
      best = option
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let value = Math.min(row[j - 1]! + 1, rows[i - 1]![j]! + 1, rows[i - 1]![j - 1]! + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        value = Math.min(value, rows[i - 2]![j - 2]! + 1)
      row.push(value)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
