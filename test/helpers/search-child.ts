// A whole search in a process of its own, to be killed: `node --import typescript-loader.mjs search-child.ts <folder> <budget> <seed>`.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { replay } from '../../src/resume.ts'
import { createRng } from '../../src/rng.ts'
import { createRun, openRun, RUN_FILE } from '../../src/runs/run-folder.ts'
import { search } from '../../src/search.ts'
import { fakeExecutor } from './fake-executor.ts'
import { FAKE_MANIFEST, FAKE_SPACE, fakeArchive, fakeScore, steadyState } from './fake-search.ts'
import { TWO_OBJECTIVES } from './trials.ts'

const [folder = '', budget = '', seed = ''] = process.argv.slice(2)
const rng = createRng(Number(seed))
const run = existsSync(join(folder, RUN_FILE))
  ? openRun(folder)
  : createRun(folder, FAKE_MANIFEST, { budget: Number(budget) })
const archive = fakeArchive()
const { strategy, pending } = replay(run, steadyState(), archive)
await search(
  {
    space: FAKE_SPACE,
    objectives: TWO_OBJECTIVES,
    strategy,
    executor: fakeExecutor({ score: fakeScore, delayMs: () => rng.integer(0, 4) }),
    archive,
    run,
    budget: run.budget,
    slots: 4,
    pending,
    snapshotEvery: 7,
    onProgress: ({ done }) => process.stdout.write(`${done}\n`),
  },
  new AbortController().signal,
)
run.close()
