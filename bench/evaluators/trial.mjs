// What it takes to decide how an evaluator is run: the first candidate, on which `threads: auto` and `weights: auto` are decided, beside later ones.
//   npm run build && node bench/evaluators/trial.mjs [tiny-llama,digits,segmentation] [--busy 2] [--candidates 3]
// One worker in this process. --busy: so many other processes that do nothing but compute, as a machine has that is used for something else.
// Exit code 1: a trial took longer than three candidates (of the faster way, measured beside the same neighbours) and half a second.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createInlineExecutor, createRng, loadSearchConfig } from '../../dist/index.js'
import { inspectSources } from '../../dist/merge/sources.js'
import { recordOf } from '../../dist/record-space.js'
import { spaceOf } from '../../dist/run-config.js'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { busy: { type: 'string', default: '0' }, candidates: { type: 'string', default: '3' } },
})
const CANDIDATES = 3
const SPARE_MS = 500
const names = (positionals[0] ?? 'tiny-llama,digits,segmentation').split(',')
const neighbours = Array.from({ length: Number(flags.busy) }, () =>
  spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
)
try {
  for (const name of names) {
    const config = loadSearchConfig(fileURLToPath(new URL(`../../search-spaces/${name}.yaml`, import.meta.url)))
    const space = spaceOf(recordOf(config, inspectSources(config.sources), { weights: true }))
    const executor = await createInlineExecutor({ sources: config.sources, evaluator: config.evaluator })
    const rng = createRng(1)
    const score = async () => {
      const genome = space.genes.map(({ kind, low, high, initial }) =>
        kind === 'real' ? low + (high - low) * rng.uniform() : initial,
      )
      const started = performance.now()
      const evaluation = await executor.submit({
        label: 'candidate',
        recipe: space.decode(Float64Array.from(genome)),
        split: 'search',
      })
      if (evaluation.status !== 'scored') throw new Error(evaluation.reason)
      return performance.now() - started
    }
    const first = await score()
    const later = []
    for (let i = 0; i < Number(flags.candidates); i++) later.push(await score())
    const { choices } = executor.diagnostics()
    await executor.close()
    const candidate = later.sort((a, b) => a - b)[later.length >> 1]
    const trial = first - candidate
    const passed = trial <= CANDIDATES * candidate + SPARE_MS
    if (!passed) process.exitCode = 1
    console.log(
      `${name}, ${flags.busy} busy neighbours: trial ${trial.toFixed(0)} ms, a candidate ${candidate.toFixed(0)} ms: ${(trial / candidate).toFixed(2)} candidates`,
    )
    for (const { option, value, reason } of choices) console.log(`  ${option} ${value}. ${reason}`)
  }
} finally {
  for (const neighbour of neighbours) neighbour.kill()
}
