import { frontCsv } from '../../report/csv.ts'
import { collectFacts } from '../../report/facts.ts'
import { frontJson } from '../../report/json.ts'
import { renderFront } from '../../report/text.ts'
import { withRun } from '../open-run.ts'
import { print, printJson, textOptions } from '../output.ts'

export function frontCommand(name: string, flags: { readonly json?: boolean; readonly csv?: boolean }): void {
  withRun(name, ({ run, options }) => {
    const facts = collectFacts(run, options)
    if (flags.json) printJson(frontJson(facts))
    else if (flags.csv) print(frontCsv(facts))
    else print(renderFront(facts, textOptions()))
  })
}
