import { EvaluatorError, show } from '../../../errors.ts'
import { newElements, type RowSource, runRows } from '../rows.ts'
import type { GraphRunner, InputArray, OutputArray } from '../tasks/task.ts'
import type { LanguageGraph } from './language-graph.ts'

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
const WIDTH = 3

/**
 * Rows are padded to a multiple of this, behind, which a causal model does not see. The length of a row must depend on the row alone:
 * a longer one changes how the runtime sums, in the last bits.
 */
const LENGTH_STEP = 16
/** Logits of one run: 16 MiB. More are no faster, and a vocabulary of 100,000 would fill the memory. */
const LOGITS_LIMIT = 4 << 20

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
): Promise<Float64Array> {
  const facts = new Float64Array(wanted.length * WIDTH)
  const at = new Map<number, number>()
  wanted.forEach((row, i) => {
    at.set(row, i * WIDTH)
  })
  for (const group of bySize(graph, rows, wanted)) {
    const length = paddedLength(graph, rows[group[0]!]!.input.length)
    const batchSize = Math.max(1, Math.min(runner.batchSize, Math.floor(LOGITS_LIMIT / (length * graph.vocabulary))))
    const limited: GraphRunner = { ...bound(runner), batchSize }
    await runRows(limited, tokenSource(graph, rows), group, [graph.logits], (outputs, batch) => {
      const logits = checkedLogits(outputs, graph, length)
      batch.forEach((row, i) => {
        scoreRow(logits, i * length, graph.vocabulary, rows[row]!, facts, at.get(row)!)
      })
    })
  }
  return facts
}

/** The tokens most likely to come next after each row's input (ties: the lowest id), in the order of `rows`. */
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
    await runRows(runner, tokenSource(graph, rows), group, [graph.logits], (outputs, batch) => {
      const logits = checkedLogits(outputs, graph, length)
      batch.forEach((row, i) => {
        const at = (i * length + rows[row]!.input.length - 1) * graph.vocabulary
        next[row] = largest(logits.subarray(at, at + graph.vocabulary))
      })
    })
  }
  return next
}

function bound(runner: GraphRunner): GraphRunner {
  return {
    fixedRows: runner.fixedRows,
    batchSize: runner.batchSize,
    run: (inputs, outputs) => runner.run(inputs, outputs),
  }
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
      return inputs
    },
  }
}

function checkedLogits(
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
  for (let t = 0; t < targets.length; t++) {
    const row = (first + t) * vocabulary
    let max = Number.NEGATIVE_INFINITY
    let best = 0
    for (let v = 0; v < vocabulary; v++) {
      const z = logits[row + v]!
      if (z > max) {
        max = z
        best = v
      }
    }
    let sum = 0 // Σ e^(z - max), a NaN among the logits makes it NaN
    let weighted = 0 // Σ (z - max) e^(z - max)
    for (let v = 0; v < vocabulary; v++) {
      const z = logits[row + v]! - max
      const p = Math.exp(z)
      sum += p
      if (p !== 0) weighted += z * p
    }
    const logSum = Math.log(sum)
    logLikelihood += logits[row + targets[t]!]! - max - logSum
    entropy += logSum - weighted / sum
    if (best === targets[t]) hits++
  }
  facts[at + ROW_FACTS.logLikelihood] = logLikelihood
  facts[at + ROW_FACTS.greedyHits] = Number.isNaN(logLikelihood) ? Number.NaN : hits
  facts[at + ROW_FACTS.entropy] = entropy
}

function largest(values: Float32Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i
  return best
}
