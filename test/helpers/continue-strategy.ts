// Run as a program: reads { kind, options, snapshot, seed, firstId, rounds } from standard input, restores the strategy on
// sphere(3), goes on for some whole rounds and prints what it proposed and its last snapshot.
import { text } from 'node:stream/consumers'
import { createRng } from '../../src/rng.ts'
import { strategyDefinition } from '../../src/strategies/registry.ts'
import { continueStrategy } from './strategy-rounds.ts'

const { kind, options, snapshot, seed, firstId, rounds } = JSON.parse(await text(process.stdin))
const definition = strategyDefinition(kind)
const { sphere } = await import('../problems/single-objective.ts')
const problem = sphere(3)
const context = { domain: problem.domain, objectives: problem.objectives, rng: createRng(seed), budget: undefined }
const strategy = definition.restore(context, definition.options.parse(options), snapshot)
process.stdout.write(JSON.stringify(continueStrategy(strategy, problem, firstId, rounds)))
