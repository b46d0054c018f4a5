import { createHash } from 'node:crypto'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import { ConfigError, show } from '../../errors.ts'
import { canonicalJson } from '../../space/recipe.ts'
import { checkFolderOptions } from '../candidate-folders.ts'
import { InputFiles } from '../data/files.ts'
import type { Evaluator } from '../evaluator.ts'
import { orderExamples, readExampleList } from '../example-list.ts'
import { environmentOf } from './child.ts'
import type { CommandOptions } from './options.ts'
import { requireKnown } from './placeholders.ts'
import { answeredObjectives, type CommandPlan } from './plan.ts'
import { openCommandSession } from './session.ts'

/** Changes whenever the same files and options would give other scores. Part of the digest. */
const VERSION = 'command evaluator 1'

/** Options that cannot change a score. */
const IRRELEVANT = ['storage', 'companion_files', 'timeout', 'start_timeout', 'max_output', 'cwd', 'pass_env'] as const

/** An argument that names a file is part of what decides a score, unless it is as large as data. */
const ARGUMENT_BYTES_LIMIT = 64 << 20

const PLACEHOLDERS = ['model', 'split', 'seed', 'out', 'request', 'samples', 'worker']

export async function createCommandEvaluator(id: string, options: CommandOptions): Promise<Evaluator> {
  const where = `Evaluator ${show(id)}`
  checkCommand(options, where)
  checkFolderOptions(options)
  const files = new InputFiles()
  for (const path of [...options.inputs, ...argumentFiles(options)]) await files.read(path, `${where}: the file`)
  const objectives = answeredObjectives(options)
  const names = objectives.map(({ objective }) => objective.name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) throw new ConfigError(`${where} has two objectives named ${show(twice)}.`)
  const { examples } = options
  const listed =
    typeof examples === 'string'
      ? orderExamples(
          readExampleList(await files.readTable(examples, `${where}: the examples`), examples, options.split_rule),
          names,
          examples,
        )
      : undefined
  const plan: CommandPlan = { id, options, objectives, listed }
  const inputs = files.digests()
  return {
    id,
    objectives: objectives.map(({ objective }) => objective),
    digest: digestOf(options, inputs),
    inputs,
    open: context => openCommandSession(plan, context),
  }
}

/** Contents, not places: the same program and data elsewhere are the same evaluator. */
function digestOf(options: CommandOptions, inputs: Readonly<Record<string, string>>): string {
  const byContent = (text: string): string => {
    const digest = inputs[resolve(options.cwd, text)]
    return digest === undefined ? text : `sha256:${digest}`
  }
  const { command, inputs: named, companions, examples, ...others } = options
  const relevant = Object.fromEntries(
    Object.entries(others).filter(([key]) => !(IRRELEVANT as readonly string[]).includes(key)),
  )
  const content = {
    ...relevant,
    command: typeof command === 'string' ? command : command.map(byContent),
    inputs: named.map(byContent),
    companions: companions !== undefined,
    examples: typeof examples === 'string' ? byContent(examples) : (examples ?? null),
  }
  return createHash('sha256')
    .update(canonicalJson({ version: VERSION, options: content }))
    .digest('hex')
}

/** Arguments that are files, such as a script: not the program itself, which differs from machine to machine. */
function argumentFiles({ command, cwd }: CommandOptions): string[] {
  if (typeof command === 'string') return []
  return command
    .slice(1)
    .filter(
      argument => argument !== '' && !argument.startsWith('-') && argument.length < 4096 && !argument.includes('\0'),
    )
    .map(argument => resolve(cwd, argument))
    .filter(path => {
      const stats = statSync(path, { throwIfNoEntry: false })
      return stats?.isFile() === true && stats.size <= ARGUMENT_BYTES_LIMIT
    })
}

/** What would fail for every candidate is said before the first. @throws {ConfigError} */
function checkCommand(options: CommandOptions, where: string): void {
  const { command, cwd, mode, result, answer, variables, partial_arguments: partial } = options
  if (!statSync(cwd, { throwIfNoEntry: false })?.isDirectory())
    throw new ConfigError(`${where}: "cwd" names ${show(cwd, 200)}, which is no folder.`)
  const texts = [...(typeof command === 'string' ? [command] : command), ...partial]
  requireKnown(texts, [...PLACEHOLDERS, ...Object.keys(variables)], `${where}: "command"`)
  const uses = (name: string): boolean => texts.some(text => text.includes(`{${name}}`))
  const clash = Object.keys(variables).find(name => PLACEHOLDERS.includes(name))
  if (clash !== undefined)
    throw new ConfigError(`${where}: the variable ${show(clash)} has the name of a placeholder that there is already.`)
  if (mode === 'once') {
    if ((result === 'file' || answer === 'lm-eval') && !uses('out'))
      throw new ConfigError(`${where}: the answer is to be found in {out}, but the command does not mention {out}.`, {
        hint: 'Add it to the arguments, as in ["--output", "{out}"].',
      })
    if (options.model_files && !uses('model') && !uses('request'))
      throw new ConfigError(
        `${where}: the command mentions neither {model} nor {request}, so it cannot find the candidate.`,
        {
          hint: 'Add {model} to the arguments, or set "model_files: false" if it needs none.',
        },
      )
  } else {
    const early = ['model', 'split', 'out', 'request', 'samples'].find(uses)
    if (early !== undefined)
      throw new ConfigError(
        `${where}: {${early}} is not known when a warm program is started; it is part of every request.`,
      )
  }
  if (typeof command !== 'string') checkProgram(command[0]!, options, where)
}

function checkProgram(program: string, { cwd, env, pass_env }: CommandOptions, where: string): void {
  if (process.platform === 'win32') return // endings and lookup rules of its own: starting it will tell
  const isPath = program.includes('/')
  const folders = (environmentOf(env, pass_env).PATH ?? '').split(delimiter)
  const places = isPath
    ? [isAbsolute(program) ? program : join(cwd, program)]
    : folders.map(folder => join(folder, program))
  const found = places.some(place => {
    try {
      accessSync(place, constants.X_OK)
      return statSync(place).isFile()
    } catch {
      return false
    }
  })
  if (found) return
  throw new ConfigError(
    `${where}: the program ${show(program, 200)} ${isPath ? `is no executable file (looked for ${show(places[0], 200)})` : 'is in no folder of PATH'}.`,
    { hint: 'Is the environment that has it active? A path is relative to "cwd".' },
  )
}
