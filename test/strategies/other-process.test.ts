import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createRng } from '../../src/rng.ts'
import { STRATEGIES } from '../../src/strategies/registry.ts'
import { continueStrategy } from '../helpers/strategy-rounds.ts'
import { sphere } from '../problems/single-objective.ts'

const path = (name: string): string => fileURLToPath(new URL(`../helpers/${name}`, import.meta.url))

describe('a snapshot', () => {
  for (const definition of Object.values(STRATEGIES)) {
    it(`of ${definition.kind} continues bit by bit in another process`, () => {
      const problem = sphere(3)
      const context = { domain: problem.domain, objectives: problem.objectives, rng: createRng(5), budget: undefined }
      const strategy = definition.create(context, definition.options.parse({}))
      const { genomes, snapshot } = continueStrategy(strategy, problem, 0, 13)
      const child = spawnSync(
        process.execPath,
        ['--import', path('typescript-loader.mjs'), path('continue-strategy.ts')],
        {
          input: JSON.stringify({
            kind: definition.kind,
            options: {},
            snapshot,
            seed: 5,
            firstId: genomes.length,
            rounds: 20,
          }),
          encoding: 'utf8',
        },
      )
      expect(child.stderr).toBe('')
      expect(JSON.parse(child.stdout)).toEqual(continueStrategy(strategy, problem, genomes.length, 20))
    })
  }
})
