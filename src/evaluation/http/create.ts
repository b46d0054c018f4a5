import { createHash } from 'node:crypto'
import { ConfigError, show } from '../../errors.ts'
import type { Objective } from '../../objective.ts'
import { canonicalJson } from '../../space/recipe.ts'
import { checkFolderOptions } from '../candidate-folders.ts'
import { InputFiles } from '../data/files.ts'
import type { Evaluator } from '../evaluator.ts'
import { SPLITS, type Split } from '../evaluator.ts'
import { type ListedExample, orderExamples, readExampleList } from '../example-list.ts'
import type { HttpOptions, Rule } from './options.ts'
import type { HttpPlan, Question } from './plan.ts'
import { expectedOf, fillFields } from './rules.ts'
import { openHttpSession } from './session.ts'

/** Changes whenever the same data and options would give other scores. Part of the digest. */
const VERSION = 'http evaluator 1'

/** Options that cannot change a score: where the server is, how long and how often it is asked. */
const IRRELEVANT: readonly string[] = [
  'endpoint',
  'api_key_env',
  'load',
  'unload',
  'concurrency',
  'retries',
  'backoff',
  'max_backoff',
  'connect_timeout',
  'timeout',
  'max_response',
  'insecure',
  'storage',
  'companion_files',
  'cwd',
]

export async function createHttpEvaluator(id: string, options: HttpOptions): Promise<Evaluator> {
  const where = `Evaluator ${show(id)}`
  checkFolderOptions(options)
  checkServers(options, where)
  const objectives = options.objectives.map(({ name, direction, unit, reference, ideal, score }) => ({
    objective: { name, direction, unit, reference, ideal, perExample: { low: 0, high: 1 } } satisfies Objective,
    rule: score,
  }))
  const names = objectives.map(({ objective }) => objective.name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) throw new ConfigError(`${where} has two objectives named ${show(twice)}.`)
  const files = new InputFiles()
  const bytes = await files.readTable(options.examples, `${where}: the examples`)
  const list = readExampleList(bytes, options.examples, options.split_rule)
  const questions = readyQuestions(orderExamples(list, names, options.examples), options)
  const plan: HttpPlan = { id, options, folder: options.cwd, objectives, questions }
  const inputs = files.digests()
  const relevant = Object.fromEntries(Object.entries(options).filter(([key]) => !IRRELEVANT.includes(key)))
  const content = { ...relevant, examples: `sha256:${inputs[options.examples]}` }
  return {
    id,
    objectives: objectives.map(({ objective }) => objective),
    digest: createHash('sha256')
      .update(canonicalJson({ version: VERSION, options: content }))
      .digest('hex'),
    inputs,
    open: context => openHttpSession(plan, context),
  }
}

/** Prompts and expectations of all examples, made once: a field that is missing is an error before the first candidate. */
function readyQuestions(
  ordered: Readonly<Record<Split, readonly (readonly ListedExample[])[]>>,
  options: HttpOptions,
): HttpPlan['questions'] {
  const known = new Map<ListedExample, Question>()
  const ready = (example: ListedExample, { rule }: Rule): Question => {
    const { id, record, where } = example
    const question = known.get(example) ?? {
      id,
      prompt: fillFields(options.prompt, record, where),
      expected: expectedOf(record, where),
      fields: record,
      where,
    }
    known.set(example, question)
    if ((rule === 'choice' || rule === 'choice_likelihood') && question.expected.choice === undefined)
      throw new ConfigError(`${where} has no "choices", which the rule ${show(rule)} needs.`)
    return question
  }
  const [search, select, holdout] = SPLITS.map(split =>
    ordered[split].map((list, i) => list.map(example => ready(example, options.objectives[i]!.score))),
  )
  return { search: search!, select: select!, holdout: holdout! }
}

/** @throws {ConfigError} on what would send a key in the clear, a rule that cannot work, or a pattern that is none */
function checkServers(options: HttpOptions, where: string): void {
  const judges = options.objectives.flatMap(({ score }) => (score.rule === 'judge' ? [score] : []))
  for (const { endpoint, api_key_env } of [options, ...judges]) {
    const { protocol, hostname, username, password } = new URL(endpoint.replaceAll('{worker}', '0'))
    if (username !== '' || password !== '')
      throw new ConfigError(`${where}: an address must not hold a password; "api_key_env" names where a key is.`)
    const isNear = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
    if (protocol === 'http:' && !isNear && api_key_env !== undefined && !options.insecure)
      throw new ConfigError(`${where}: the key of ${api_key_env} would travel unencrypted to ${hostname}.`, {
        hint: 'Use https, or set "insecure: true" in a network that you trust.',
      })
  }
  for (const { name, score } of options.objectives) {
    if (score.rule === 'judge' && !score.prompt.includes('{answer_given}'))
      throw new ConfigError(
        `${where}: the judge of objective ${show(name)} never sees the answer: its prompt lacks {answer_given}.`,
      )
    if (score.rule === 'regex') {
      try {
        new RegExp(score.pattern, 'u')
      } catch (cause) {
        throw new ConfigError(
          `${where}: the pattern of objective ${show(name)} is no regular expression: ${show(score.pattern)}.`,
          { cause },
        )
      }
    }
  }
}
