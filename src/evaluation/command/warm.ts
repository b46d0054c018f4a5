import type { JsonValue } from '../../candidate.ts'
import { show } from '../../errors.ts'
import { CandidateFailure } from '../candidate-failure.ts'
import { type Answer, isRecord, parseAnswer, parseLooseJson } from './answer.ts'
import { describeEnd, Program, type ProgramSpec } from './child.ts'
import type { ProgramLimits } from './once.ts'

/** What a warm program says first: `{"ready": true, "examples": {...}, "objectives": [...]}`. */
export interface Handshake {
  readonly examples: unknown
  readonly objectives: unknown
}

export interface WarmRequest {
  readonly id: number
  readonly [key: string]: JsonValue
}

/** For a program to end by itself when its standard input ends. */
const CLOSE_GRACE_MS = 1000

/** An answer to an earlier request came late: the candidate that waits now is not to blame, and is asked of a fresh program. */
export class StrayAnswer extends CandidateFailure {}

type State =
  | { readonly type: 'starting'; readonly settle: (result: Handshake | CandidateFailure) => void }
  | { readonly type: 'idle' }
  | { readonly type: 'asked'; readonly id: number; readonly settle: (result: Answer | CandidateFailure) => void }
  | { readonly type: 'gone' }

/**
 * One life of a program that stays up: a line of JSON to its standard input for each candidate, a line of JSON back. Whatever breaks
 * that order ends this life: afterwards nobody knows which answer belongs to what.
 */
export class WarmProgram {
  readonly #program: Program
  readonly #limits: ProgramLimits
  #state: State = { type: 'idle' }
  #rest: Buffer[] = []
  #restBytes = 0
  readonly #ready: Promise<Handshake | CandidateFailure>

  constructor(spec: ProgramSpec, limits: ProgramLimits & { readonly startTimeoutMs: number }) {
    this.#limits = limits
    this.#ready = new Promise(resolve => {
      const timer = setTimeout(
        () => this.#fail('timeout', `The program was not ready within ${limits.startTimeoutMs / 1000} s.`),
        limits.startTimeoutMs,
      )
      const settle = (result: Handshake | CandidateFailure): void => {
        clearTimeout(timer)
        resolve(result)
      }
      this.#state = { type: 'starting', settle }
    })
    this.#program = new Program(spec, chunk => this.#onOutput(chunk))
    void this.#program.ended.then(end =>
      this.#fail('crashed', `The program ${describeEnd(end, this.#program.lastWords())}.`),
    )
  }

  get isGone(): boolean {
    return this.#state.type === 'gone'
  }

  /** @throws {CandidateFailure} (rejects) when it does not become ready */
  async ready(): Promise<Handshake> {
    const result = await this.#ready
    if (result instanceof CandidateFailure) throw result
    return result
  }

  /**
   * One request at a time.
   * @throws {CandidateFailure} (rejects) when there is no proper answer in time; the program is gone then
   */
  async ask(request: WarmRequest): Promise<Answer> {
    if (this.#state.type !== 'idle') throw new TypeError(`A program that is ${this.#state.type} cannot be asked.`)
    const { timeoutMs } = this.#limits
    const result = await new Promise<Answer | CandidateFailure>(resolve => {
      const timer = setTimeout(
        () => this.#fail('timeout', `The program did not answer within ${timeoutMs / 1000} s.`),
        timeoutMs,
      )
      const settle = (answer: Answer | CandidateFailure): void => {
        clearTimeout(timer)
        resolve(answer)
      }
      this.#state = { type: 'asked', id: request.id, settle }
      this.#program.write(`${JSON.stringify(request)}\n`)
    })
    if (result instanceof CandidateFailure) throw result
    return result
  }

  async close(): Promise<void> {
    this.#program.endInput()
    const grace = setTimeout(() => this.#program.kill(), CLOSE_GRACE_MS)
    await this.#program.ended
    clearTimeout(grace)
  }

  #onOutput(chunk: Buffer): void {
    // Lines that arrive together are judged together: an answer that comes with more than itself is no answer.
    const lines = this.#takeLines(chunk)
    if (lines === undefined) {
      this.#fail('threw', `The program printed a line of more than ${this.#limits.outputBytes} bytes.`)
      return
    }
    const [first, second] = lines.filter(line => line.trim() !== '')
    if (first === undefined || this.#state.type === 'gone') return
    const { type } = this.#state
    if (type === 'idle') {
      this.#fail('threw', `The program printed ${show(first.trim(), 120)} without having been asked.`)
    } else if (type === 'starting') {
      this.#onHandshake(first, second)
    } else if (second !== undefined && !this.#isStray(first)) {
      this.#failWithAnother(second)
    } else {
      this.#onAnswer(first)
    }
  }

  /** An answer to an earlier request. */
  #isStray(line: string): boolean {
    const said = parseLooseJson(line)
    const { id } = isRecord(said) ? said : {}
    return this.#state.type === 'asked' && typeof id === 'number' && id < this.#state.id
  }

  #takeLines(chunk: Buffer): string[] | undefined {
    const end = chunk.lastIndexOf(0x0a)
    const most = this.#limits.outputBytes
    if (end === -1) {
      this.#rest.push(chunk)
      this.#restBytes += chunk.length
      return this.#restBytes > most ? undefined : []
    }
    const whole = Buffer.concat([...this.#rest, chunk.subarray(0, end)])
    this.#rest = [chunk.subarray(end + 1)]
    this.#restBytes = chunk.length - end - 1
    return whole.length > most || this.#restBytes > most ? undefined : whole.toString('utf8').split('\n')
  }

  #onHandshake(line: string, another: string | undefined): void {
    if (this.#state.type !== 'starting') return
    const { settle } = this.#state
    let said: unknown
    try {
      said = JSON.parse(line)
    } catch {
      said = undefined
    }
    if (isRecord(said) && typeof said.error === 'string') {
      this.#fail('threw', `The program says: ${said.error}`)
    } else if (isRecord(said) && said.ready === true && another !== undefined) {
      this.#failWithAnother(another)
    } else if (isRecord(said) && said.ready === true) {
      this.#state = { type: 'idle' }
      settle({ examples: said.examples, objectives: said.objectives })
    } else {
      this.#fail('threw', `Expected {"ready": true, ...} as the program's first line, got ${show(line.trim(), 120)}.`)
    }
  }

  #onAnswer(line: string): void {
    if (this.#state.type !== 'asked') return
    const { id, settle } = this.#state
    let answer: Answer
    try {
      answer = parseAnswer(line)
    } catch (error) {
      if (!(error instanceof CandidateFailure)) throw error
      this.#fail(error.kind, error.message)
      return
    }
    if (answer.id !== id) {
      const reason = `The program was asked for ${id} and answered ${answer.id ?? 'without an id'}.`
      this.#end(
        answer.id !== undefined && answer.id < id
          ? new StrayAnswer('threw', reason)
          : new CandidateFailure('threw', reason),
      )
      return
    }
    this.#state = { type: 'idle' }
    settle(answer)
  }

  #failWithAnother(line: string): void {
    this.#fail('threw', `Expected one line from the program, got another one: ${show(line.trim(), 120)}.`)
  }

  #fail(kind: CandidateFailure['kind'], reason: string): void {
    this.#end(new CandidateFailure(kind, reason))
  }

  /** Ends this life; who waits for it hears why. */
  #end(failure: CandidateFailure): void {
    const state = this.#state
    if (state.type === 'gone') return
    this.#state = { type: 'gone' }
    this.#program.kill()
    if (state.type !== 'idle') state.settle(failure)
  }
}
