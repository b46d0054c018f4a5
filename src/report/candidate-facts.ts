import type { CandidateId, Genome } from '../candidate.ts'
import type { Objective } from '../objective.ts'
import type { RunReader } from '../runs/run-store.ts'
import type { Scalarization } from '../scalarization.ts'
import type { Recipe, RecipeGroup } from '../space/recipe.ts'
import {
  type AssessmentsBySplit,
  groupBySubject,
  type ScoresBySplit,
  type SplitScores,
  splitScores,
} from './split-scores.ts'

export interface CandidateFacts {
  readonly id: CandidateId
  readonly genome: readonly number[] // shape (d,)
  readonly parents: readonly CandidateId[]
  readonly scores: ScoresBySplit
  readonly recipe: Recipe | undefined
}

export interface Ancestor {
  readonly id: CandidateId
  readonly parents: readonly CandidateId[]
  readonly generation: number // 1: parents, 2: their parents, ...
  readonly search: SplitScores | undefined
}

/** A recipe's coefficients as a table: a row per layer group, a column per source and parameter. */
export interface CoefficientTable {
  readonly method: string
  readonly base: string | undefined
  readonly parameters: Readonly<Record<string, number | boolean | string>>
  readonly columns: readonly { readonly source: string; readonly parameter: string }[]
  readonly rows: readonly { readonly label: string; readonly values: readonly (number | undefined)[] }[]
}

export interface CandidateOptions {
  /** The search space's genome → recipe, for candidates whose recipe is not recorded. */
  readonly decode?: (genome: Genome) => Recipe
  readonly scalarization?: Scalarization
}

/** A lineage that is longer is cut off: it would fill screens and say little. */
const MAX_ANCESTORS = 40

/** `undefined`: the run never asked for that candidate. */
export function collectCandidate(
  run: RunReader,
  id: CandidateId,
  options: CandidateOptions = {},
): { readonly candidate: CandidateFacts; readonly ancestors: readonly Ancestor[] } | undefined {
  const assessments = groupBySubject(run.assessments()).get(`candidate:${id}`)
  const candidate = candidateFacts(run, id, assessments, options)
  return candidate && { candidate, ancestors: ancestorsOf(run, candidate.parents, options.scalarization ?? 'worst') }
}

export function candidateFacts(
  run: RunReader,
  id: CandidateId,
  assessments: AssessmentsBySplit | undefined,
  { decode, scalarization = 'worst' }: CandidateOptions,
): CandidateFacts | undefined {
  const candidate = run.candidate(id)
  if (candidate === undefined) return undefined
  const { objectives } = run.manifest
  const searched = run.evaluation(id) ?? assessments?.search?.evaluation
  const recorded = assessments?.holdout ?? assessments?.select ?? assessments?.search
  return {
    id,
    genome: [...candidate.genome],
    parents: candidate.parents,
    scores: {
      ...(searched && { search: splitScores(searched, objectives, scalarization) }),
      ...outsideSearch(assessments, objectives, scalarization),
    },
    recipe: recorded?.recipe ?? decode?.(candidate.genome),
  }
}

function outsideSearch(
  assessments: AssessmentsBySplit | undefined,
  objectives: readonly Objective[],
  scalarization: Scalarization,
): ScoresBySplit {
  const [select, holdout] = [assessments?.select, assessments?.holdout]
  return {
    ...(select && { select: splitScores(select.evaluation, objectives, scalarization) }),
    ...(holdout && { holdout: splitScores(holdout.evaluation, objectives, scalarization) }),
  }
}

/** Breadth first, each once. */
function ancestorsOf(run: RunReader, parents: readonly CandidateId[], scalarization: Scalarization): Ancestor[] {
  const seen = new Set<CandidateId>(parents)
  const queue = [...seen].map(id => ({ id, generation: 1 }))
  const ancestors: Ancestor[] = []
  for (let next = queue.shift(); next !== undefined && ancestors.length < MAX_ANCESTORS; next = queue.shift()) {
    const candidate = run.candidate(next.id)
    if (candidate === undefined) continue
    const evaluation = run.evaluation(next.id)
    ancestors.push({
      ...next,
      parents: candidate.parents,
      search: evaluation && splitScores(evaluation, run.manifest.objectives, scalarization),
    })
    for (const id of candidate.parents) {
      if (seen.has(id)) continue
      seen.add(id)
      queue.push({ id, generation: next.generation + 1 })
    }
  }
  return ancestors
}

export function coefficientTable(recipe: Recipe): CoefficientTable {
  if (recipe.kind === 'piecewise-merge') {
    return {
      method: recipe.method,
      base: undefined,
      parameters: recipe.parameters,
      columns: recipe.sources.map(source => ({ source, parameter: 'weight' })),
      rows: recipe.pieces.map(({ from: { tensor, element }, weights }) => ({
        label: `from ${tensor}[${element}]`,
        values: recipe.sources.map(source => weights[source]),
      })),
    }
  }
  const columns: { source: string; parameter: string }[] = []
  for (const source of new Set([...recipe.sources, ...recipe.groups.flatMap(g => Object.keys(g.coefficients))])) {
    const parameters = new Set(recipe.groups.flatMap(g => Object.keys(g.coefficients[source] ?? {})))
    for (const parameter of parameters) columns.push({ source, parameter })
  }
  return {
    method: recipe.method,
    base: recipe.base,
    parameters: recipe.parameters,
    columns,
    rows: recipe.groups.map(group => ({
      label: groupLabel(group),
      values: columns.map(({ source, parameter }) => group.coefficients[source]?.[parameter]),
    })),
  }
}

function groupLabel({ layers, filter }: RecipeGroup): string {
  const where =
    typeof layers === 'string'
      ? { pre: 'before the layers', post: 'after the layers', all: 'all tensors' }[layers]
      : layers[1] - layers[0] === 1
        ? `layer ${layers[0]}`
        : `layers ${layers[0]}–${layers[1] - 1}`
  return filter === undefined ? where : `${where}, ${filter}`
}
