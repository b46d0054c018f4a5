import { AmalgamError } from '../../src/errors.ts'

/** `FormatError: message` of what `work` throws: class and message, whatever its hint. */
export function thrownBy(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    return described(error)
  }
  return 'nothing was thrown'
}

/** The same for a promise. */
export async function rejectionOf(work: Promise<unknown>): Promise<string> {
  return work.then(() => 'nothing was thrown', described)
}

function described(error: unknown): string {
  if (error instanceof AmalgamError) return `${error.name}: ${error.message}`
  throw error // a bug keeps its stack
}
