import { collectFacts } from '../../report/facts.ts'
import { reportJson } from '../../report/json.ts'
import { writeReport } from '../../report/write.ts'
import { withRun } from '../open-run.ts'
import { print, printJson } from '../output.ts'

export function reportCommand(name: string, flags: { readonly json?: boolean }): void {
  withRun(name, ({ run, options }) => {
    const facts = collectFacts(run, options)
    if (flags.json) {
      printJson(reportJson(facts))
      return
    }
    for (const file of writeReport(run.folder, facts)) print(file)
  })
}
