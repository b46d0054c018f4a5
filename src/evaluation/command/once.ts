import { CandidateFailure } from '../candidate-failure.ts'
import { describeEnd, Program, type ProgramSpec } from './child.ts'

export interface ProgramLimits {
  readonly timeoutMs: number
  readonly outputBytes: number
}

/**
 * Runs a program to its end.
 * @returns what it wrote to standard output
 * @throws {CandidateFailure} when it does not end well: past its time, with another exit code than 0, with too much output
 */
export async function runOnce(spec: ProgramSpec, limits: ProgramLimits): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  let failure: CandidateFailure | undefined
  const stop = (reason: CandidateFailure): void => {
    failure ??= reason
    program.kill()
  }
  const program = new Program(spec, chunk => {
    bytes += chunk.length
    if (bytes <= limits.outputBytes) chunks.push(chunk)
    else stop(new CandidateFailure('threw', `The program printed more than ${limits.outputBytes} bytes.`))
  })
  program.endInput()
  const timer = setTimeout(
    () => stop(new CandidateFailure('timeout', `The program did not end within ${limits.timeoutMs / 1000} s.`)),
    limits.timeoutMs,
  )
  const end = await program.ended
  clearTimeout(timer)
  if (failure !== undefined) throw failure
  if (end.code !== 0) throw new CandidateFailure('crashed', `The program ${describeEnd(end, program.lastWords())}.`)
  return Buffer.concat(chunks).toString('utf8')
}

/** The answer among what a program printed: its last line that is not empty. */
export function lastLine(output: string): string {
  return output.trimEnd().split('\n').at(-1) ?? ''
}
