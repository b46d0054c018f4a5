import type { Candidate, CandidateId, Domain, Gene, Genome } from '../../src/candidate.ts'
import { type Objective, toLoss } from '../../src/objective.ts'
import type { Proposal, ToldTrial } from '../../src/strategies/strategy.ts'

/** A search problem with a known answer. `evaluate` returns raw values, shape (m,), in the objectives' own direction. */
export interface TestProblem {
  readonly name: string
  readonly domain: Domain
  readonly objectives: readonly Objective[]
  /** A best genome, for several objectives one on the front. */
  readonly optimizer: Genome
  /** Values at `optimizer`. */
  readonly optimum: readonly number[]
  evaluate(genome: Genome): readonly number[]
}

/** d real genes `x0`, `x1`, ... with common bounds. `initial`: the middle unless given. */
export function realDomain(d: number, low: number, high: number, initial?: ArrayLike<number>): Domain {
  const start = Float64Array.from({ length: d }, (_, i) => initial?.[i] ?? (low + high) / 2)
  const genes = Array.from(
    start,
    (value, i): Gene => ({ kind: 'real', name: `x${i}`, low, high, scale: 'linear', initial: value }),
  )
  return { genes, initial: start }
}

export function minimize(name: string, reference: number, ideal?: number): Objective {
  return { name, direction: 'minimize', unit: '1', reference, ...(ideal === undefined ? {} : { ideal }) }
}

export function maximize(name: string, reference: number, ideal?: number): Objective {
  return { name, direction: 'maximize', unit: '1', reference, ...(ideal === undefined ? {} : { ideal }) }
}

export function candidateOf(proposal: Proposal, id: CandidateId): Candidate {
  return { id, genome: proposal.genome, parents: proposal.parents ?? [], memo: proposal.memo ?? null }
}

/** The candidate's trial as a strategy sees it. */
export function scored(problem: TestProblem, candidate: Candidate): ToldTrial {
  const losses = problem.evaluate(candidate.genome).map((value, i) => toLoss(problem.objectives[i]!, value))
  return { ...candidate, losses }
}

export function failed(candidate: Candidate): ToldTrial {
  return { ...candidate, losses: undefined }
}

/** Whether the genome is a legal value of every gene. */
export function isInside(domain: Domain, genome: Genome): boolean {
  return (
    genome.length === domain.genes.length &&
    domain.genes.every((gene, i) => {
      const value = genome[i]!
      if (gene.kind === 'real') return value >= gene.low && value <= gene.high
      const [first, last] = gene.kind === 'integer' ? [gene.low, gene.high] : [0, gene.choices.length - 1]
      return Number.isInteger(value) && value >= first && value <= last
    })
  )
}
