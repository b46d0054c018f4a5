import { createParetoArchive } from '../../src/archive/pareto-archive.ts'
import type { Evaluation, Genome, JsonValue } from '../../src/candidate.ts'
import type { EvaluationJob } from '../../src/evaluation/job.ts'
import { createRng, type Rng, type RngState, restoreRng } from '../../src/rng.ts'
import type { RunManifest, RunReader } from '../../src/runs/run-store.ts'
import type { SearchSpace } from '../../src/space/search-space.ts'
import type { Proposal, Snapshot, Strategy, ToldTrial } from '../../src/strategies/strategy.ts'
import { parameterMerge } from './parameter-merge.ts'
import { failed, manifest, scored, TWO_OBJECTIVES } from './trials.ts'

/** Two sources, one weight each in -1..1, one group. */
export const FAKE_SPACE: SearchSpace = {
  id: 'fake',
  genes: ['a', 'b'].map(name => ({ kind: 'real', name, initial: 0.5, low: -1, high: 1, scale: 'linear' })),
  initial: Float64Array.of(0.5, 0.5),
  decode: genome => ({
    kind: 'parameter-merge',
    method: 'linear',
    base: undefined,
    sources: ['a', 'b'],
    parameters: { normalize: false },
    groups: [{ layers: 'all', coefficients: { a: { weight: genome[0]! }, b: { weight: genome[1]! } } }],
  }),
  encode: recipe => {
    const { a, b } = parameterMerge(recipe).groups[0]!.coefficients
    return Float64Array.of(a!.weight!, b!.weight!)
  },
}

export const FAKE_MANIFEST: RunManifest = manifest({ geneNames: ['a', 'b'] })

/**
 * Accuracy and size of a recipe, a smooth trade-off that differs a little between splits; a corner of the space fails. The
 * score per example is what the accuracy is the mean of.
 */
export function fakeScore({ recipe, split }: EvaluationJob): Evaluation {
  const { a, b } = parameterMerge(recipe).groups[0]!.coefficients
  const [x, y] = [a?.weight ?? 0, b?.weight ?? 0]
  if (x < -0.5 && y < -0.5) return failed('threw', 'the corner is out of bounds')
  const shift = { search: 0, select: 0.05, holdout: 0.1 }[split]
  const accuracy = Math.max(0, 1 - (x - 0.3 - shift) ** 2 - (y + 0.2) ** 2)
  return scored([accuracy, Math.abs(x) + Math.abs(y)], [Float32Array.of(accuracy, accuracy), new Float32Array()])
}

const clip = (x: number): number => Math.min(1, Math.max(-1, x))

interface GenerationalState {
  readonly rng: RngState
  readonly mean: readonly number[]
  readonly generation: number
  readonly askedOfGeneration: number
  readonly told: readonly { readonly id: number; readonly loss: number; readonly genome: readonly number[] }[]
}

/** Proposes `size` points around a mean, waits for all of them, moves to the best. What it does next depends on everything before. */
class Generational implements Strategy {
  readonly kind = 'fake'
  readonly #size: number
  readonly #rng: Rng
  #mean: readonly number[]
  #generation: number
  #asked: number
  #told: GenerationalState['told'][number][]

  constructor(size: number, state: GenerationalState) {
    this.#size = size
    this.#rng = restoreRng(state.rng)
    this.#mean = state.mean
    this.#generation = state.generation
    this.#asked = state.askedOfGeneration
    this.#told = [...state.told]
  }

  ask(count: number): Proposal[] {
    const n = Math.min(count, this.#size - this.#asked)
    this.#asked += n
    return Array.from({ length: n }, () => ({
      genome: Float64Array.from(this.#mean, x => clip(x + 0.4 * this.#rng.normal())),
      parents: this.#told.slice(0, 1).map(t => t.id),
      memo: { generation: this.#generation },
    }))
  }

  tell(trials: readonly ToldTrial[]): void {
    for (const { id, losses, genome } of trials) this.#told.push({ id, loss: losses?.[0] ?? 1e9, genome: [...genome] })
    if (this.#told.length < this.#size) return
    this.#told.sort((a, b) => a.loss - b.loss || a.id - b.id)
    this.#mean = this.#told[0]!.genome
    this.#generation++
    this.#asked = 0
    this.#told = []
  }

  stopReason(): undefined {
    return undefined
  }

  snapshot(): Snapshot {
    const state: GenerationalState = {
      rng: this.#rng.state(),
      mean: this.#mean,
      generation: this.#generation,
      askedOfGeneration: this.#asked,
      told: this.#told,
    }
    return { kind: this.kind, version: 1, state: JSON.parse(JSON.stringify(state)) as JsonValue }
  }

  diagnostics(): Record<string, JsonValue> {
    return { generation: this.#generation }
  }
}

/** Each proposal follows from all tells so far: the strategy that notices any change of order. One proposal per ask. */
class SteadyState implements Strategy {
  readonly kind = 'fake'
  #state: number

  constructor(state: number) {
    this.#state = state
  }

  ask(count: number): Proposal[] {
    if (count === 0) return []
    const rng = createRng(this.#state)
    this.#state = rng.integer(0, 2 ** 31)
    const genome: Genome = Float64Array.of(2 * rng.uniform() - 1, 2 * rng.uniform() - 1)
    return [{ genome }]
  }

  tell(trials: readonly ToldTrial[]): void {
    for (const { id, losses } of trials)
      this.#state = createRng(this.#state + id)
        .split(JSON.stringify(losses ?? 'failed'))
        .integer(0, 2 ** 31)
  }

  stopReason(): undefined {
    return undefined
  }

  snapshot(): Snapshot {
    return { kind: this.kind, version: 1, state: this.#state }
  }

  diagnostics(): Record<string, JsonValue> {
    return {}
  }
}

export const generational = (size = 4) => ({
  create: (): Strategy =>
    new Generational(size, {
      rng: createRng(11).state(),
      mean: [0.5, 0.5],
      generation: 0,
      askedOfGeneration: 0,
      told: [],
    }),
  restore: (snapshot: Snapshot): Strategy => new Generational(size, snapshot.state as unknown as GenerationalState),
})

export const steadyState = () => ({
  create: (): Strategy => new SteadyState(1),
  restore: (snapshot: Snapshot): Strategy => new SteadyState(snapshot.state as number),
})

/** Everything of a run that must not depend on chance: not timings. */
export function tableOf(run: RunReader): unknown {
  return {
    events: run.events(),
    trials: run.trials().map(({ evaluation: { timing: _, ...evaluation }, genome, ...rest }) => ({
      ...rest,
      genome: [...genome],
      evaluation,
    })),
    asked: run.candidates().length,
    stopReason: run.stopReason(),
  }
}

/** The table of assessments and facts, without timings. */
export function finalTableOf(run: RunReader): unknown {
  return {
    assessments: run
      .assessments()
      .map(({ evaluation: { timing: _, ...evaluation }, ...rest }) => ({ ...rest, evaluation })),
    facts: ['winner', 'best_scale', 'random_winner'].map(name => run.fact(name)),
  }
}

export const fakeArchive = () => createParetoArchive(TWO_OBJECTIVES)
