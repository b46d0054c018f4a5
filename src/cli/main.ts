import { Command, CommanderError } from 'commander'
import { AmalgamError, EXIT } from '../errors.ts'
import { version } from '../version.ts'

/**
 * The command line: a thin rim. Each command lives in `commands/` and is loaded when it is called, so that `--help` and
 * `--version` stay fast. Data goes to stdout, progress and messages to stderr.
 */

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 bad usage or config, 3 environment or damaged run, 4 nothing feasible,
            75 try again later (run locked), 130 and 143 interrupted (state saved).`

function wholeNumber(name: string, minimum: number) {
  return (text: string): number => {
    const value = Number(text)
    if (!/^-?\d+$/.test(text.trim()) || !Number.isSafeInteger(value) || value < minimum) {
      throw new CommanderError(
        EXIT.usage,
        'amalgam.number',
        `error: ${name} takes a whole number of at least ${minimum}, got "${text}".`,
      )
    }
    return value
  }
}

export function createProgram(): Command {
  const program = new Command('amalgam')
    .description('Search for the best way to merge fine-tuned models.')
    .version(version())
    .option('--debug', 'print stack traces')
    .showHelpAfterError('(run "amalgam --help" for the commands)')
    .addHelpText('after', EXIT_CODES)
    .exitOverride()

  program
    .command('search')
    .description('start a search from a search-space file')
    .argument('<space.yaml>', 'search space: models, genes, evaluator, strategy')
    .option('--strategy <name>', 'how to search; "amalgam strategies" lists them (default: the file’s, else auto)')
    .option('--budget <n>', 'candidates to evaluate', wholeNumber('--budget', 1))
    .option('--seed <n>', 'seed of everything random', wholeNumber('--seed', Number.MIN_SAFE_INTEGER))
    .option(
      '--workers <n>',
      'worker threads (default: processor cores); never changes the result',
      wholeNumber('--workers', 1),
    )
    .option('--slots <n>', 'candidates in flight; part of what decides a run', wholeNumber('--slots', 1))
    .option('--evaluator <file>', 'evaluator to use instead of the one the file names')
    .option('--warm-start <run>', 'learn from the trials of a run over the same models, genes and evaluator')
    .option(
      '--guess <recipe>',
      'try a known recipe early: a recipe file or <run>:<candidate>; may be repeated',
      (text: string, before: readonly string[] | undefined) => [...(before ?? []), text],
    )
    .option('--run <dir>', 'folder of the run (default: runs/<name>-<n>)')
    .option('--async', 'tell results in arrival order: no waiting, not reproducible')
    .option('--json', 'print the front as JSON when done')
    .option('--no-cache', 'score everything anew: neither use nor keep example scores of other runs')
    .option('--no-progress', 'no progress on stderr')
    .addHelpText(
      'after',
      '\nExamples:\n  amalgam search search-spaces/digits.yaml --budget 300 --seed 7\n  amalgam search space.yaml --strategy sobol --json > front.json',
    )
    .action(async (file, options) => (await import('./commands/search.ts')).searchCommand(file, options))

  program
    .command('resume')
    .description('go on with an interrupted run, or give a finished one more budget')
    .argument('<run>', 'folder, name under runs/, or "latest"')
    .option('--budget <n>', 'raise the budget to n candidates in all', wholeNumber('--budget', 1))
    .option('--workers <n>', 'worker threads (default: processor cores)', wholeNumber('--workers', 1))
    .option('--json', 'print the front as JSON when done')
    .option('--no-cache', 'score everything anew: neither use nor keep example scores of other runs')
    .option('--no-progress', 'no progress on stderr')
    .addHelpText('after', '\nExamples:\n  amalgam resume digits-1\n  amalgam resume latest --budget 600')
    .action(async (run, options) => (await import('./commands/resume.ts')).resumeCommand(run, options))

  program
    .command('runs')
    .description('list the runs under runs/')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  amalgam runs\n  amalgam runs --json')
    .action(async options => (await import('./commands/runs.ts')).runsCommand(options))

  program
    .command('front')
    .description('the Pareto front of a run, also while it is going on')
    .argument('<run>', 'folder, name under runs/, or "latest"')
    .option('--json', 'print JSON')
    .option('--csv', 'print CSV')
    .addHelpText('after', '\nExamples:\n  amalgam front digits-1\n  amalgam front latest --csv > front.csv')
    .action(async (run, options) => (await import('./commands/front.ts')).frontCommand(run, options))

  program
    .command('show')
    .description('a run, or one of its candidates: genome, values, recipe')
    .argument('<run>', 'folder, name under runs/, or "latest"')
    .argument('[candidate]', 'a candidate’s number, or "winner"')
    .option('--json', 'print JSON')
    .option('--recipe', 'print the candidate’s recipe as YAML, for "amalgam merge"')
    .addHelpText('after', '\nExamples:\n  amalgam show digits-1\n  amalgam show digits-1 winner --recipe > recipe.yaml')
    .action(async (run, candidate, options) =>
      (await import('./commands/show.ts')).showCommand(run, candidate, options),
    )

  program
    .command('merge')
    .description('write the merged model of a recipe, a candidate or a mergekit configuration')
    .argument('<recipe>', 'a recipe file, <run>:<candidate>, or a mergekit configuration')
    .requiredOption('--out <path>', 'a .safetensors or .onnx file, or a folder')
    .option(
      '--seed <number>',
      'of random masks, for a mergekit configuration (default: the one it was exported with, else 0)',
    )
    .option('--shard-size <size>', 'most bytes of one weight file of a folder (default "5 GB")')
    .option('--no-digests', "leave the SHA-256 of the models' files out of a mergekit merge's model card: faster")
    .option('--external-data', 'write the weights of an .onnx file beside it, also below 2 GB')
    .option('--compare', 'merge in memory too, as a search does, and say how far the two are apart')
    .option('--adapter', 'write the merge of adapters of one model as an adapter')
    .option('--allow-non-finite', 'merge NaN and infinities in the weights, and list them, instead of refusing them')
    .option('--json', 'print what was written as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  amalgam merge digits-1:winner --out merged/\n  amalgam merge recipe.yaml --out merged.safetensors\n' +
        '  amalgam merge recipe.yaml --out merged.onnx\n' +
        '  amalgam merge mergekit.yml --out merged/ --shard-size "2 GB"',
    )
    .action(async (recipe, options) => (await import('./commands/merge.ts')).mergeCommand(recipe, options))

  program
    .command('export')
    .description('write a recipe or a candidate as a mergekit configuration')
    .argument('<recipe>', 'a recipe file or <run>:<candidate>')
    .option('--out <file>', 'where to (default: standard output)')
    .option('--json', 'print the configuration as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  amalgam export digits-1:winner > mergekit.yml\n  amalgam export recipe.yaml --out mergekit.yml',
    )
    .action(async (recipe, options) => (await import('./commands/export.ts')).exportCommand(recipe, options))

  program
    .command('inspect')
    .description('what models consist of, whether they can be merged, and how far apart they are')
    .argument('<model...>', 'files, folders, or MODEL+ADAPTER')
    .option('--base <model>', 'their common ancestor: compares task vectors, which reads all weights once')
    .option('--headers', 'read no weights')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  amalgam inspect model/\n  amalgam inspect math/ code/ --base llama/')
    .action(async (models, options) => (await import('./commands/inspect.ts')).inspectCommand(models, options))

  program
    .command('evaluate')
    .description('score a recipe, a candidate or a model file')
    .argument('<what>', 'a recipe file, <run>:<candidate>, or a model (file or folder)')
    .option('--evaluator <file>', 'evaluator file (default for a candidate: its run’s)')
    .option('--split <split>', 'search, select or holdout', 'search')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  amalgam evaluate digits-1:winner --split holdout\n  amalgam evaluate merged/ --evaluator evaluators/digits.yaml --split holdout',
    )
    .action(async (what, options) => (await import('./commands/evaluate.ts')).evaluateCommand(what, options))

  program
    .command('report')
    .description('write report.html and report.md into a run’s folder')
    .argument('<run>', 'folder, name under runs/, or "latest"')
    .option('--json', 'print the facts of the report as JSON')
    .addHelpText('after', '\nExamples:\n  amalgam report digits-1\n  amalgam report latest --json')
    .action(async (run, options) => (await import('./commands/report.ts')).reportCommand(run, options))

  program
    .command('validate')
    .description('check a search-space file without reading weights; lists all problems')
    .argument('<space.yaml>', 'search space')
    .option('--evaluator <file>', 'evaluator to use instead of the one the file names')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  amalgam validate search-spaces/digits.yaml\n  amalgam validate evolve.yml --evaluator evaluators/digits.yaml',
    )
    .action(async (file, options) => (await import('./commands/validate.ts')).validateCommand(file, options))

  program
    .command('strategies')
    .description('list the ways to search, or the options of one')
    .argument('[kind]', 'name of a strategy')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  amalgam strategies\n  amalgam strategies cma-es')
    .action(async (kind, options) => (await import('./commands/strategies.ts')).strategiesCommand(kind, options))

  for (const command of program.commands)
    command.exitOverride().showHelpAfterError(`(run "amalgam ${command.name()} --help")`)
  return program
}

/** Prints an error the way people can act on; returns the exit code. */
export function reportError(error: unknown, debug: boolean): number {
  if (error instanceof CommanderError) {
    if (error.code === 'amalgam.number') process.stderr.write(`${error.message}\n`)
    return error.exitCode === 0 ? EXIT.done : EXIT.usage
  }
  if (error instanceof AmalgamError) {
    process.stderr.write(`error: ${error.message}\n`)
    if (error.hint !== undefined) process.stderr.write(`  ${error.hint}\n`)
    if (debug) process.stderr.write(`${error.stack}\n`)
    return error.exitCode
  }
  process.stderr.write(`unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return EXIT.failed
}

async function main(): Promise<void> {
  // A reader that closes the pipe (`| head`) ends the output, not with an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.done)
    throw error
  })
  const program = createProgram()
  try {
    await program.parseAsync()
  } catch (error) {
    process.exitCode = reportError(error, program.opts<{ debug?: boolean }>().debug === true)
  }
}

await main()
