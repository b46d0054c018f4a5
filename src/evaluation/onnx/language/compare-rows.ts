import { EvaluatorError, show } from '../../../errors.ts'
import type { ExpertRun, GraphRunner, OutputArray } from '../tasks/task.ts'
import type { LanguageGraph } from './language-graph.ts'
import { checkedLogits, ROW_FACTS, ROW_WIDTH, scoreTokenRows, type TokenRow } from './token-rows.ts'

/**
 * How near a language model is to an expert at every position that predicts a token, without looking at the token. The expert's outputs are
 * kept as far as memory goes; for the other rows both models run side by side, a batch at a time, so that a vocabulary times all positions
 * never has to fit.
 */

/** Numbers per row, in this order: those of `ROW_FACTS`, then sums over the row's targets. */
export const COMPARED_FACTS = { ...ROW_FACTS, divergence: 3, agreement: 4, similarity: 5 } as const
export const COMPARED_WIDTH = ROW_WIDTH + 3

export interface RowComparison {
  readonly graph: LanguageGraph
  readonly expert: ExpertRun
  /** A float32 value of the graph with a vector per position, compared too. */
  readonly hidden: string | undefined
}

/**
 * Scores rows as `scoreTokenRows` does and compares them with the expert's. Row-major, shape (wanted, 6): behind the three numbers of
 * `scoreTokenRows`, sums over the targets of KL(expert ‖ model) of the predicted distributions in nats, of 1 where the most likely token
 * (ties: the lowest id) is the same, and of the cosine of the hidden vectors (0 without `hidden`). NaN where an output is NaN.
 * @throws {EvaluatorError} when `hidden` has no vector per position
 */
export async function compareTokenRows(
  runner: GraphRunner,
  { graph, expert, hidden }: RowComparison,
  rows: readonly TokenRow[],
  wanted: Int32Array,
): Promise<Float64Array> {
  const facts = new Float64Array(wanted.length * COMPARED_WIDTH)
  const places = new Map<number, number>()
  for (const [i, row] of wanted.entries()) places.set(row, i * COMPARED_WIDTH)
  const outputs = hidden === undefined ? [] : [hidden]

  /** @param expertsOf the expert's outputs for a row, the i-th of its run */
  const compare = async (
    own: GraphRunner,
    some: Int32Array,
    expertsOf: (row: number, i: number, length: number) => readonly Float32Array[],
  ): Promise<void> => {
    const scored = await scoreTokenRows(own, graph, rows, some, {
      outputs,
      take: (found, batch, length) => {
        batch.forEach((row, i) => {
          const ours = outputsOfRow(found, graph, hidden, rows[row]!, i, length)
          addComparison(ours, expertsOf(row, i, length), rows[row]!.targets.length, facts, places.get(row)!)
        })
      },
    })
    some.forEach((row, i) => {
      facts.set(scored.subarray(i * ROW_WIDTH, (i + 1) * ROW_WIDTH), places.get(row)!)
    })
  }

  const known = wanted.filter(row => expert.kept.get(row) !== undefined)
  const unknown = wanted.filter(row => expert.kept.get(row) === undefined)
  if (known.length > 0) await compare(runner, known, row => expert.kept.get(row)!)
  if (unknown.length > 0)
    await expert.withRunner(async other => {
      const pair = new PairedRunner(runner, other)
      await compare(pair, unknown, (row, i, length) => {
        const theirs = outputsOfRow(pair.others, graph, hidden, rows[row]!, i, length)
        expert.kept.keep(row, theirs)
        return theirs
      })
    })
  return facts
}

/** A runner that gives the same inputs to another one, too. */
class PairedRunner implements GraphRunner {
  readonly #own: GraphRunner
  readonly #other: GraphRunner
  /** Outputs of the other at the last run. */
  others: ReadonlyMap<string, OutputArray> = new Map()

  constructor(own: GraphRunner, other: GraphRunner) {
    this.#own = own
    this.#other = other
  }

  get fixedRows(): number | undefined {
    return this.#own.fixedRows
  }

  get batchSize(): number {
    return this.#own.batchSize
  }

  run: GraphRunner['run'] = async (inputs, outputs) => {
    this.others = await this.#other.run(inputs, outputs)
    return this.#own.run(inputs, outputs)
  }
}

/** Logits, and hidden vectors if there are any, at the positions of a row that predict its targets: views of a run's outputs. */
function outputsOfRow(
  outputs: ReadonlyMap<string, OutputArray>,
  graph: LanguageGraph,
  hidden: string | undefined,
  { input, targets }: TokenRow,
  i: number,
  length: number,
): readonly Float32Array[] {
  const end = i * length + input.length
  const predicting = (data: Float32Array, width: number): Float32Array =>
    data.subarray((end - targets.length) * width, end * width)
  const logits = predicting(checkedLogits(outputs, graph, length), graph.vocabulary)
  if (hidden === undefined) return [logits]
  const filled = outputs.get(graph.logits)!.dims[0]!
  const { dims, data } = outputs.get(hidden)!
  const isPerPosition =
    (dims.length === 3 && dims[0] === filled && dims[1] === length) ||
    (dims.length === 2 && dims[0] === filled * length)
  if (!isPerPosition)
    throw new EvaluatorError(
      `${show(hidden)}, named by "hidden", must have shape [${filled}, ${length}, width] or [${filled * length}, width]; it has [${dims.join(', ')}].`,
      { hint: 'Name a value of the graph with a vector for every token.' },
    )
  return [logits, predicting(data, dims.at(-1)!)]
}

function addComparison(
  [ours, ourHidden]: readonly Float32Array[],
  [theirs, theirHidden]: readonly Float32Array[],
  positions: number,
  facts: Float64Array,
  at: number,
): void {
  let [divergence, agreement, similarity] = [0, 0, 0]
  const width = ourHidden === undefined ? 0 : ourHidden.length / positions
  for (let t = 0; t < positions; t++) {
    const { nats, isSame } = compareLogits(theirs!, ours!, t, ours!.length / positions)
    divergence += nats
    if (isSame) agreement++
    if (width > 0) similarity += cosine(theirHidden!, ourHidden!, t * width, (t + 1) * width)
  }
  facts[at + COMPARED_FACTS.divergence] = divergence
  facts[at + COMPARED_FACTS.agreement] = Number.isNaN(divergence) ? Number.NaN : agreement
  facts[at + COMPARED_FACTS.similarity] = similarity
}

/**
 * KL(p ‖ q) = Σ p (ln p - ln q) in nats, never negative, of the distributions that logits have at a position; and whether both have the same
 * most likely token. In float64, around each one's largest logit: Σ e^z ((z - max) - (z' - max')) / Σ e^z - ln Σ e^z + ln Σ e^z'.
 */
function compareLogits(
  p: Float32Array,
  q: Float32Array,
  position: number,
  vocabulary: number,
): { readonly nats: number; readonly isSame: boolean } {
  const from = position * vocabulary
  const [bestP, bestQ] = [largest(p, from, vocabulary), largest(q, from, vocabulary)]
  const [maxP, maxQ] = [p[from + bestP]!, q[from + bestQ]!]
  let [sumP, sumQ, weighted] = [0, 0, 0] // a NaN among the logits makes them NaN
  for (let v = from; v < from + vocabulary; v++) {
    const [z, other] = [p[v]! - maxP, q[v]! - maxQ]
    const share = Math.exp(z)
    sumP += share
    sumQ += Math.exp(other)
    if (share !== 0) weighted += share * (z - other)
  }
  const nats = weighted / sumP - Math.log(sumP) + Math.log(sumQ)
  return { nats: nats < 0 ? 0 : nats, isSame: bestP === bestQ }
}

function largest(values: Float32Array, from: number, count: number): number {
  let best = 0
  for (let k = 1; k < count; k++) if (values[from + k]! > values[from + best]!) best = k
  return best
}

/** Of the elements [from, end) of both; 0 where one is a zero vector. -1..1. */
function cosine(a: Float32Array, b: Float32Array, from: number, end: number): number {
  let [dot, aa, bb] = [0, 0, 0]
  for (let k = from; k < end; k++) {
    const [x, y] = [a[k]!, b[k]!]
    dot += x * y
    aa += x * x
    bb += y * y
  }
  return aa === 0 || bb === 0 ? 0 : Math.max(-1, Math.min(1, dot / Math.sqrt(aa * bb)))
}
