import type { CandidateId, Genome } from '../candidate.ts'
import type { Objective } from '../objective.ts'
import type { RunReader } from '../runs/run-store.ts'
import type { Scalarization } from '../scalarization.ts'
import type { ParameterMerge, PiecewiseMerge, Recipe, RecipeGroup } from '../space/recipe.ts'
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

/** A recipe's coefficients as a table: a row per layer group, a column per source and coefficient. */
export interface CoefficientTable {
  /** `linear`, or where groups have several `linear, ties`. */
  readonly method: string
  readonly base: string | undefined
  /** Those of the whole model, and coefficients other than weights that are the same everywhere. */
  readonly parameters: Readonly<Record<string, number | boolean | string>>
  /** What groups have of their own besides coefficients: `method`, parameters. */
  readonly settings: readonly string[]
  readonly columns: readonly { readonly source: string; readonly parameter: string }[]
  readonly rows: readonly CoefficientRow[]
}

export interface CoefficientRow {
  readonly label: string
  /** As `settings` of the table. */
  readonly settings: readonly (number | boolean | string | undefined)[]
  /** As `columns`; `undefined`: the method has no such coefficient, or its default holds. */
  readonly values: readonly (number | undefined)[]
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
  const searched = assessments?.search?.evaluation ?? run.evaluation(id)
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
  return recipe.kind === 'piecewise-merge' ? pieceTable(recipe) : groupTable(recipe)
}

function pieceTable(recipe: PiecewiseMerge): CoefficientTable {
  return {
    method: recipe.method,
    base: undefined,
    parameters: recipe.parameters,
    settings: [],
    columns: recipe.sources.map(source => ({ source, parameter: 'weight' })),
    rows: recipe.pieces.map(({ from: { tensor, element }, weights }) => ({
      label: `from ${tensor}[${element}]`,
      settings: [],
      values: recipe.sources.map(source => weights[source]),
    })),
  }
}

function groupTable(recipe: ParameterMerge): CoefficientTable {
  const { groups } = recipe
  const sources = [...new Set([...recipe.sources, ...groups.flatMap(group => Object.keys(group.coefficients))])]
  const names = [...new Set(groups.flatMap(group => sources.flatMap(id => Object.keys(group.coefficients[id] ?? {}))))]
  const valuesOf = (name: string) => groups.flatMap(group => sources.map(id => group.coefficients[id]?.[name]))
  const constants = names.filter(name => name !== 'weight' && new Set(valuesOf(name)).size === 1)
  const columns = sources.flatMap(source =>
    names
      .filter(
        name => !constants.includes(name) && groups.some(group => group.coefficients[source]?.[name] !== undefined),
      )
      .map(parameter => ({ source, parameter })),
  )
  const methods = [...new Set(groups.map(group => group.method ?? recipe.method))]
  const own = [...new Set(groups.flatMap(group => Object.keys(group.parameters ?? {})))]
  const mixed = methods.length > 1
  // With several methods a parameter of the recipe is of one of them: it stands in the rows that it governs.
  const shared = mixed ? Object.keys(recipe.parameters).filter(name => name !== 'seed') : []
  const settings = [...new Set([...shared, ...own])]
  const settingOf = (group: RecipeGroup, name: string) =>
    group.parameters?.[name] ?? (group.method === undefined ? recipe.parameters[name] : undefined)
  return {
    method: methods.join(', '),
    base: recipe.base,
    parameters: {
      ...Object.fromEntries(Object.entries(recipe.parameters).filter(([name]) => !settings.includes(name))),
      ...Object.fromEntries(constants.map(name => [name, valuesOf(name)[0]!])),
    },
    settings: [...(mixed ? ['method'] : []), ...settings],
    columns,
    rows: groups.map(group => ({
      label: groupLabel(group),
      settings: [...(mixed ? [group.method ?? recipe.method] : []), ...settings.map(name => settingOf(group, name))],
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
