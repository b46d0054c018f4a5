import { loadEvaluatorFile } from '../../config/load.ts'
import { AmalgamError, ConfigError, nearest, show } from '../../errors.ts'
import { SPLITS, type Split } from '../../evaluation/evaluator.ts'
import { createEvaluator } from '../../evaluation/registry.ts'
import { describeChoice } from '../../evaluation/session-choices.ts'
import { createWorkerHostExecutor } from '../../executors/host/worker-host.ts'
import { sourcesWithout } from '../../merge/sources.ts'
import { formatInterval, numberFormat } from '../../report/format.ts'
import { valueInterval } from '../../report/statistics.ts'
import { formatTable } from '../../report/table.ts'
import { print, printJson, say, textOptions } from '../output.ts'
import { resolveRecipe } from '../recipe-reference.ts'

export interface EvaluateFlags {
  readonly evaluator?: string
  readonly split: string
  readonly json?: boolean
}

export async function evaluateCommand(what: string, flags: EvaluateFlags): Promise<void> {
  const split = parseSplit(flags.split)
  const { recipe, sources, evaluator: recorded, label } = await resolveRecipe(what, { models: true })
  const reference = flags.evaluator === undefined ? recorded : loadEvaluatorFile(flags.evaluator)
  if (reference === undefined) {
    throw new ConfigError(`Nothing says how to score ${show(what)}.`, {
      hint: 'Name an evaluator: --evaluator evaluators/<name>.yaml',
    })
  }
  const { objectives, unmerged } = await createEvaluator(reference)
  const own = sourcesWithout(sources, unmerged)
  const executor = await createWorkerHostExecutor({ sources: own, evaluator: reference }, { workers: 1 })
  try {
    const evaluation = await executor.submit({ label, recipe, split })
    if (evaluation.status === 'failed') {
      const { kind, reason, hint } = evaluation
      throw new AmalgamError(`${label} could not be scored (${kind}): ${reason}`, hint === undefined ? {} : { hint })
    }
    for (const choice of executor.diagnostics().choices) say(describeChoice(choice))
    if (flags.json) {
      printJson({
        v: 1,
        what,
        evaluator: reference.id,
        split,
        values: Object.fromEntries(objectives.map(({ name }, i) => [name, evaluation.values[i]!])),
      })
      return
    }
    const rows = objectives.map(({ name, unit }, i) => {
      const value = evaluation.values[i]!
      const format = numberFormat([value])
      return [
        name,
        format(value),
        formatInterval(valueInterval(evaluation, i), format),
        String(evaluation.exampleScores?.[i]?.length || ''),
        unit,
      ]
    })
    const { width, paint } = textOptions()
    const columns = [
      { header: 'objective', align: 'left' },
      { header: split, align: 'right' },
      { header: '95 % interval', align: 'left' },
      { header: 'examples', align: 'right' },
      { header: 'unit', align: 'left' },
    ] as const
    print(formatTable(columns, rows, { width, paint }))
  } finally {
    await executor.close()
  }
}

function parseSplit(text: string): Split {
  const split = SPLITS.find(name => name === text)
  if (split !== undefined) return split
  const guess = nearest(text, SPLITS)
  throw new ConfigError(
    `--split takes ${SPLITS.join(', ')}, got ${show(text)}.`,
    guess === undefined ? {} : { hint: `Did you mean "${guess}"?` },
  )
}
