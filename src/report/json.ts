import type { Objective } from '../objective.ts'
import type { Ancestor, CandidateFacts } from './candidate-facts.ts'
import type { RunFacts } from './facts.ts'
import type { SplitScores } from './split-scores.ts'

/** Version of the shapes below: raised when a field is renamed or changes its meaning, not when one is added. */
export const JSON_VERSION = 1

type ValuesByName = Readonly<Record<string, number>>

/** `amalgam front --json`. */
export interface FrontJson {
  readonly v: typeof JSON_VERSION
  readonly run: string
  readonly seed: number
  readonly strategy: string
  readonly evaluations: number
  readonly objectives: readonly { readonly name: string; readonly direction: Objective['direction'] }[]
  readonly hypervolume: number
  readonly candidates: readonly CandidateJson[]
  /** Ids of candidates where a little of one objective costs much of another, the most pronounced first. */
  readonly knees: readonly number[]
  readonly baselines: readonly BaselineJson[]
  readonly start: RunFacts['start']
  readonly decisions: RunFacts['decisions']
  /** What decided the speed and was left to the machine: workers, threads of a session, how weights are given. */
  readonly choices: RunFacts['choices']
  readonly failed: number
  readonly budget: number
  /** Which criterion ended the search; `null`: it has not ended. */
  readonly stopped: string | null
  readonly winner: { readonly id: number; readonly rule: string } | null
  /** The front's other members on `select`, with simultaneous 95 % intervals of how far they are behind the winner. `null`: none. */
  readonly contenders: RunFacts['contenders'] | null
  readonly comparisons: RunFacts['comparisons']
}

interface CandidateJson {
  readonly id: number
  readonly genome: readonly number[]
  readonly values: ValuesByName // search split
  readonly select?: ValuesByName
  readonly holdout?: ValuesByName
  readonly recipe: CandidateFacts['recipe'] | null
}

interface BaselineJson {
  readonly name: string
  /** Search split; empty where the baseline failed or was not scored on it. */
  readonly values: ValuesByName
  readonly select?: ValuesByName
  readonly holdout?: ValuesByName
}

export function frontJson(facts: RunFacts): FrontJson {
  const { objectives } = facts
  return {
    v: JSON_VERSION,
    run: facts.run,
    seed: facts.seed,
    strategy: facts.strategy,
    evaluations: facts.counts.told,
    objectives: objectives.map(({ name, direction }) => ({ name, direction })),
    hypervolume: facts.hypervolume,
    candidates: facts.front.map(candidate => candidateJson(candidate, objectives)),
    knees: facts.knees,
    baselines: facts.baselines.map(({ name, scores }) => ({
      name,
      values: byName(scores.search, objectives) ?? {},
      ...optional('select', byName(scores.select, objectives)),
      ...optional('holdout', byName(scores.holdout, objectives)),
    })),
    start: facts.start,
    decisions: facts.decisions,
    choices: facts.choices,
    failed: facts.counts.failed,
    budget: facts.budget,
    stopped: facts.stopReason?.criterion ?? null,
    winner: facts.winner === undefined ? null : { id: facts.winner.candidate.id, rule: facts.winner.rule },
    contenders: facts.contenders ?? null,
    comparisons: facts.comparisons,
  }
}

/** `amalgam show <run> <candidate> --json`. */
export function showJson(
  facts: Pick<RunFacts, 'run' | 'objectives' | 'geneNames'>,
  candidate: CandidateFacts,
  ancestors: readonly Ancestor[],
) {
  return {
    v: JSON_VERSION,
    run: facts.run,
    ...candidateJson(candidate, facts.objectives),
    genes: Object.fromEntries(facts.geneNames.map((name, g) => [name, candidate.genome[g] ?? null])),
    parents: candidate.parents,
    scores: candidate.scores,
    ancestors: ancestors.map(({ id, parents, generation, search }) => ({
      id,
      parents,
      generation,
      values: byName(search, facts.objectives) ?? null,
    })),
  }
}

/** `amalgam report --json`: everything that the report shows. */
export function reportJson(facts: RunFacts) {
  return { v: JSON_VERSION, ...facts }
}

function candidateJson(
  { id, genome, scores, recipe }: CandidateFacts,
  objectives: readonly Objective[],
): CandidateJson {
  return {
    id,
    genome,
    values: byName(scores.search, objectives) ?? {},
    ...optional('select', byName(scores.select, objectives)),
    ...optional('holdout', byName(scores.holdout, objectives)),
    recipe: recipe ?? null,
  }
}

/** `fromEntries` defines properties, so that an objective called `__proto__` is a key like any other. */
function byName(scores: SplitScores | undefined, objectives: readonly Objective[]): ValuesByName | undefined {
  if (scores?.status !== 'scored') return undefined
  return Object.fromEntries(objectives.map(({ name }, i) => [name, scores.values[i]!]))
}

function optional<K extends string>(key: K, values: ValuesByName | undefined): { [P in K]?: ValuesByName } {
  return values === undefined ? {} : ({ [key]: values } as { [P in K]?: ValuesByName })
}

/**
 * JSON text with every control, bidirectional and zero-width character written as an escape: equal to any JSON reader, and harmless when it is
 * printed on a terminal.
 */
export function stringify(value: unknown, indent = 2): string {
  const unprintable = /[\u007f-\u009f\u2028\u2029\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g
  return JSON.stringify(value, undefined, indent).replace(
    unprintable,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
