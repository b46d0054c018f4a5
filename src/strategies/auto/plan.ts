import type { StrategyContext } from '../strategy.ts'

/**
 * Which strategies suit a search, one after another: a function of its shape alone, so that equal searches get equal plans.
 *
 * 1. Conditional genes, or many choices: a random forest, whose trees need no distances.
 * 2. More genes than a Gaussian process can tell apart, or trials enough to begin with: evolution from the start.
 * 3. Otherwise a Gaussian process.
 * 4. Where the budget is at least twice what a model is given, evolution goes on from its trials.
 * 5. Evolution with several objectives looks for the winner first and then for the front, half of what is left each.
 *
 * That a model comes first and evolution takes over after some 250 trials is what Optuna's AutoSampler does, too.
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
  /** Candidates that a model gets at most, where evolution can go on. */
  readonly modelEvaluations: number
}

export function shapeOf(context: StrategyContext, modelEvaluations: number): SearchShape {
  const { domain, objectives, budget, prior = [] } = context
  const choices = domain.genes.filter(gene => gene.kind === 'categorical').length
  return {
    genes: domain.genes.length,
    choices: choices / domain.genes.length,
    conditional: domain.genes.some(gene => gene.activeWhen !== undefined),
    objectives: objectives.length,
    budget,
    prior: prior.length,
    modelEvaluations,
  }
}

/** A Gaussian process learns one length scale a gene from a few hundred trials: beyond so many genes it has too little to go on. */
const MOST_MODEL_GENES = 100
/** To a Gaussian process all choices are equally unlike: with more of them than this share of the genes, trees are the better model. */
const MOST_CHOICES = 0.3

export function planOf(shape: SearchShape): readonly Phase[] {
  const { genes, choices, conditional, objectives, budget, prior, modelEvaluations } = shape
  const modelFirst = (strategy: ArmKind, because: string, then?: ArmKind): readonly Phase[] => {
    const until = modelEnd(shape)
    if (until === Infinity) return [{ strategy, until, because }]
    const size = budget === undefined ? 'an open budget' : plural(budget, 'evaluation')
    const after = `${size}; after ${modelEvaluations} evolution gets more out of the rest`
    const rest =
      then === undefined ? evolution(shape, until, after) : [{ strategy: then, until: Infinity, because: after }]
    return [{ strategy, until, because }, ...rest]
  }
  if (conditional || choices > MOST_CHOICES) {
    const because = conditional
      ? 'some genes are conditional'
      : `${Math.round(100 * choices)} % of the genes are choices`
    return modelFirst('forest', because, objectives === 1 ? 'tpe' : undefined)
  }
  const size = `${plural(genes, 'gene')}, ${plural(objectives, 'objective')}`
  if (genes > MOST_MODEL_GENES) return evolution(shape, 0, `${size}: too many genes for a model`)
  if (prior >= modelEvaluations) {
    const because = `${size}, and ${plural(prior, 'trial')} to begin with`
    return evolution(shape, 0, because)
  }
  return modelFirst('bayes', `${size}: a model makes the most of few evaluations`)
}

/** Where less than as much again is left, a change is not worth a new beginning. */
function modelEnd({ budget, modelEvaluations }: SearchShape): number {
  return budget !== undefined && budget < 2 * modelEvaluations ? Infinity : modelEvaluations
}

/**
 * Evolution of what `from` candidates leave: of a front that has been widened, no strategy for fronts improves the best compromise, and the one that
 * does leaves the front as it is. So one after the other, if it is known how much is left.
 */
function evolution({ objectives, budget }: SearchShape, from: number, because: string): readonly Phase[] {
  if (objectives === 1) return [{ strategy: 'cma-es', until: Infinity, because }]
  const front = objectives <= 3 ? 'sms-emoa' : 'nsga3'
  if (budget === undefined) return [{ strategy: front, until: Infinity, because }]
  const half = from + Math.floor((budget - from) / 2)
  return [
    { strategy: 'cma-es', until: half, because },
    {
      strategy: front,
      until: Infinity,
      because: 'half of what was left went to the winner, the rest is for the front',
    },
  ]
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
