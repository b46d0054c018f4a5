import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonValue } from '../../candidate.ts'
import { EvaluatorError, nearest, show } from '../../errors.ts'
import { CandidateFailure } from '../candidate-failure.ts'
import { CandidateFolders } from '../candidate-folders.ts'
import type { EvaluatorSession, ExampleRange, MergedModel, OpenContext, Scores, Split } from '../evaluator.ts'
import { SPLITS } from '../evaluator.ts'
import { rangesToScore } from '../example-range.ts'
import { type Answer, isRecord, parseAnswer, scoresOf } from './answer.ts'
import { environmentOf, type ProgramSpec } from './child.ts'
import { readLmEvalAnswer, samplesArgument } from './lm-eval.ts'
import { lastLine, type ProgramLimits, runOnce } from './once.ts'
import { fillIn, type Values, variablesOf } from './placeholders.ts'
import type { CommandPlan } from './plan.ts'
import { type Handshake, StrayAnswer, WarmProgram, type WarmRequest } from './warm.ts'

/** Examples per split and objective. */
type Counts = Readonly<Record<Split, readonly number[]>>

/** @throws {CandidateFailure | EvaluatorError | ConfigError} when the program does not become ready */
export async function openCommandSession(
  plan: CommandPlan,
  context: OpenContext | undefined,
): Promise<EvaluatorSession> {
  const session = new CommandSession(plan, context)
  try {
    await session.start()
  } catch (error) {
    await session.close()
    throw error instanceof CandidateFailure
      ? new EvaluatorError(`Evaluator ${show(plan.id)}: ${error.message}`, { cause: error })
      : error
  }
  return session
}

class CommandSession implements EvaluatorSession {
  readonly #plan: CommandPlan
  readonly #folders: CandidateFolders
  readonly #worker: string
  readonly #limits: ProgramLimits & { readonly startTimeoutMs: number }
  #counts: Counts
  #warm: WarmProgram | undefined
  #requests = 0

  constructor(plan: CommandPlan, context: OpenContext | undefined) {
    const { options, listed, objectives } = plan
    this.#plan = plan
    this.#worker = String(context?.workerIndex ?? 0)
    this.#folders = new CandidateFolders(options, context)
    this.#limits = {
      timeoutMs: options.timeout * 1000,
      startTimeoutMs: options.start_timeout * 1000,
      outputBytes: options.max_output,
    }
    const { examples } = options
    this.#counts = bySplit(split => {
      if (listed !== undefined) return listed[split].map(list => list.length)
      return objectives.map(() => (typeof examples === 'object' ? examples[split] : 0))
    })
  }

  async start(): Promise<void> {
    if (this.#plan.options.mode === 'warm') await this.#startWarm()
  }

  exampleCount(split: Split): readonly number[] {
    return this.#counts[split]
  }

  async score(model: MergedModel, split: Split, ranges?: readonly ExampleRange[]): Promise<Scores> {
    const asked = rangesToScore(ranges, this.exampleCount(split))
    const { options, objectives } = this.#plan
    const folder = options.model_files ? this.#folders.write(model) : undefined
    try {
      const start = performance.now()
      const isPartial = asked.some(({ begin, end }, i) => end - begin < this.exampleCount(split)[i]!)
      const job = { folder, split, asked, isPartial }
      const answer = options.mode === 'warm' ? await this.#ask(job) : await this.#run(job)
      const inferenceMs = performance.now() - start
      const counts = this.exampleCount(split)
      const expected = asked.map(({ begin, end }, i) => (counts[i] === 0 ? undefined : end - begin))
      return { ...scoresOf(answer, objectives, expected), inferenceMs }
    } finally {
      if (folder !== undefined) this.#folders.remove(folder)
    }
  }

  async close(): Promise<void> {
    const warm = this.#warm
    this.#warm = undefined
    await warm?.close()
    this.#folders.close()
  }

  async #run(job: Job): Promise<Answer> {
    const { options, objectives } = this.#plan
    const scratch = this.#folders.scratch()
    try {
      const out = join(scratch, 'out')
      const request = join(scratch, 'request.json')
      if (options.answer === 'lm-eval') mkdirSync(out)
      writeFileSync(request, JSON.stringify(this.#request(job, 0)))
      const values = {
        ...this.#values(job.split),
        ...(job.folder !== undefined && { model: job.folder }),
        out,
        request,
      }
      const tasks = options.objectives.map(({ task = '' }) => fillIn(task, values))
      const all = { ...values, samples: samplesArgument(tasks, job.asked) }
      const output = await runOnce(this.#spec(all, job.isPartial), this.#limits)
      if (options.answer === 'lm-eval') {
        const wanted = options.objectives.map(({ metric = '' }, i) => ({
          objective: objectives[i]!.objective.name,
          task: tasks[i]!,
          metric: fillIn(metric, all),
        }))
        return readLmEvalAnswer(out, wanted, this.#limits.outputBytes)
      }
      return parseAnswer(options.result === 'stdout' ? lastLine(output) : readAnswerFile(out, this.#limits.outputBytes))
    } finally {
      this.#folders.remove(scratch)
    }
  }

  async #ask(job: Job): Promise<Answer> {
    const request = this.#request(job, ++this.#requests)
    try {
      return await (await this.#running()).ask(request)
    } catch (error) {
      if (!(error instanceof StrayAnswer)) throw error
      return await (await this.#running()).ask(request)
    }
  }

  /** The program that stays up; a fresh one where the last has gone. */
  async #running(): Promise<WarmProgram> {
    if (this.#warm === undefined || this.#warm.isGone) await this.#startWarm()
    return this.#warm!
  }

  async #startWarm(): Promise<void> {
    this.#warm = new WarmProgram(this.#spec(this.#values('search'), false), this.#limits)
    const handshake = await this.#warm.ready()
    const counts = this.#checkHandshake(handshake)
    if (counts !== undefined) this.#counts = counts
  }

  #checkHandshake({ examples, objectives: told }: Handshake): Counts | undefined {
    const { id, objectives, listed, options } = this.#plan
    const names = objectives.map(({ objective }) => objective.name)
    if (Array.isArray(told)) {
      const lacking = names.find(name => !told.includes(name))
      if (lacking !== undefined) {
        const near = nearest(lacking, told.map(String))
        throw new EvaluatorError(
          `Evaluator ${show(id)} wants the objective ${show(lacking)}, and its program has ${show(told.join(', '), 300)}.`,
          near === undefined ? {} : { hint: `Did you mean ${show(near)}?` },
        )
      }
    }
    if (listed !== undefined || typeof options.examples === 'object' || examples === undefined) return undefined
    return bySplit(split => {
      const counts = isRecord(examples) ? examples[split] : undefined
      return names.map(name => {
        const count = isRecord(counts) ? (counts[name] ?? 0) : (counts ?? 0)
        if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return count
        throw new EvaluatorError(
          `The program of evaluator ${show(id)} must say how many examples it has, as {"search": 100, ...}, and said ${show(count)} for ${split}.`,
        )
      })
    })
  }

  #request({ folder, split, asked }: Job, id: number): WarmRequest {
    const { listed, objectives, options } = this.#plan
    const examples = objectives.map(({ objective: { name } }, i): [string, JsonValue] => {
      const { begin, end } = asked[i]!
      return [name, listed === undefined ? { begin, end } : listed[split][i]!.slice(begin, end).map(one => one.id)]
    })
    return { id, model: folder ?? null, split, seed: options.seed, examples: Object.fromEntries(examples) }
  }

  #values(split: Split): Values {
    const { options } = this.#plan
    return { ...variablesOf(options.variables, split), split, seed: String(options.seed), worker: this.#worker }
  }

  #spec(values: Values, isPartial: boolean): ProgramSpec {
    const { command, shell, cwd, env, pass_env, partial_arguments } = this.#plan.options
    const more = isPartial ? partial_arguments : []
    return {
      command:
        typeof command === 'string'
          ? fillIn([command, ...more].join(' '), values)
          : [...command, ...more].map(text => fillIn(text, values)),
      shell,
      cwd,
      env: { ...environmentOf(env, pass_env), AMALGAM_WORKER: this.#worker },
    }
  }
}

interface Job {
  readonly folder: string | undefined
  readonly split: Split
  readonly asked: readonly ExampleRange[]
  readonly isPartial: boolean
}

function bySplit<T>(of: (split: Split) => T): Readonly<Record<Split, T>> {
  const [search, select, holdout] = SPLITS.map(of)
  return { search: search!, select: select!, holdout: holdout! }
}

/** @throws {CandidateFailure} */
export function readAnswerFile(path: string, limit: number): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) throw new CandidateFailure('threw', 'The program ended well but wrote no answer to {out}.')
  if (!stats.isFile()) throw new CandidateFailure('threw', 'What the program wrote to {out} is no regular file.')
  if (stats.size > limit)
    throw new CandidateFailure('threw', `The program's answer has ${stats.size} bytes, more than ${limit}.`)
  return readFileSync(path, 'utf8')
}
