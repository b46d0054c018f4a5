import { loadSearchConfig } from '../../config/load.ts'
import { selectObjectives } from '../../config/objectives.ts'
import { createEvaluator } from '../../evaluation/registry.ts'
import { inspectSources, sourcesWithout } from '../../merge/sources.ts'
import { recordOf } from '../../record-space.ts'
import { spaceOf } from '../../run-config.ts'
import { hasMethodPerGroup, methodNames } from '../../space/genome-config.ts'
import { startOrigin } from '../../start.ts'
import { gatherStart } from '../../warm-start.ts'
import { print, printJson } from '../output.ts'

/** Reads headers and data, never weights. Every problem of the file is reported at once, by the loader. */
export async function validateCommand(
  file: string,
  flags: { readonly evaluator?: string; readonly json?: boolean },
): Promise<void> {
  const config = loadSearchConfig(file, { evaluator: flags.evaluator })
  const evaluator = await createEvaluator(config.evaluator)
  const { objectives } = selectObjectives(evaluator.objectives, config.objectives)
  const recorded = recordOf(config, inspectSources(sourcesWithout(config.sources, evaluator.unmerged)), {
    weights: false,
  })
  const { tensors } = recorded
  const space = spaceOf(recorded)
  // The models' own files are compared when the run starts: that reads all of them.
  const facts = gatherStart(config, { space, objectives, digests: {} })
  const { warmStart, guesses = [] } = startOrigin({ folder: file, fact: name => facts[name] })
  if (flags.json) {
    printJson({
      v: 1,
      valid: true,
      genes: space.genes.map(({ name, kind }) => ({ name, kind })),
      objectives: objectives.map(({ name, direction }) => ({ name, direction })),
      sources: config.sources,
      strategy: config.strategy.kind,
      budget: config.budget,
      warmStart: warmStart ?? null,
      guesses,
      notes: config.notes,
    })
    return
  }
  const method = `${methodNames(config.genome).join(', ')}${hasMethodPerGroup(config.genome) ? ' (per layer group)' : ''}`
  const lines = [
    `${file} is valid.`,
    `  method      ${method} of ${config.models.join(', ')}${config.base === undefined ? '' : `, base ${config.base}`}`,
    ...config.sources.flatMap(({ id, statistics }) =>
      statistics === undefined ? [] : [`  statistics  ${id}: ${statistics}`],
    ),
    `  tensors     ${tensors.length}`,
    `  genes       ${space.genes.length}`,
    `  objectives  ${objectives.map(({ name, direction }) => `${name} (${direction})`).join(', ')}`,
    `  strategy    ${config.strategy.kind}, ${config.budget} evaluations, seed ${config.seed}`,
    ...(warmStart === undefined
      ? []
      : [
          `  warm start  ${warmStart.trials} trials of ${warmStart.run}${warmStart.leftOut > 0 ? `; ${warmStart.leftOut} outside the bounds are left out` : ''}`,
        ]),
    ...(guesses.length === 0 ? [] : [`  guesses     ${guesses.join(', ')}`]),
    ...config.notes.map(note => `  note        ${note}`),
  ]
  print(lines.join('\n'))
}
