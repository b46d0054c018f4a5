import type { StrategyContext } from '../strategy.ts'

/**
 * Which strategy suits a search, phase by phase: a function of the search's shape and of what its first candidates showed, so that
 * equal searches get equal plans.
 *
 * 1. Conditional genes, or many choices: a random forest, whose trees need no distances.
 * 2. More genes than a Gaussian process can tell apart: evolution from the start.
 * 3. Otherwise a probe: the declared start and scattered candidates. If none of those is better than the start, the start is
 *    informed (the uniform average of fine-tuned models usually is), and evolution around it is ahead of a model of the whole
 *    space; if one is, the Gaussian process goes on from the probe.
 * 4. Where the budget is at least twice what a model is given, evolution goes on from its trials.
 */
export interface Phase {
  readonly strategy: ArmKind
  /** Candidates asked for in all, by the end of the phase; infinite in the last. */
  readonly until: number
  /** The facts that decided it, as a clause. */
  readonly because: string
}

export const ARM_KINDS = ['bayes', 'cma-es', 'forest', 'nsga3', 'sms-emoa', 'tpe'] as const
export type ArmKind = (typeof ARM_KINDS)[number]

/** What is known of a search before it begins. */
export interface SearchShape {
  readonly genes: number
  /** Share of genes that are choices. */
  readonly choices: number
  readonly conditional: boolean
  readonly objectives: number
  readonly budget: number | undefined
  /** Trials of earlier runs. */
  readonly prior: number
  readonly guesses: number
  /** Candidates that a model gets at most, where evolution can go on. */
  readonly modelEvaluations: number
}

export function shapeOf(context: StrategyContext, modelEvaluations: number): SearchShape {
  const { domain, objectives, budget, prior = [], guesses = [] } = context
  const choices = domain.genes.filter(gene => gene.kind === 'categorical').length
  return {
    genes: domain.genes.length,
    choices: choices / domain.genes.length,
    conditional: domain.genes.some(gene => gene.activeWhen !== undefined),
    objectives: objectives.length,
    budget,
    prior: prior.length,
    guesses: guesses.length,
    modelEvaluations,
  }
}

/** The start and so many scattered candidates: that all of them are worse is chance in one of ten searches. */
export const PROBE = 10
/** A Gaussian process learns one length scale a gene from a few hundred trials: beyond so many genes it has too little to go on. */
const MOST_MODEL_GENES = 100
/** To a Gaussian process all choices are equally unlike: with more of them than this share of the genes, trees are the better model. */
const MOST_CHOICES = 0.3

export function firstPhase(shape: SearchShape): Phase {
  const { genes, choices, conditional, objectives, guesses, prior, modelEvaluations } = shape
  if (conditional || choices > MOST_CHOICES) {
    const because = conditional
      ? 'some genes are conditional'
      : `${Math.round(100 * choices)} % of the genes are choices`
    return { strategy: 'forest', until: modelEnd(shape), because }
  }
  const size = `${plural(genes, 'gene')}, ${plural(objectives, 'objective')}`
  if (genes > MOST_MODEL_GENES)
    return { strategy: evolutionOf(shape), until: Infinity, because: `${size}: too many genes for a model` }
  if (prior >= modelEvaluations)
    return {
      strategy: evolutionOf(shape),
      until: Infinity,
      because: `${size}, and ${plural(prior, 'trial')} to begin with`,
    }
  if (prior >= PROBE)
    return {
      strategy: 'bayes',
      until: modelEnd(shape),
      because: `${size}, and ${plural(prior, 'trial')} to begin with`,
    }
  return {
    strategy: 'bayes',
    until: guesses + PROBE,
    because: `${size}: the declared start and scattered candidates first`,
  }
}

/**
 * @param phases those so far; the last of them is over
 * @param startIsBest no other candidate so far is as good as the declared start
 * @returns `undefined`: the last phase goes on for good
 */
export function nextPhase(shape: SearchShape, phases: readonly Phase[], startIsBest: boolean): Phase | undefined {
  const { budget, modelEvaluations, guesses, objectives, prior } = shape
  const last = phases.at(-1)!
  if (last.until === Infinity) return undefined
  if (phases.length === 1 && last.strategy === 'bayes' && prior < PROBE) {
    const others = plural(guesses + PROBE - 1, 'other candidate')
    if (!startIsBest)
      return {
        strategy: 'bayes',
        until: modelEnd(shape),
        because: `some of ${others} are better than the declared start`,
      }
    const because = `none of ${others} is better than the declared start, so the search goes on around it`
    return { strategy: 'cma-es', until: objectives === 1 ? Infinity : modelEnd(shape), because }
  }
  const because = `${budget === undefined ? 'an open budget' : plural(budget, 'evaluation')}; after ${modelEvaluations} evolution gets more out of the rest`
  const strategy = last.strategy === 'forest' && objectives === 1 ? 'tpe' : evolutionOf(shape)
  return { strategy, until: Infinity, because }
}

/** Where less than as much again is left, a change is not worth a new beginning. */
function modelEnd({ budget, modelEvaluations }: SearchShape): number {
  return budget !== undefined && budget < 2 * modelEvaluations ? Infinity : modelEvaluations
}

function evolutionOf({ objectives }: SearchShape): ArmKind {
  if (objectives === 1) return 'cma-es'
  return objectives <= 3 ? 'sms-emoa' : 'nsga3'
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
