import { EvaluatorError, show } from '../../../errors.ts'
import { newElements, type RowSource, runRows } from '../rows.ts'
import type { GraphRunner, InputArray, OutputArray } from '../tasks/task.ts'
import type { LanguageGraph } from './language-graph.ts'
import { eachSoftmax } from './softmax/softmax.ts'

/**
 * Tokens that go through the graph at once, and the tokens that the last of its positions must predict: the graph's output at
 * position `input.length - targets.length + t` is scored against `targets[t]`.
 */
export interface TokenRow {
  readonly input: Int32Array
  readonly targets: Int32Array
}

/** Numbers per row, in this order. */
export const ROW_FACTS = { logLikelihood: 0, greedyHits: 1, entropy: 2 } as const
export const ROW_WIDTH = 3

/**
 * Rows are padded to a multiple of this, behind, which a causal model does not see. The length of a row must depend on the row alone:
 * a longer one changes how the runtime sums, in the last bits.
 */
const LENGTH_STEP = 16
/** Logits of one run: 16 MiB. More are no faster, and a vocabulary of 100,000 would fill the memory. */
const LOGITS_LIMIT = 4 << 20

/** What else is read of the runs that score rows. */
export interface AlsoRead {
  /** Besides the logits. */
  readonly outputs: readonly string[]
  /** @param length of every row of the run, in tokens */
  take(outputs: ReadonlyMap<string, OutputArray>, batch: Int32Array, length: number): void
}

/**
 * Log-likelihoods under the model. Row-major, shape (wanted, 3): per row the sum over its targets of ln p(target | what precedes)
 * in nats, the number of targets that are the most likely token (ties: the lowest id), and the sum of the entropies of the predicted
 * distributions in nats. NaN where a logit is NaN. Softmax in float64.
 */
export async function scoreTokenRows(
  runner: GraphRunner,
  graph: LanguageGraph,
  rows: readonly TokenRow[],
  wanted: Int32Array,
  also?: AlsoRead,
): Promise<Float64Array> {
  const facts = new Float64Array(wanted.length * ROW_WIDTH)
  const at = new Map<number, number>()
  wanted.forEach((row, i) => {
    at.set(row, i * ROW_WIDTH)
  })
  for (const group of bySize(graph, rows, wanted)) {
    const length = paddedLength(graph, rows[group[0]!]!.input.length)
    const limited = withLogits(runner, graph, length)
    const names = [graph.logits, ...(also?.outputs ?? [])]
    await runRows(limited, tokenSource(graph, rows), group, names, (outputs, batch) => {
      const logits = checkedLogits(outputs, graph, length)
      batch.forEach((row, i) => {
        scoreRow(logits, i * length, graph.vocabulary, rows[row]!, facts, at.get(row)!)
      })
      also?.take(outputs, batch, length)
    })
  }
  return facts
}

/**
 * The tokens most likely to come next after each input (ties: the lowest id), in the order of `inputs`; {@link BROKEN} where a logit is
 * NaN. Every input goes through the graph as a whole.
 */
export async function nextTokens(
  runner: GraphRunner,
  graph: LanguageGraph,
  inputs: readonly Int32Array[],
): Promise<Int32Array> {
  const rows = inputs.map(input => ({ input, targets: new Int32Array(0) }))
  const next = new Int32Array(rows.length)
  const all = Int32Array.from(rows.keys())
  for (const group of bySize(graph, rows, all)) {
    const length = paddedLength(graph, rows[group[0]!]!.input.length)
    const limited = withLogits(runner, graph, length)
    await runRows(limited, tokenSource(graph, rows), group, [graph.logits], (outputs, batch) => {
      const logits = checkedLogits(outputs, graph, length)
      batch.forEach((row, i) => {
        next[row] = mostLikely(logits, i * length + rows[row]!.input.length - 1, graph)
      })
    })
  }
  return next
}

/** The runner, with as many rows at once as their logits allow. @param length of a row, in tokens */
export function withLogits(runner: GraphRunner, { vocabulary }: LanguageGraph, length: number): GraphRunner {
  const batchSize = Math.max(1, Math.min(runner.batchSize, Math.floor(LOGITS_LIMIT / (length * vocabulary))))
  return { fixedRows: runner.fixedRows, batchSize, run: (inputs, outputs) => runner.run(inputs, outputs) }
}

function paddedLength({ fixedLength, maxLength }: LanguageGraph, length: number): number {
  return fixedLength ?? Math.min(maxLength, Math.ceil(length / LENGTH_STEP) * LENGTH_STEP)
}

/** Rows of one padded length together. */
function bySize(graph: LanguageGraph, rows: readonly TokenRow[], wanted: Int32Array): readonly Int32Array[] {
  const groups = new Map<number, number[]>()
  for (const row of wanted) {
    const length = paddedLength(graph, rows[row]!.input.length)
    const group = groups.get(length)
    if (group === undefined) groups.set(length, [row])
    else group.push(row)
  }
  return [...groups.values()].map(group => Int32Array.from(group))
}

function tokenSource(graph: LanguageGraph, rows: readonly TokenRow[]): RowSource {
  return {
    minRows: 1, // already a matrix: its rows are positions
    shapeOf: row => paddedLength(graph, rows[row]!.input.length),
    inputs: (batch, filled) => {
      const length = paddedLength(graph, rows[batch[0]!]!.input.length)
      const inputs = new Map<string, InputArray>()
      for (const { name, dtype, role } of graph.inputs) {
        const data = newElements(dtype, filled * length)
        const put = (at: number, value: number): void => {
          if (data instanceof BigInt64Array) data[at] = BigInt(value)
          else data[at] = value
        }
        batch.forEach((row, i) => {
          const { input } = rows[row]!
          for (let t = 0; t < input.length; t++)
            put(i * length + t, role === 'ids' ? input[t]! : role === 'mask' ? 1 : t)
        })
        inputs.set(name, { dtype, dims: [filled, length], data })
      }
      for (const { past, heads, width } of graph.cache)
        inputs.set(past, { dtype: 'float32', dims: [filled, heads, 0, width], data: new Float32Array(0) })
      return inputs
    },
  }
}

/** @throws {EvaluatorError} unless there are logits for `length` positions a row */
export function checkedLogits(
  outputs: ReadonlyMap<string, OutputArray>,
  { logits, vocabulary }: LanguageGraph,
  length: number,
): Float32Array {
  const { dims, data } = outputs.get(logits)!
  if (dims.length !== 3 || dims[1] !== length || dims[2] !== vocabulary)
    throw new EvaluatorError(
      `Output ${show(logits)} must have shape [rows, ${length}, ${vocabulary}]; it has [${dims.join(', ')}].`,
    )
  return data
}

function scoreRow(
  logits: Float32Array,
  firstPosition: number,
  vocabulary: number,
  { input, targets }: TokenRow,
  facts: Float64Array,
  at: number,
): void {
  let [logLikelihood, hits, entropy] = [0, 0, 0]
  const first = firstPosition + input.length - targets.length
  eachSoftmax(logits, first, targets.length, vocabulary, (t, { max, best, sum, weighted }) => {
    const logSum = Math.log(sum)
    logLikelihood += logits[(first + t) * vocabulary + targets[t]!]! - max - logSum
    entropy += logSum - weighted / sum
    if (best === targets[t]) hits++
  })
  facts[at + ROW_FACTS.logLikelihood] = logLikelihood
  facts[at + ROW_FACTS.greedyHits] = Number.isNaN(logLikelihood) ? Number.NaN : hits
  facts[at + ROW_FACTS.entropy] = entropy
}

/** Stands for a token where the logits hold a NaN. */
export const BROKEN = -1

/** The most likely token at a position; ties go to the lowest id. {@link BROKEN} where a logit is NaN. */
export function mostLikely(logits: Float32Array, position: number, { vocabulary }: LanguageGraph): number {
  const at = position * vocabulary
  let best = 0
  for (let v = 0; v < vocabulary; v++) {
    const z = logits[at + v]!
    if (Number.isNaN(z)) return BROKEN
    if (z > logits[at + best]!) best = v
  }
  return best
}
