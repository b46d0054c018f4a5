import { ConfigError } from '../../errors.ts'
import { collectCandidate } from '../../report/candidate-facts.ts'
import { collectFacts } from '../../report/facts.ts'
import { reportJson, showJson } from '../../report/json.ts'
import { renderRun } from '../../report/text.ts'
import { renderCandidate } from '../../report/text-candidate.ts'
import { candidateId } from '../../runs/run-reference.ts'
import { withRun } from '../open-run.ts'
import { print, printJson, textOptions } from '../output.ts'

export async function showCommand(
  name: string,
  candidate: string | undefined,
  flags: { readonly json?: boolean; readonly recipe?: boolean },
): Promise<void> {
  const { recipeYaml } = flags.recipe ? await import('../../run-recipe.ts') : {}
  withRun(name, ({ run, config, options }) => {
    const facts = collectFacts(run, options)
    if (candidate === undefined) {
      if (flags.recipe)
        throw new ConfigError('--recipe needs a candidate.', { hint: `amalgam show ${name} winner --recipe` })
      if (flags.json) printJson(reportJson(facts))
      else print(renderRun(facts, textOptions()))
      return
    }
    const id = candidateId(run, candidate)
    const found = collectCandidate(run, id, options)
    if (found === undefined) throw new ConfigError(`There is no candidate ${id}.`)
    if (recipeYaml)
      print(recipeYaml(options.decode(Float64Array.from(found.candidate.genome)), config.resolved, run.manifest))
    else if (flags.json) printJson(showJson(facts, found.candidate, found.ancestors))
    else print(renderCandidate(facts, found.candidate, found.ancestors, textOptions()))
  })
}
