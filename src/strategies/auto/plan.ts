import type { StrategyContext } from '../strategy.ts'

/**
 * Which strategy suits a search, from what is known before it begins: a function of the search's shape alone, so that equal searches
 * get equal plans. The first phase spends few evaluations well, with a model of what was seen; where the budget allows more than a
 * model pays for, an evolution strategy goes on from its trials.
 *
 * That a model comes first, and that evolution takes over after some 250 trials, is what Optuna's AutoSampler does too; the
 * limits here were set by `bench/search/merges.mjs`.
 */
export interface Phase {
  /** Kind of strategy; see `arms.ts`. */
  readonly strategy: ArmKind
  /** Candidates to ask it for; infinite in the last phase. */
  readonly asks: number
  /** The facts that decided it, as a clause. */
  readonly because: string
}

export type ArmKind = 'bayes' | 'cma-es' | 'forest' | 'nsga3' | 'sms-emoa' | 'tpe'

/** What a plan is a function of. */
export interface SearchShape {
  readonly genes: number
  /** Share of genes that are choices. */
  readonly choices: number
  readonly conditional: boolean
  readonly objectives: number
  readonly budget: number | undefined
}

export function shapeOf({ domain, objectives, budget }: StrategyContext): SearchShape {
  const { genes } = domain
  const choices = genes.filter(gene => gene.kind === 'categorical').length
  return {
    genes: genes.length,
    choices: genes.length === 0 ? 0 : choices / genes.length,
    conditional: genes.some(gene => gene.activeWhen !== undefined),
    objectives: objectives.length,
    budget,
  }
}

/** A Gaussian process has too little to go on beyond: one length scale per gene from a few hundred trials. */
const MOST_MODEL_GENES = 100
/** A Gaussian process sees choices as equally unlike one another: with more of them, trees are the better model. */
const MOST_CHOICES = 0.3
/** The share of the budget after which evolution takes over is at most this: what is left must be worth a new beginning. */
const MODEL_SHARE = 0.5

/** @param modelEvaluations what a model gets at most where something follows it. */
export function planOf(shape: SearchShape, modelEvaluations: number): readonly Phase[] {
  const { genes, choices, conditional, objectives, budget } = shape
  const asModel = (strategy: ArmKind, then: ArmKind, what: string): readonly Phase[] => {
    const enough = budget !== undefined && modelEvaluations > MODEL_SHARE * budget
    const size = budget === undefined ? 'an open budget' : plural(budget, 'evaluation')
    if (enough) return [{ strategy, asks: Infinity, because: `${what} and ${size}, which a model makes the most of` }]
    return [
      { strategy, asks: modelEvaluations, because: `${what}: a model makes the most of the first evaluations` },
      {
        strategy: then,
        asks: Infinity,
        because: `${size}, and after ${modelEvaluations} a model learns little more; it goes on from these trials`,
      },
    ]
  }
  if (conditional || choices > MOST_CHOICES) {
    const what = conditional ? 'conditional genes' : `${Math.round(100 * choices)} % of the genes are choices`
    return asModel('forest', objectives === 1 ? 'tpe' : evolutionOf(objectives), what)
  }
  const what = `${plural(genes, 'gene')}${choices > 0 ? ', few of them choices,' : ''}${objectives > 1 ? `, ${objectives} objectives` : ''}`
  if (genes > MOST_MODEL_GENES)
    return [
      {
        strategy: evolutionOf(objectives),
        asks: Infinity,
        because: `${what}, too many for a model of a few hundred trials`,
      },
    ]
  return asModel('bayes', evolutionOf(objectives), what)
}

function evolutionOf(objectives: number): ArmKind {
  if (objectives === 1) return 'cma-es'
  return objectives <= 3 ? 'sms-emoa' : 'nsga3'
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}
