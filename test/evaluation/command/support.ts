import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MergedModel } from '../../../src/evaluation/evaluator.ts'
import { createEvaluator, evaluatorReference } from '../../../src/evaluation/registry.ts'

export const PROGRAM = fileURLToPath(new URL('../../fixtures/programs/program.mjs', import.meta.url))

/** A model whose `code` is what the fixture program reads. */
export function modelWith(code: number, size = 3): MergedModel {
  const data = new Float32Array(size).fill(code)
  return { tensors: new Map([['code', { dtype: 'float32', shape: [size], data }]]) }
}

export const QUALITY = { name: 'quality', direction: 'maximize', reference: 0, ideal: 1, range: [0, 1] } as const
export const SIZE = { name: 'size', direction: 'minimize', reference: 1e6, value: 'program' } as const

/** Examples q0..q14: six for the search, four to select, five held out, of two kinds. They count for the objective `quality` only. */
export function writeExamples(folder: string): string {
  const lines = Array.from({ length: 15 }, (_, i) => ({
    id: `q${i}`,
    split: i < 6 ? 'search' : i < 10 ? 'select' : 'holdout',
    stratum: i % 2 === 0 ? 'even' : 'odd',
    objective: 'quality',
  }))
  const path = join(folder, 'examples.jsonl')
  writeFileSync(path, lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  return path
}

/** `document` on top of a warm program with one objective. */
export async function make(folder: string, document: Readonly<Record<string, unknown>> = {}) {
  return createEvaluator(
    evaluatorReference(
      {
        kind: 'command',
        id: 'program',
        mode: 'warm',
        command: [process.execPath, PROGRAM, 'warm'],
        storage: folder,
        timeout: 20,
        objectives: [QUALITY],
        ...document,
      },
      folder,
      'program.yaml',
    ),
  )
}

export const ONCE = { mode: 'once', command: [process.execPath, PROGRAM, 'once', '{model}', '{request}'] } as const
