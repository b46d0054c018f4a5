import { isDeepStrictEqual } from 'node:util'
import { createParetoArchive } from './archive/pareto-archive.ts'
import { type Baseline, baselineRecipes } from './baselines.ts'
import { type Evaluation, type Genome, isWhole, type JsonValue, type Trial } from './candidate.ts'
import { RunStoreError, show } from './errors.ts'
import type { Split } from './evaluation/evaluator.ts'
import type { Executor } from './executors/executor.ts'
import { lossesOf, type Objective } from './objective.ts'
import { PROMISING_SHARE, PROMISING_WAVE, promising } from './racing/promising.ts'
import { isRepeatable, recipeDigest, reused } from './recipe-digest.ts'
import type { Assessment, Run } from './runs/run-store.ts'
import { type Scalarization, scalarize } from './scalarization.ts'
import type { Recipe } from './space/recipe.ts'
import type { SearchSpace } from './space/search-space.ts'
import type { Strategy } from './strategies/strategy.ts'
import { namingRule, pooledLoss, searchShares } from './winner.ts'

/** What follows a search: baselines, a winner, and the scores that a report may quote. */
export interface FinalizeParts {
  readonly run: Run
  readonly executor: Executor
  readonly objectives: readonly Objective[]
  /** One number to name winners by. */
  readonly scalarization: Scalarization
  readonly space: SearchSpace
  readonly sources: { readonly models: readonly string[]; readonly base: string | undefined }
  /** Jobs under way at once, at most. */
  readonly slots: number
  /**
   * A search to compare with, its proposals independent of what it is told; made anew from the same seed for each call.
   * `undefined`: none.
   */
  readonly randomSearch: { readonly strategy: Strategy; readonly budget: number } | undefined
  /** Non-dominated candidates to score again on `select`, best first. Default 64. */
  readonly frontCap?: number
  /** Candidates stopped early that may be the best, to score on all examples, best first. Default: a sixteenth of all candidates. */
  readonly promisingCap?: number
  /** As `frontCap`, for the random search. Default 16. */
  readonly randomFrontCap?: number
  /** After an abort, how long what is running may take to be recorded, milliseconds. Default 10,000. */
  readonly graceMs?: number
  /** Jobs done and jobs known to be needed so far. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

const FRONT_CAP = 64
const RANDOM_FRONT_CAP = 16
const GRACE_MS = 10_000

/**
 * 1. Baselines on `search`; the best one-number scale by the scalarised loss there (`best_scale`).
 * 2. Random search with the same budget on `search`, as `random:<k>`.
 * 3. Candidates of a race that were stopped early and may be the best: on all of `search`, so that they can be on the front.
 * 4. The front on `select`: an optimum found on `search` is partly luck, and a second split shows which part.
 * 5. The winner: smallest scalarised loss over the examples of both (`winner.ts`), lower id first (`winner`); the same for random search (`random_winner`).
 *    One that an earlier version named among the same front, by `select` alone, stays: the holdout was looked at for it.
 * 6. The winner, the baselines and random search's winner on `holdout`. Nothing else ever sees that split.
 *
 * Every score is recorded before it is used, and what is recorded is not scored again: interrupted anywhere and called again,
 * it ends with the same record.
 *
 * @returns false where `signal` fired before the end.
 * @throws {ExecutorError} if the executor is broken; {RunStoreError} if something cannot be recorded, or the random search does
 *   not repeat what was recorded of it.
 */
export async function finalize(parts: FinalizeParts, signal: AbortSignal): Promise<boolean> {
  return new Finalizer(parts, signal).run()
}

interface Task {
  readonly subject: string
  readonly split: Split
  readonly recipe: Recipe
}

/** Something with a recipe and a score on `search`, that may be scored elsewhere. */
interface Contender {
  readonly id: number
  readonly subject: string
  readonly recipe: Recipe
  readonly trial: Trial
}

class Finalizer {
  readonly #parts: FinalizeParts
  readonly #signal: AbortSignal
  /** Subject and split → assessment. */
  readonly #assessments = new Map<string, Assessment>()
  /** Recipe digest and split → an evaluation that would come out the same again. */
  readonly #known = new Map<string, Evaluation>()
  #done = 0
  #total = 0

  constructor(parts: FinalizeParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  async run(): Promise<boolean> {
    const { run, space, sources, randomSearch, frontCap = FRONT_CAP, randomFrontCap = RANDOM_FRONT_CAP } = this.#parts
    const contenders = toldTrials(run).map(trial =>
      this.#contender('candidate', trial.id, trial.genome, trial.evaluation),
    )
    for (const { recipe, trial } of contenders)
      if (trial.evaluation.status === 'failed' || isWhole(trial.evaluation))
        this.#learn(recipe, 'search', trial.evaluation)
    for (const assessment of run.assessments()) this.#keep(assessment)

    const baselines = baselineRecipes(sources.models, sources.base)
    if (!(await this.#assess(baselines.map(baseline => baselineTask(baseline, 'search'))))) return false
    const bestScale = this.#bestScale(baselines)
    if (bestScale !== undefined) run.recordFact('best_scale', { name: bestScale.name, scale: bestScale.scale ?? null })

    const genomes = randomSearch === undefined ? [] : propose(randomSearch.strategy, randomSearch.budget)
    const drawn = genomes.map((genome, k) => ({
      subject: `random:${k}`,
      split: 'search' as const,
      recipe: space.decode(genome),
    }))
    this.#checkRepeated(drawn)
    if (!(await this.#assess(drawn))) return false
    const random = genomes.map((genome, k) =>
      this.#contender('random', k, genome, this.#assessment(`random:${k}`, 'search').evaluation),
    )

    const completed = await this.#complete(contenders)
    if (completed === undefined) return false
    const fronts = [this.#front(completed, frontCap), this.#front(random, randomFrontCap)] as const
    const onSelect = fronts.flat().map(({ subject, recipe }): Task => ({ subject, split: 'select', recipe }))
    if (!(await this.#assess(onSelect))) return false
    const named = this.#winner(fronts[0], 'winner', ({ id }, rule) => ({ id, rule }))
    const randomNamed = this.#winner(fronts[1], 'random_winner', ({ subject }, rule) => ({ subject, rule }))

    const quoted = [
      ...[named, randomNamed].filter(contender => contender !== undefined),
      ...baselines
        .filter(({ scale, name }) => scale === undefined || name === bestScale?.name)
        .map(b => baselineTask(b, 'holdout')),
    ]
    return this.#assess(quoted.map(({ subject, recipe }): Task => ({ subject, split: 'holdout', recipe })))
  }

  #contender(kind: 'candidate' | 'random', id: number, genome: Genome, evaluation: Evaluation): Contender {
    const trial: Trial = { id, genome, parents: [], memo: null, evaluation }
    return { id, subject: `${kind}:${id}`, recipe: this.#parts.space.decode(genome), trial }
  }

  /** Those stopped early that are promising, scored on all examples; the others as they are. `undefined`: interrupted. */
  async #complete(contenders: readonly Contender[]): Promise<readonly Contender[] | undefined> {
    const { objectives, scalarization, promisingCap = Math.ceil(PROMISING_SHARE * contenders.length) } = this.#parts
    let current = contenders
    for (let left = promisingCap; left > 0; left -= PROMISING_WAVE) {
      const evaluations = current.map(({ trial }) => trial.evaluation)
      const chosen = new Set(promising(evaluations, objectives, scalarization, Math.min(left, PROMISING_WAVE)))
      if (chosen.size === 0) break
      const tasks = [...chosen].map((i): Task => ({ ...current[i]!, split: 'search' }))
      if (!(await this.#assess(tasks.map(({ subject, split, recipe }) => ({ subject, split, recipe })))))
        return undefined
      current = current.map((contender, i) => {
        if (!chosen.has(i)) return contender
        const { evaluation } = this.#assessment(contender.subject, 'search')
        return { ...contender, trial: { ...contender.trial, evaluation } }
      })
    }
    return current
  }

  /** Scores what is not scored yet, `slots` at a time. False: interrupted. */
  async #assess(tasks: readonly Task[]): Promise<boolean> {
    const open = tasks.filter(({ subject, split }) => !this.#assessments.has(keyOf(subject, split)))
    this.#total += open.length
    const cancel = new AbortController()
    const giveUp = (): void => {
      setTimeout(() => cancel.abort(), this.#parts.graceMs ?? GRACE_MS).unref()
    }
    this.#signal.addEventListener('abort', giveUp)
    const queue = open.values()
    const worker = async (): Promise<void> => {
      for (const task of queue) {
        if (this.#signal.aborted || cancel.signal.aborted) return
        await this.#score(task, cancel.signal)
      }
    }
    try {
      await Promise.all(Array.from({ length: Math.min(this.#parts.slots, open.length) }, worker))
    } catch (error) {
      if (!(this.#signal.aborted && isAbort(error))) throw error
    } finally {
      cancel.abort()
      this.#signal.removeEventListener('abort', giveUp)
    }
    return tasks.every(({ subject, split }) => this.#assessments.has(keyOf(subject, split))) && !this.#signal.aborted
  }

  async #score({ subject, split, recipe }: Task, cancel: AbortSignal): Promise<void> {
    const { run, executor, onProgress } = this.#parts
    const known = this.#known.get(digestKey(recipe, split))
    const evaluation =
      known === undefined
        ? await executor.submit({ label: subject.replace(':', ' '), recipe, split }, cancel)
        : reused(known)
    if (cancel.aborted) return // after the grace: the run may be closed by now
    const assessment: Assessment = { subject, split, recipe, evaluation }
    run.recordAssessment(assessment)
    this.#keep(assessment)
    this.#done++
    onProgress?.(this.#done, this.#total)
  }

  #keep(assessment: Assessment): void {
    this.#assessments.set(keyOf(assessment.subject, assessment.split), assessment)
    this.#learn(assessment.recipe, assessment.split, assessment.evaluation)
  }

  #learn(recipe: Recipe, split: Split, evaluation: Evaluation): void {
    if (isRepeatable(evaluation)) this.#known.set(digestKey(recipe, split), evaluation)
  }

  #assessment(subject: string, split: Split): Assessment {
    return this.#assessments.get(keyOf(subject, split))!
  }

  #loss(evaluation: Evaluation): number {
    const { objectives, scalarization } = this.#parts
    const losses = lossesOf(evaluation, objectives)
    return losses === undefined ? Infinity : scalarize(scalarization, losses, objectives)
  }

  #bestScale(baselines: readonly Baseline[]): Baseline | undefined {
    const scales = baselines.filter(({ scale }) => scale !== undefined)
    return least(scales, ({ name }) => this.#loss(this.#assessment(`baseline:${name}`, 'search').evaluation))
  }

  /** Best first, by the scalarised loss on `search`; no more than `cap`. */
  #front(contenders: readonly Contender[], cap: number): Contender[] {
    const archive = createParetoArchive(this.#parts.objectives)
    for (const { trial } of contenders) archive.add(trial)
    return [...archive]
      .sort((a, b) => this.#loss(a.evaluation) - this.#loss(b.evaluation) || a.id - b.id)
      .slice(0, cap)
      .map(({ id }) => contenders.find(contender => contender.id === id)!)
  }

  /** Names it in the record, too. */
  #winner(
    front: readonly Contender[],
    name: 'winner' | 'random_winner',
    factOf: (winner: Contender, rule: string) => JsonValue,
  ): Contender | undefined {
    const { run, executor, objectives, scalarization } = this.#parts
    const byId = [...front].sort((a, b) => a.id - b.id)
    const by = (shares: readonly number[]) => {
      const winner = least(byId, ({ subject, trial }) => {
        const select = this.#assessment(subject, 'select').evaluation
        return pooledLoss({ search: trial.evaluation, select }, shares, objectives, scalarization)
      })
      return winner && { winner, fact: factOf(winner, namingRule(shares, objectives, scalarization, front.length)) }
    }
    const earlier = by(objectives.map(() => 0))
    const isRecorded = earlier !== undefined && isDeepStrictEqual(run.fact(name), earlier.fact)
    const named = isRecorded
      ? earlier
      : by(searchShares(executor.exampleCount('search'), executor.exampleCount('select')))
    if (named === undefined) return undefined
    run.recordFact(name, named.fact)
    return named.winner
  }

  #checkRepeated(drawn: readonly Task[]): void {
    for (const { subject, split, recipe } of drawn) {
      const recorded = this.#assessments.get(keyOf(subject, split))
      if (recorded !== undefined && recipeDigest(recorded.recipe) !== recipeDigest(recipe))
        throw new RunStoreError(
          `Run ${show(this.#parts.run.folder)} cannot be finished: ${subject} is recorded with another recipe than the random search proposes now.`,
          { hint: 'A run goes on only with what it was started with: the same space, seed and versions.' },
        )
    }
  }
}

function baselineTask({ name, recipe }: Baseline, split: Split): Task {
  return { subject: `baseline:${name}`, split, recipe }
}

function toldTrials(run: Run): Trial[] {
  const told = new Set(run.events().flatMap(event => (event.type === 'told' ? event.ids : [])))
  return run.trials().filter(trial => told.has(trial.id))
}

/** Up to `count` genomes, without telling anything. */
function propose(strategy: Strategy, count: number): Genome[] {
  const genomes: Genome[] = []
  while (genomes.length < count) {
    const proposals = strategy.ask(count - genomes.length)
    if (proposals.length === 0) break
    for (const { genome } of proposals) genomes.push(Float64Array.from(genome))
  }
  return genomes
}

/** The first item with the smallest finite measure. */
function least<T>(items: readonly T[], measure: (item: T) => number): T | undefined {
  let best: T | undefined
  let bestMeasure = Infinity
  for (const item of items) {
    const value = measure(item)
    if (value < bestMeasure) [best, bestMeasure] = [item, value]
  }
  return best
}

function keyOf(subject: string, split: Split): string {
  return `${split} ${subject}`
}

function digestKey(recipe: Recipe, split: Split): string {
  return `${split} ${recipeDigest(recipe)}`
}

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}
