import { describe, expect, it } from 'vitest'
import { byteTokenizer } from '../../src/evaluation/data/tokenizer.ts'
import { KeptOutputs } from '../../src/evaluation/onnx/kept-outputs.ts'
import { COMPARED_FACTS, COMPARED_WIDTH, compareTokenRows } from '../../src/evaluation/onnx/language/compare-rows.ts'
import type { LanguageGraph } from '../../src/evaluation/onnx/language/language-graph.ts'
import type { TokenRow } from '../../src/evaluation/onnx/language/token-rows.ts'
import type { GraphRunner, OutputArray } from '../../src/evaluation/onnx/tasks/task.ts'
import { rejectionOf } from '../helpers/thrown.ts'

const [VOCABULARY, LENGTH] = [3, 2]
const graph: LanguageGraph = {
  inputs: [{ name: 'input_ids', dtype: 'int64', role: 'ids' }],
  cache: [],
  logits: 'logits',
  vocabulary: VOCABULARY,
  maxLength: LENGTH,
  fixedLength: LENGTH,
  tokenizer: byteTokenizer,
  prefixToken: 0,
}
/** Rows of two tokens, of which the last or both predict one. */
const row = (id: number, targets: number): TokenRow => ({
  input: Int32Array.of(id, 0),
  targets: new Int32Array(targets),
})

/** A runner whose outputs for a row are those under the number of its first token, shape (2, 3) and (2, width). */
function runnerOf(
  logits: readonly (readonly number[])[],
  hidden: readonly (readonly number[])[] = [],
  hiddenDims = (rows: number): number[] => [rows, LENGTH, hidden[0]!.length / LENGTH],
): GraphRunner & { readonly runs: number[] } {
  const runs: number[] = []
  return {
    runs,
    fixedRows: undefined,
    batchSize: 2,
    run: async (inputs, names) => {
      const { dims, data } = inputs.get('input_ids')!
      const ids = Array.from({ length: dims[0]! }, (_, i) => Number(data[i * LENGTH]!))
      runs.push(ids.length)
      const output = (name: string): OutputArray =>
        name === 'logits'
          ? { dims: [ids.length, LENGTH, VOCABULARY], data: Float32Array.from(ids.flatMap(id => logits[id]!)) }
          : { dims: hiddenDims(ids.length), data: Float32Array.from(ids.flatMap(id => hidden[id]!)) }
      return new Map(names.map(name => [name, output(name)]))
    },
  }
}

async function compare(
  own: GraphRunner,
  other: GraphRunner,
  rows: readonly TokenRow[],
  hidden?: string,
  kept = new KeptOutputs(1 << 20).rowsOf('a'),
): Promise<Record<'divergence' | 'agreement' | 'similarity', number>[]> {
  const expert = { kept, withRunner: <T>(work: (runner: GraphRunner) => Promise<T>) => work(other) }
  const facts = await compareTokenRows(own, { graph, expert, hidden }, rows, Int32Array.from(rows.keys()))
  return rows.map((_, i) => ({
    divergence: facts[i * COMPARED_WIDTH + COMPARED_FACTS.divergence]!,
    agreement: facts[i * COMPARED_WIDTH + COMPARED_FACTS.agreement]!,
    similarity: facts[i * COMPARED_WIDTH + COMPARED_FACTS.similarity]!,
  }))
}

const LN2 = Math.log(2)
const [HALF, QUARTER] = [-LN2, -2 * LN2]

describe('predictions beside an expert’s', () => {
  it('diverge as the definition says, over the positions that predict a target', async () => {
    // The expert: (1/2, 1/4, 1/4); the model: (1/4, 1/2, 1/4). KL = 1/2 ln 2 - 1/4 ln 2 = ln 2 / 4. Where nothing is predicted they differ wildly.
    const theirs = [[50, 0, 0, HALF, QUARTER, QUARTER]]
    const ours = [[0, 0, 50, QUARTER + 7, HALF + 7, QUARTER + 7]] // a constant added to all logits means nothing
    const [last] = await compare(runnerOf(ours), runnerOf(theirs), [row(0, 1)])
    expect(last!.divergence).toBeCloseTo(LN2 / 4, 6)
    expect(last!.agreement).toBe(0)
    const [both] = await compare(runnerOf(ours), runnerOf(theirs), [row(0, 2)])
    expect(both!.divergence).toBeCloseTo(50 + LN2 / 4, 6)
  })

  it('agree where the lowest of the most likely tokens is the same', async () => {
    const expert = runnerOf([[1, 1, 0, 0, 2, 2]])
    expect((await compare(runnerOf([[3, 0, 3, 0, 9, 0]]), expert, [row(0, 2)]))[0]!.agreement).toBe(2)
    expect((await compare(runnerOf([[0, 3, 3, 0, 0, 9]]), expert, [row(0, 2)]))[0]!.agreement).toBe(0)
  })

  it('do not mind what the expert rules out, are infinitely far where only the model does, and NaN where either is broken', async () => {
    const never = Number.NEGATIVE_INFINITY
    const far = async (theirs: number[], ours: number[]) =>
      (await compare(runnerOf([[0, 0, 0, ...ours]]), runnerOf([[0, 0, 0, ...theirs]]), [row(0, 1)]))[0]!
    expect((await far([0, 0, never], [0, 0, 0])).divergence).toBeCloseTo(Math.log(3 / 2), 6)
    expect((await far([0, 0, never], [0, 0, never])).divergence).toBe(0)
    expect((await far([0, 0, 0], [0, 0, never])).divergence).toBe(Number.POSITIVE_INFINITY)
    for (const [theirs, ours] of [
      [
        [0, Number.NaN, 0],
        [0, 0, 0],
      ],
      [
        [0, 0, 0],
        [0, 0, Number.NaN],
      ],
      [
        [0, 0, 0],
        [Number.NaN, 0, 0],
      ],
    ] as const) {
      const { divergence, agreement } = await far([...theirs], [...ours])
      expect([divergence, agreement]).toEqual([Number.NaN, Number.NaN])
    }
  })

  it('have hidden values that are compared by the cosine at every position, whichever of two shapes they have', async () => {
    const logits = [[0, 0, 0, 0, 0, 0]]
    const [ours, theirs] = [[[1, 0, 0, 0]], [[1, 1, 3, 4]]] // 45°, and a zero vector
    for (const dims of [(rows: number) => [rows, LENGTH, 2], (rows: number) => [rows * LENGTH, 2]]) {
      const [found] = await compare(runnerOf(logits, ours, dims), runnerOf(logits, theirs, dims), [row(0, 2)], 'h')
      expect(found!.similarity).toBeCloseTo(Math.SQRT1_2, 7)
    }
    const flat = (rows: number): number[] => [rows, 4]
    expect(
      await rejectionOf(compare(runnerOf(logits, ours, flat), runnerOf(logits, theirs, flat), [row(0, 2)], 'h')),
    ).toBe('EvaluatorError: "h", named by "hidden", must have shape [1, 2, width] or [2, width]; it has [1, 4].')
  })

  it('are kept of the expert as far as there is room, and computed again beyond it, to the same bits', async () => {
    const logits = [
      [1, 2, 3, 4, 5, 7],
      [1, 0, 3, 2, 5, 1],
      [0, 2, 1, 4, 0, 7],
    ]
    const ours = runnerOf(logits.map(values => values.map(Math.sqrt)))
    const rows = [row(0, 2), row(1, 1), row(2, 2)]
    const results: unknown[] = []
    const bytes = 4 * VOCABULARY
    for (const [limit, again] of [
      [5 * bytes, 0], // all five positions
      [4 * bytes, 1], // the last row does not fit
      [2 * bytes, 2],
      [0, 3],
    ] as const) {
      const kept = new KeptOutputs(limit).rowsOf('a')
      const expert = runnerOf(logits)
      const first = await compare(ours, expert, rows, undefined, kept)
      expert.runs.length = 0
      const second = await compare(ours, expert, rows, undefined, kept)
      expect(expert.runs.reduce((sum, count) => sum + count, 0)).toBe(again)
      results.push(first, second)
    }
    for (const result of results) expect(result).toEqual(results[0])
  })

  it('share one limit among all tasks and splits', () => {
    const kept = new KeptOutputs(16)
    const values = Float32Array.of(1, 2, 3)
    kept.rowsOf('a').keep(0, [values])
    values.fill(0)
    kept.rowsOf('b').keep(0, [Float32Array.of(4, 5)])
    kept.rowsOf('b').keep(1, [Float32Array.of(6)])
    expect(kept.rowsOf('a').get(0)).toEqual([Float32Array.of(1, 2, 3)])
    expect(kept.rowsOf('b').get(0)).toBeUndefined()
    expect(kept.rowsOf('b').get(1)).toEqual([Float32Array.of(6)])
  })
})
