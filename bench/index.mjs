// All measurements, one after the other: npm run bench [name ...]. Nothing else should run meanwhile.
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

const BENCHMARKS = {
  merge: 'bandwidth of the merge kernel beside a plain copy and the TypeScript twin',
  inference: 'time per candidate: merge, inference, everything else',
  overhead: 'time per job of an empty evaluation',
  'cma-es': 'median evaluations to 1e-8 beside pycma and cmaes',
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !Object.hasOwn(BENCHMARKS, name))
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}; there are ${Object.keys(BENCHMARKS).join(', ')}.`)
  process.exit(2)
}
const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout?.trim() || 'unknown'
console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, commit ${commit}`)
let failed = false
for (const [name, what] of Object.entries(BENCHMARKS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`\n== ${name}: ${what}`)
  const script = fileURLToPath(new URL(`${name}.mjs`, import.meta.url))
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' })
  if (status !== 0) failed = true
}
process.exit(failed ? 1 : 0)
