import { frontCsv } from '../../report/csv.ts'
import { collectFront } from '../../report/front-facts.ts'
import { renderFront } from '../../report/text.ts'
import { withRun } from '../open-run.ts'
import { print, printJson, textOptions } from '../output.ts'

export async function frontCommand(
  name: string,
  flags: { readonly json?: boolean; readonly csv?: boolean },
): Promise<void> {
  if (flags.json) {
    const [{ collectFacts }, { frontJson }] = await Promise.all([
      import('../../report/facts.ts'),
      import('../../report/json.ts'),
    ])
    withRun(name, ({ run, options }) => printJson(frontJson(collectFacts(run, options))))
    return
  }
  withRun(name, ({ run, options }) => {
    const facts = collectFront(run, options)
    print(flags.csv ? frontCsv(facts) : renderFront(facts, textOptions()))
  })
}
