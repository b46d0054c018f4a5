import { SPLITS, type Split } from '../../evaluator.ts'
import { mean, scoresOf } from '../metric.ts'
import type { Facts, MetricSpec, TaskMetric } from '../tasks/task.ts'
import { COMPARED_FACTS } from './compare-rows.ts'

/** Facts of a text, in this order: the numbers of its rows added up, in nats and counts, and the likelihood negated. */
export const TEXT_FACTS = {
  negativeLogLikelihood: COMPARED_FACTS.logLikelihood,
  hits: COMPARED_FACTS.greedyHits,
  entropy: COMPARED_FACTS.entropy,
  divergence: COMPARED_FACTS.divergence,
  agreement: COMPARED_FACTS.agreement,
  similarity: COMPARED_FACTS.similarity,
} as const

/** What is known of the texts of a split without any model. */
export interface TextSizes {
  readonly tokens: Float64Array
  readonly bytes: Float64Array
  readonly words: Float64Array
}

type Metrics = Readonly<Record<string, (spec: MetricSpec) => TaskMetric>>
type Unit = keyof TextSizes

/**
 * Ratios of sums: likelihood over all texts by tokens, bytes or words of all texts. A text's score is its likelihood by the *mean* size of
 * the split's texts, a number of the data alone, so that the mean of the scores of all texts is the ratio of the sums, the mean over a
 * part of the texts estimates it, and the score of a text does not depend on which others are scored.
 */
export function textMetrics(sizes: Readonly<Record<Split, TextSizes>>, vocabulary: number): Metrics {
  const meanSize = Object.fromEntries(
    SPLITS.map(split => [
      split,
      { tokens: mean(sizes[split].tokens), bytes: mean(sizes[split].bytes), words: mean(sizes[split].words) },
    ]),
  ) as Record<Split, Record<Unit, number>>
  const scores =
    (fact: number, unit: Unit, factor: number) =>
    (facts: Facts, split: Split): Float32Array =>
      scoresOf(facts, at => (facts.values[at + fact]! * factor) / meanSize[split][unit])
  // What a model that knows nothing scores: every token equally likely.
  const guess = (unit: Unit): number => (Math.log(vocabulary) * meanSize.search.tokens) / meanSize.search[unit]
  const { negativeLogLikelihood: NLL, hits: HITS, entropy: ENTROPY } = TEXT_FACTS

  const loss = (unit: Unit, name: string, factor = 1): TaskMetric => ({
    direction: 'minimize',
    unit: name,
    reference: guess(unit) * factor,
    ideal: 0,
    perExample: { low: 0 },
    scores: scores(NLL, unit, factor),
  })
  const perplexity = (unit: Unit, name: string): TaskMetric => ({
    direction: 'minimize',
    unit: name,
    reference: Math.exp(guess(unit)),
    ideal: 1,
    scores: scores(NLL, unit, 1), // nats: the value is e to their mean
    value: (facts, split) => Math.exp(mean(scores(NLL, unit, 1)(facts, split))),
  })
  return {
    bits_per_byte: () => loss('bytes', 'bits/byte', Math.LOG2E),
    negative_log_likelihood: () => loss('tokens', 'nats/token'),
    perplexity: () => perplexity('tokens', 'perplexity per token'),
    byte_perplexity: () => perplexity('bytes', 'perplexity per byte'),
    word_perplexity: () => perplexity('words', 'perplexity per word'),
    token_accuracy: () => ({
      direction: 'maximize',
      unit: 'share of tokens predicted, 0..1',
      reference: 0,
      ideal: 1,
      perExample: { low: 0 },
      scores: scores(HITS, 'tokens', 1),
    }),
    entropy: () => ({
      direction: 'minimize',
      unit: 'nats/token',
      reference: Math.log(vocabulary),
      ideal: 0,
      perExample: { low: 0 },
      scores: scores(ENTROPY, 'tokens', 1),
    }),
  }
}

/**
 * How near predictions are to an expert's on texts that nobody has labelled (Expert Merging, arXiv 2509.25712, aligns logits and hidden states).
 * A text's score is the mean over its tokens, and the value is the mean over the texts: every text counts once, and scores are as bounded as
 * what they are means of.
 */
export function textAgreementMetrics(
  sizes: Readonly<Record<Split, TextSizes>>,
  vocabulary: number,
  hasHidden: boolean,
): Metrics {
  const perToken =
    (fact: number) =>
    (facts: Facts, split: Split): Float32Array =>
      scoresOf(facts, (at, example) => facts.values[at + fact]! / sizes[split].tokens[example]!)
  return {
    expert_divergence: () => ({
      direction: 'minimize',
      unit: 'nats/token, from the expert',
      reference: Math.log(vocabulary),
      ideal: 0,
      needsExpert: 'outputs',
      perExample: { low: 0 },
      scores: perToken(TEXT_FACTS.divergence),
    }),
    expert_agreement: () => ({
      direction: 'maximize',
      unit: 'share of tokens with the expert’s prediction, 0..1',
      reference: 0,
      ideal: 1,
      needsExpert: 'outputs',
      perExample: { low: 0, high: 1 },
      scores: perToken(TEXT_FACTS.agreement),
    }),
    ...(hasHidden && {
      hidden_similarity: () => ({
        direction: 'maximize',
        unit: 'cosine to the expert’s hidden values, -1..1',
        reference: 0,
        ideal: 1,
        needsExpert: 'outputs',
        perExample: { low: -1, high: 1 },
        scores: perToken(TEXT_FACTS.similarity),
      }),
    }),
  }
}
