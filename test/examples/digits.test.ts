import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadEvaluatorFile, loadSearchConfig } from '../../src/config/load.ts'
import { createEvaluator } from '../../src/evaluation/registry.ts'
import type { Executor } from '../../src/executors/executor.ts'
import { createInlineExecutor } from '../../src/executors/inline.ts'
import { holdoutValues } from '../helpers/holdout-values.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const digits = join(root, 'examples/digits')
const FILES = [
  'base.safetensors',
  'low.safetensors',
  'high.safetensors',
  'shifted.safetensors',
  'network.onnx',
  'data/low.csv.gz',
  'data/high.csv.gz',
  'data/shifted.csv.gz',
]
const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')

describe('the digits example', () => {
  it('is re-created byte for byte by its trainer', { timeout: 120_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'amalgam-digits-'))
    try {
      const compiled = spawnSync(
        process.execPath,
        ['node_modules/typescript/bin/tsc', '-p', 'examples/tsconfig.json'],
        {
          cwd: root,
          encoding: 'utf8',
        },
      )
      expect(compiled.stdout).toBe('')
      const trained = spawnSync(process.execPath, ['dist/examples/digits/train.js', folder], {
        cwd: root,
        encoding: 'utf8',
      })
      expect(trained.stderr).toBe('')
      for (const file of FILES) expect([file, sha256(join(folder, file))]).toEqual([file, sha256(join(digits, file))])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  describe('its models', () => {
    let executor: Executor
    const config = loadSearchConfig(join(root, 'search-spaces/digits.yaml'))
    beforeAll(async () => {
      executor = await createInlineExecutor({ sources: config.sources, evaluator: config.evaluator })
    })
    afterAll(() => executor.close())

    const holdout = (weights: Readonly<Record<string, number>>) => holdoutValues(executor, weights)

    it('are each at least 93 % right on their own task and poor at another', async () => {
      for (const [position, expert] of ['low', 'high', 'shifted'].entries()) {
        const values = await holdout({ [expert]: 1 })
        expect(values[position]).toBeGreaterThanOrEqual(0.93)
        expect(Math.min(...values)).toBeLessThan(0.5)
      }
    })

    it('average to a model that is poor at the shifted task: merging them is a problem', async () => {
      const average = await holdout({ low: 1, high: 1, shifted: 1 })
      expect(average[2]).toBeLessThan(0.5)
    })

    it('are scored on splits that share no example', async () => {
      const evaluator = await createEvaluator(loadEvaluatorFile(join(root, 'evaluators/digits.yaml')))
      const session = await evaluator.open()
      try {
        expect(session.exampleCount('search')).toEqual([181, 178, 359])
        expect(session.exampleCount('select')).toEqual([107, 108, 215])
        expect(session.exampleCount('holdout')).toEqual([253, 251, 504])
      } finally {
        await session.close()
      }
    })
  })
})
