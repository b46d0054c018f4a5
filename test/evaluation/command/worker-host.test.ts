import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { evaluatorReference } from '../../../src/evaluation/registry.ts'
import { createWorkerHostExecutor } from '../../../src/executors/host/worker-host.ts'
import { isAlive, jobWith, until, Workbench } from '../../executors/support.ts'
import { PROGRAM, QUALITY, SIZE } from './support.ts'

const bench = new Workbench()
afterAll(() => bench.remove())

it.runIf(process.platform === 'linux')(
  'a host that is killed takes along programs, what they started, and candidate folders',
  async () => {
    const pidFile = join(bench.folder, 'pids')
    let host: number | undefined
    const evaluator = evaluatorReference(
      {
        kind: 'command',
        id: 'program',
        mode: 'warm',
        command: [process.execPath, PROGRAM, 'warm'],
        storage: 'disk',
        env: { PID_FILE: pidFile },
        objectives: [QUALITY, SIZE],
      },
      bench.folder,
      'program.yaml',
    )
    const left = (): string[] =>
      readdirSync(tmpdir()).filter(name => name.includes(`-${host}-`) && name.startsWith('amalgam-candidates'))
    const executor = await createWorkerHostExecutor(
      { sources: [{ id: 'one', path: bench.sourcePath }], evaluator },
      {
        workers: 1,
        evaluationTimeoutMs: 3000,
        onEvent: event => {
          if (event.type === 'spawned') host ??= event.pid
        },
      },
    )
    try {
      // The host's limit is below the program's own: the whole host goes.
      expect(await executor.submit(jobWith(1002))).toMatchObject({ status: 'failed', kind: 'timeout' })
      const pids = readFileSync(pidFile, 'utf8').split(' ').map(Number)
      expect(await until(() => !pids.some(isAlive), 5000)).toBe(true)
      expect(await until(() => left().length === 0, 5000)).toBe(true)
    } finally {
      await executor.close()
    }
  },
)
