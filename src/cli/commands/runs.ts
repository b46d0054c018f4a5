import { printable } from '../../report/plain-text.ts'
import { formatTable } from '../../report/table.ts'
import { listRuns } from '../../runs/list-runs.ts'
import { RUNS_FOLDER } from '../../runs/run-reference.ts'
import { print, printJson, textOptions } from '../output.ts'

export function runsCommand(flags: { readonly json?: boolean }): void {
  const runs = listRuns(RUNS_FOLDER)
  if (flags.json) {
    printJson(runs)
    return
  }
  if (runs.length === 0) {
    print(`No runs under ${RUNS_FOLDER}/ yet. Start one: amalgam search <space.yaml>`)
    return
  }
  const columns = [
    { header: 'run', align: 'left' },
    { header: 'state', align: 'left' },
    { header: 'strategy', align: 'left' },
    { header: 'evaluations', align: 'right' },
    { header: 'failed', align: 'right' },
    { header: 'started', align: 'left' },
    { header: 'best', align: 'left' },
  ] as const
  const rows = runs.map(run => {
    if (run.state === 'damaged') return [printable(run.id), 'damaged', '', '', '', '', printable(run.problem, 200)]
    const best =
      run.best && Object.entries(run.best.values).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
    return [
      printable(run.id),
      run.state,
      printable(run.strategy),
      `${run.told}/${run.budget}`,
      String(run.failed),
      run.createdAt.slice(0, 16).replace('T', ' '),
      run.best === undefined ? '' : printable(`${run.best.id}: ${best?.join(', ')}`, 200),
    ]
  })
  const { width, paint } = textOptions()
  print(formatTable(columns, rows, { width, paint }))
}
