import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { listRuns } from '../../src/runs/list-runs.ts'
import { createRun } from '../../src/runs/run-folder.ts'
import { tempFolder } from '../helpers/temp-run.ts'
import { candidate, failed, manifest, scored } from '../helpers/trials.ts'

describe('listRuns', () => {
  it('says of each run how far it is, oldest first, damaged ones last', () => {
    const root = tempFolder()
    const begin = (name: string, createdAt: string) =>
      createRun(join(root, name), manifest({ createdAt, runId: name }), { budget: 5 })
    const told = (run: ReturnType<typeof begin>) => {
      run.recordAsked(3, [candidate(0, [0, 0]), candidate(1, [0, 0]), candidate(2, [0, 0])])
      run.recordEvaluation(0, scored([0.5, 2]))
      run.recordEvaluation(1, scored([0.9, 1]))
      run.recordEvaluation(2, failed('threw', 'no'))
      run.recordTold([0])
      run.recordTold([2])
      return run
    }
    const running = told(begin('running', '2026-03-01T00:00:00.000Z'))
    told(begin('interrupted', '2026-02-01T00:00:00.000Z')).close()
    const finished = told(begin('finished', '2026-01-01T00:00:00.000Z'))
    finished.recordTold([1])
    finished.recordStopped({ criterion: 'budget', detail: '3 evaluations' })
    finished.close()
    mkdirSync(join(root, 'damaged'))
    writeFileSync(join(root, 'damaged', 'run.sqlite'), 'x'.repeat(1000))
    mkdirSync(join(root, 'no run'))
    writeFileSync(join(root, 'file'), '')

    const common = { strategy: 'fake', told: 2, failed: 1, budget: 5 }
    const best = { id: 0, values: { accuracy: 0.5, size: 2 } }
    expect(listRuns(root)).toEqual([
      {
        ...common,
        id: 'finished',
        state: 'finished',
        createdAt: '2026-01-01T00:00:00.000Z',
        told: 3,
        best: { id: 1, values: { accuracy: 0.9, size: 1 } },
      },
      { ...common, id: 'interrupted', state: 'interrupted', createdAt: '2026-02-01T00:00:00.000Z', best },
      { ...common, id: 'running', state: 'running', createdAt: '2026-03-01T00:00:00.000Z', best },
      { id: 'damaged', state: 'damaged', problem: expect.stringContaining('it is not an SQLite file.') },
    ])
    running.close()
  })

  it('is empty where no run has been made', () => {
    expect(listRuns(join(tempFolder(), 'none'))).toEqual([])
  })

  it('names no best run where nothing was scored', () => {
    const root = tempFolder()
    createRun(join(root, 'new'), manifest(), { budget: 1 }).close()
    expect(listRuns(root)).toMatchObject([{ id: 'new', state: 'interrupted', told: 0, best: undefined }])
  })
})
