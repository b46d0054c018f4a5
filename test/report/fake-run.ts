import type { Candidate, Evaluation, JsonValue, StopReason } from '../../src/candidate.ts'
import type { Split } from '../../src/evaluation/evaluator.ts'
import type { Objective } from '../../src/objective.ts'
import { createRng, type Rng } from '../../src/rng.ts'
import type { Assessment, RunEvent, RunManifest, RunReader } from '../../src/runs/run-store.ts'
import type { Recipe } from '../../src/space/recipe.ts'

/** A run in memory. */
export interface FakeRun {
  readonly manifest?: Partial<RunManifest>
  readonly objectives: readonly Objective[]
  readonly geneNames: readonly string[]
  readonly budget?: number
  readonly candidates: readonly Candidate[]
  readonly evaluations: readonly (Evaluation | undefined)[] // by id
  /** Default: every id that has an evaluation, in order. */
  readonly told?: readonly number[]
  readonly assessments?: readonly Assessment[]
  readonly facts?: Readonly<Record<string, JsonValue>>
  readonly stopReason?: StopReason
}

export function fakeRun(fake: FakeRun): RunReader {
  const told = fake.told ?? fake.candidates.flatMap(({ id }) => (fake.evaluations[id] === undefined ? [] : [id]))
  const events: RunEvent[] = [
    { seq: 1, type: 'asked', requested: fake.candidates.length, ids: fake.candidates.map(({ id }) => id) },
    ...told.map((id, k): RunEvent => ({ seq: k + 2, type: 'told', ids: [id] })),
  ]
  return {
    folder: '/runs/fake',
    manifest: {
      format: 2,
      runId: 'digits-1',
      createdAt: '2026-07-01T08:00:00.000Z',
      seed: 7,
      slots: 4,
      strategy: 'cma-es',
      config: {},
      objectives: fake.objectives,
      geneNames: fake.geneNames,
      digests: { 'data/digits.npy': 'a'.repeat(64) },
      environment: { node: 'v20.20.2', amalgam: '0.1.0', platform: 'linux x64' },
      ...fake.manifest,
    },
    budget: fake.budget ?? fake.candidates.length,
    events: (afterSeq = 0) => events.filter(event => event.seq > afterSeq),
    candidate: id => fake.candidates[id],
    evaluation: id => fake.evaluations[id],
    rungs: () => [],
    trials: () =>
      fake.candidates.flatMap(candidate => {
        const evaluation = fake.evaluations[candidate.id]
        return evaluation === undefined ? [] : [{ ...candidate, evaluation }]
      }),
    candidates: () => [...fake.candidates],
    latestSnapshot: () => undefined,
    assessments: () => [...(fake.assessments ?? [])],
    fact: name => fake.facts?.[name],
    stopReason: () => fake.stopReason,
    close: () => {},
  }
}

export const timing = { totalMs: 41.5, mergeMs: 2.25, inferenceMs: 37 }

export function accuracy(name: string): Objective {
  return { name, direction: 'maximize', unit: 'accuracy, 0..1', reference: 0, ideal: 1 }
}

export function scored(exampleScores: readonly (readonly number[])[]): Evaluation {
  return {
    status: 'scored',
    values: exampleScores.map(scores => scores.reduce((sum, s) => sum + s, 0) / scores.length),
    exampleScores: exampleScores.map(scores => Float32Array.from(scores)),
    timing,
  }
}

const SIZES: Readonly<Record<Split, readonly number[]>> = {
  search: [420, 380],
  select: [180, 170],
  holdout: [360, 350],
}

export interface DigitsOptions {
  readonly trials?: number
  readonly sources?: readonly string[]
  readonly objectiveNames?: readonly string[]
  readonly randomSearch?: boolean
  readonly seed?: number
}

/** A made-up but plausible search: one expert per task, four layer groups, accuracies that trade off. */
export function digitsRun(options: DigitsOptions = {}): RunReader {
  const { trials = 120, objectiveNames = ['low', 'high'], randomSearch = true, seed = 1 } = options
  const sources = options.sources ?? objectiveNames
  const groups = 4
  const m = objectiveNames.length
  const rng = createRng(seed)
  const genes = Array.from({ length: groups }, (_, g) => sources.map(source => `layers.${g}/${source}/weight`)).flat()
  const recipeOf = (genome: ArrayLike<number>): Recipe => ({
    kind: 'parameter-merge',
    method: 'task_arithmetic',
    base: 'base',
    sources,
    parameters: { normalize: false },
    groups: Array.from({ length: groups }, (_, g) => ({
      layers: g === 0 ? 'pre' : g === groups - 1 ? 'post' : [g - 1, g],
      coefficients: Object.fromEntries(
        sources.map((source, s) => [source, { weight: Number(genome[g * sources.length + s]!.toFixed(4)) }]),
      ),
    })),
  })
  // Each task likes its own expert at 1 and suffers from the others.
  const rate = (genome: ArrayLike<number>, task: number): number => {
    let loss = 0
    for (let g = 0; g < groups; g++)
      for (let s = 0; s < sources.length; s++) {
        const x = genome[g * sources.length + s]!
        loss += s === task % sources.length ? 0.06 * (x - 0.9) ** 2 : 0.035 * Math.max(0, x - 0.25) ** 2
      }
    return Math.max(0.05, 0.97 - loss)
  }
  // Difficulty per example, shared by all models: scores of two models are correlated, as real ones are.
  const difficulty = Object.fromEntries(
    (['search', 'select', 'holdout'] as const).map(split => [
      split,
      objectiveNames.map((_, task) => {
        const stream = rng.split(`${split} ${task}`)
        return Array.from({ length: SIZES[split][task % 2]! + 10 * Math.floor(task / 2) }, () => stream.uniform())
      }),
    ]),
  )
  const evaluate = (genome: ArrayLike<number>, split: Split, noise: Rng): Evaluation =>
    scored(
      objectiveNames.map((_, task) =>
        difficulty[split]![task]!.map(hard => (0.85 * hard + 0.15 * noise.uniform() < rate(genome, task) ? 1 : 0)),
      ),
    )
  const d = genes.length
  const propose = (k: number): { genome: Float64Array; parents: number[] } => {
    const stream = rng.split(`genome ${k}`)
    const spread = 0.75 * Math.exp((-2.2 * k) / trials)
    const centre = 0.3 + 0.25 * Math.min(1, (1.6 * k) / trials)
    const tilt = stream.normal() * 0.18
    return {
      genome: Float64Array.from(
        { length: d },
        (_, i) => centre + (i % sources.length ? tilt : -tilt) + spread * stream.normal(),
      ),
      parents: k < 8 ? [] : [k - 8 + stream.integer(0, 4), k - 4],
    }
  }
  const candidates: Candidate[] = Array.from({ length: trials }, (_, id) => ({ id, ...propose(id), memo: null }))
  const evaluations = candidates.map(
    ({ id, genome }): Evaluation =>
      id % 41 === 17
        ? {
            status: 'failed',
            kind: id % 2 ? 'timeout' : 'non-finite',
            reason: 'low is not a number on 3 of 420 examples',
            timing,
          }
        : evaluate(genome, 'search', rng.split(`trial ${id}`)),
  )
  const assessments: Assessment[] = []
  const assess = (subject: string, genome: ArrayLike<number>, splits: readonly Split[]): void => {
    for (const split of splits) {
      const evaluation = evaluate(genome, split, rng.split(`${subject} ${split}`))
      assessments.push({ subject, split, recipe: recipeOf(genome), evaluation })
    }
  }
  const all: readonly Split[] = ['search', 'select', 'holdout']
  const constant = (value: (source: number) => number) =>
    Float64Array.from({ length: d }, (_, i) => value(i % sources.length))
  assess(
    'baseline:base',
    constant(() => 0),
    all,
  )
  sources.forEach((source, s) => {
    assess(
      `baseline:${source}`,
      constant(other => (other === s ? 1 : 0)),
      all,
    )
  })
  assess(
    'baseline:uniform',
    constant(() => 1 / sources.length),
    all,
  )
  for (const scale of [0.2, 0.4, 0.6, 0.8])
    assess(
      `baseline:scale-${scale}`,
      constant(() => scale),
      scale === 0.6 ? all : ['search', 'select'],
    )
  const total = (evaluation: Evaluation): number =>
    evaluation.status === 'scored' ? Math.min(...evaluation.values) : 0
  const best = candidates.reduce((a, b) => (total(evaluations[b.id]!) > total(evaluations[a.id]!) ? b : a))
  assess(`candidate:${best.id}`, best.genome, ['select', 'holdout'])
  const facts: Record<string, JsonValue> = {
    winner: { id: best.id, rule: 'smallest worst-objective loss on the select split, of the front' },
    best_scale: { subject: 'baseline:scale-0.6' },
  }
  if (randomSearch) {
    const random = Array.from({ length: trials }, (_, k) => {
      const stream = rng.split(`random ${k}`)
      return Float64Array.from({ length: d }, () => -0.2 + 1.6 * stream.uniform())
    })
    random.forEach((genome, k) => {
      assess(`random:${k}`, genome, k === 5 ? all : ['search'])
    })
    facts.random_winner = { subject: 'random:5' }
  }
  return fakeRun({
    objectives: objectiveNames.map(accuracy),
    geneNames: genes,
    candidates,
    evaluations,
    assessments,
    facts,
    stopReason: { criterion: 'budget', detail: `${trials} candidates` },
    manifest: m === 0 ? {} : { seed },
  })
}
