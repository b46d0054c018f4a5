import type { Snapshot, Strategy } from '../../src/strategies/strategy.ts'
import { candidateOf, scored, type TestProblem } from '../problems/problem.ts'

/** A strategy to restore from `snapshot` and to go on with, for `rounds` rounds. */
export interface StrategyRounds {
  readonly kind: string
  readonly options: unknown
  readonly snapshot: Snapshot
  readonly seed: number
  readonly firstId: number
  readonly rounds: number
}

export interface Continuation {
  readonly genomes: readonly (readonly number[])[]
  readonly snapshot: Snapshot
}

/** Asks for up to seven and tells them, `rounds` times. */
export function continueStrategy(
  strategy: Strategy,
  problem: TestProblem,
  firstId: number,
  rounds: number,
): Continuation {
  const genomes: (readonly number[])[] = []
  for (let round = 0, id = firstId; round < rounds; round++) {
    const proposals = strategy.ask(7)
    genomes.push(...proposals.map(proposal => [...proposal.genome]))
    strategy.tell(proposals.map(proposal => scored(problem, candidateOf(proposal, id++))))
  }
  return { genomes, snapshot: strategy.snapshot() }
}
