import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { createRng } from '../../src/rng.ts'
import { STRATEGIES } from '../../src/strategies/registry.ts'
import { type Continuation, continueStrategy, type StrategyRounds } from '../helpers/strategy-rounds.ts'
import { sphere } from '../problems/single-objective.ts'

const path = (name: string): string => fileURLToPath(new URL(`../helpers/${name}`, import.meta.url))

describe('a snapshot', () => {
  const problem = sphere(3)
  const started = Object.values(STRATEGIES).map(definition => {
    const context = { domain: problem.domain, objectives: problem.objectives, rng: createRng(5), budget: undefined }
    const strategy = definition.create(context, definition.options.parse({}))
    const { genomes, snapshot } = continueStrategy(strategy, problem, 0, 13)
    return { kind: definition.kind, strategy, snapshot, firstId: genomes.length }
  })
  let continued: readonly Continuation[] = []

  // One process continues them all: most of its time goes to compiling what they share.
  beforeAll(() => {
    const requests = started.map(
      ({ kind, snapshot, firstId }): StrategyRounds => ({ kind, options: {}, snapshot, seed: 5, firstId, rounds: 20 }),
    )
    const child = spawnSync(
      process.execPath,
      ['--import', path('typescript-loader.mjs'), path('continue-strategy.ts')],
      { input: JSON.stringify(requests), encoding: 'utf8' },
    )
    expect(child.stderr).toBe('')
    continued = JSON.parse(child.stdout)
    expect(continued).toHaveLength(started.length)
  })

  for (const [i, { kind, strategy, firstId }] of started.entries())
    it(`of ${kind} continues bit by bit in another process`, () => {
      expect(continued[i]).toEqual(continueStrategy(strategy, problem, firstId, 20))
    })
})
