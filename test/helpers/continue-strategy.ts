// Run as a program: reads a list of { kind, options, snapshot, seed, firstId, rounds } from standard input. Restores each strategy
// on sphere(3), goes on for some whole rounds and prints, in the same order, what they proposed and their last snapshots.
import { text } from 'node:stream/consumers'
import { createRng } from '../../src/rng.ts'
import { strategyDefinition } from '../../src/strategies/registry.ts'
import { sphere } from '../problems/single-objective.ts'
import { continueStrategy, type StrategyRounds } from './strategy-rounds.ts'

const requests: StrategyRounds[] = JSON.parse(await text(process.stdin))
const problem = sphere(3)
const continuations = requests.map(({ kind, options, snapshot, seed, firstId, rounds }) => {
  const definition = strategyDefinition(kind)
  const context = { domain: problem.domain, objectives: problem.objectives, rng: createRng(seed), budget: undefined }
  const strategy = definition.restore(context, definition.options.parse(options), snapshot)
  return continueStrategy(strategy, problem, firstId, rounds)
})
process.stdout.write(JSON.stringify(continuations))
