import { EvaluatorError, show } from '../../errors.ts'
import { createRng } from '../../rng.ts'
import { CandidateFailure } from '../candidate-failure.ts'
import { CandidateFolders } from '../candidate-folders.ts'
import { fillIn, type Values } from '../command/placeholders.ts'
import type { EvaluatorSession, ExampleRange, MergedModel, OpenContext, Scores, Split } from '../evaluator.ts'
import { rangesToScore } from '../example-range.ts'
import { mean } from '../onnx/metric.ts'
import { Client, inParallel } from './client.ts'
import { complete, continuationLogLikelihood, type Endpoint } from './completions.ts'
import { acquireLock } from './exclusive.ts'
import { runHook } from './load-hook.ts'
import type { JudgeRule, Rule } from './options.ts'
import type { HttpPlan, Question } from './plan.ts'
import { fillFields, markOf, scoreText } from './rules.ts'

/** @throws {EvaluatorError} when an API key is not there */
export async function openHttpSession(plan: HttpPlan, context: OpenContext | undefined): Promise<EvaluatorSession> {
  return new HttpSession(plan, context)
}

/** One question for the candidate, with the objectives that want to know. */
interface Task {
  readonly question: Question
  readonly wanted: readonly { readonly objective: number; readonly at: number }[]
}

class HttpSession implements EvaluatorSession {
  readonly #plan: HttpPlan
  readonly #folders: CandidateFolders
  readonly #client: Client
  readonly #worker: string
  readonly #key: string | undefined
  readonly #judgeKeys: readonly (string | undefined)[]

  constructor(plan: HttpPlan, context: OpenContext | undefined) {
    const { options, objectives } = plan
    this.#plan = plan
    this.#worker = String(context?.workerIndex ?? 0)
    this.#key = keyFrom(options.api_key_env, plan.id)
    this.#judgeKeys = objectives.map(({ rule }) =>
      rule.rule === 'judge' ? keyFrom(rule.api_key_env, plan.id) : undefined,
    )
    this.#folders = new CandidateFolders(options, context)
    this.#client = new Client(
      {
        connectMs: options.connect_timeout * 1000,
        totalMs: options.timeout * 1000,
        responseBytes: options.max_response,
        retries: options.retries,
        backoffMs: options.backoff * 1000,
        maxBackoffMs: options.max_backoff * 1000,
      },
      options.concurrency,
      createRng(options.seed).split(`worker ${this.#worker}`),
    )
  }

  exampleCount(split: Split): readonly number[] {
    return this.#plan.questions[split].map(list => list.length)
  }

  async score(model: MergedModel, split: Split, ranges?: readonly ExampleRange[]): Promise<Scores> {
    const asked = rangesToScore(ranges, this.exampleCount(split))
    const { options } = this.#plan
    const folder = options.model_files ? this.#folders.write(model) : undefined
    const values: Values = { worker: this.#worker, split, ...(folder !== undefined && { model: folder }) }
    // A server of one candidate at a time is one candidate's from its loading to its last answer.
    const lock = options.load === undefined ? undefined : await acquireLock(fillIn(options.endpoint, values))
    try {
      const start = performance.now()
      if (options.load !== undefined) await this.#hook(options.load, values)
      const exampleScores = await this.#scores(split, asked, values)
      if (options.unload !== undefined) await this.#hook(options.unload, values)
      return { values: exampleScores.map(mean), exampleScores, inferenceMs: performance.now() - start }
    } finally {
      await lock?.release()
      if (folder !== undefined) this.#folders.remove(folder)
    }
  }

  async close(): Promise<void> {
    this.#client.close()
    this.#folders.close()
  }

  #hook(hook: NonNullable<HttpPlan['options']['load']>, values: Values): Promise<void> {
    return runHook(hook, values, this.#client, this.#key, this.#plan.folder)
  }

  async #scores(split: Split, asked: readonly ExampleRange[], values: Values): Promise<Float32Array[]> {
    const { questions, objectives, options } = this.#plan
    const endpoint: Endpoint = {
      url: fillIn(options.endpoint, values).replace(/\/+$/, ''),
      api: options.api,
      model: fillIn(options.model, values),
      key: this.#key,
    }
    const results = asked.map(({ begin, end }) => new Float32Array(end - begin))
    const tasks = tasksOf(questions[split], asked)
    await inParallel(tasks, options.concurrency, async ({ question, wanted }, signal) => {
      // Objectives that judge the same answer share it.
      let answer: Promise<string> | undefined
      const answered = (): Promise<string> => {
        answer ??= complete(this.#client, endpoint, { system: options.system, text: question.prompt }, options, signal)
        return answer
      }
      for (const { objective, at } of wanted) {
        const { rule } = objectives[objective]!
        results[objective]![at] = await this.#scoreOf(rule, objective, question, answered, endpoint, signal)
      }
    })
    return results
  }

  async #scoreOf(
    rule: Rule,
    objective: number,
    question: Question,
    answered: () => Promise<string>,
    endpoint: Endpoint,
    signal: AbortSignal,
  ): Promise<number> {
    if (rule.rule === 'judge') return this.#judge(rule, objective, question, await answered(), signal)
    if (rule.rule !== 'choice_likelihood') return scoreText(rule, await answered(), question.expected)
    const { choices, choice } = question.expected
    const likelihoods: number[] = []
    for (const text of choices) {
      const nats = await continuationLogLikelihood(
        this.#client,
        endpoint,
        question.prompt,
        rule.delimiter + text,
        signal,
      )
      likelihoods.push(rule.normalize ? nats / text.length : nats)
    }
    if (likelihoods.some(Number.isNaN)) return Number.NaN
    return Number(likelihoods.indexOf(Math.max(...likelihoods)) === choice)
  }

  async #judge(
    rule: JudgeRule,
    objective: number,
    question: Question,
    answer: string,
    signal: AbortSignal,
  ): Promise<number> {
    const fields = { ...question.fields, answer_given: answer, expected: question.expected.texts.join(' / ') }
    const judge: Endpoint = {
      url: rule.endpoint.replace(/\/+$/, ''),
      api: rule.api,
      model: rule.model,
      key: this.#judgeKeys[objective],
    }
    const text = fillFields(rule.prompt, fields, question.where)
    const generation = { max_tokens: rule.max_tokens, temperature: 0, stop: [], seed: this.#plan.options.seed }
    const verdict = await complete(this.#client, judge, { text }, generation, signal)
    const mark = markOf(verdict, rule.scale)
    if (mark !== undefined) return mark
    throw new CandidateFailure(
      'threw',
      `The judge gave example ${show(question.id)} no mark of ${rule.scale.join('..')}: ${show(verdict, 120)}.`,
    )
  }
}

/** Each question once, however many objectives ask for it. */
function tasksOf(questions: readonly (readonly Question[])[], asked: readonly ExampleRange[]): Task[] {
  const tasks = new Map<Question, { objective: number; at: number }[]>()
  questions.forEach((list, objective) => {
    const { begin, end } = asked[objective]!
    list.slice(begin, end).forEach((question, at) => {
      const wanted = tasks.get(question) ?? []
      wanted.push({ objective, at })
      tasks.set(question, wanted)
    })
  })
  return Array.from(tasks, ([question, wanted]) => ({ question, wanted }))
}

/** @throws {EvaluatorError} naming the variable, never what is in it */
function keyFrom(variable: string | undefined, id: string): string | undefined {
  if (variable === undefined) return undefined
  const key = process.env[variable]
  if (key !== undefined && /^[\x21-\x7e]+$/.test(key)) return key
  throw new EvaluatorError(
    `Evaluator ${show(id)} takes its API key from the environment variable ${variable}, which ${key === undefined || key === '' ? 'is not set' : 'holds characters that no key has'}.`,
    { hint: `Set it before the search: export ${variable}=...` },
  )
}
