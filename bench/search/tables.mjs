// Tables of all results, as Markdown, and plots into bench/results/search/plots/: node bench/search/tables.mjs [cma|bbob|bo|mo|overhead …]
import { plotBbob, plotBo, plotCma, plotMo } from './lib/plots.mjs'
import { bbobTable } from './lib/tables-bbob.mjs'
import { boTable } from './lib/tables-bo.mjs'
import { cmaTable } from './lib/tables-cma.mjs'
import { moTable } from './lib/tables-mo.mjs'
import { overheadTable } from './lib/tables-overhead.mjs'

const PROOFS = {
  cma: [cmaTable, plotCma],
  bbob: [bbobTable, plotBbob],
  bo: [boTable, plotBo],
  mo: [moTable, plotMo],
  overhead: [overheadTable, () => {}],
}

const wanted = process.argv.slice(2)
for (const name of wanted.length === 0 ? Object.keys(PROOFS) : wanted) {
  const proof = PROOFS[name]
  if (proof === undefined) throw new RangeError(`Expected ${Object.keys(PROOFS).join(', ')}, got ${name}.`)
  const [print, plot] = proof
  console.log(`## ${name}\n\n${print()}\n`)
  plot()
}
