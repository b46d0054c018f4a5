import { EvaluatorError, show } from '../../../errors.ts'
import { newElements } from '../rows.ts'
import type { GraphRunner, InputArray, OutputArray } from '../tasks/task.ts'
import type { LanguageGraph } from './language-graph.ts'
import { extend, type IsComplete, type Sequence } from './sequence.ts'
import { checkedLogits, mostLikely, withLogits } from './token-rows.ts'

/**
 * Generation with a key-value cache, without any padding: only texts of equal length share a run. The shortest go first, so that they catch
 * up with longer ones and go on together. So positions are those of the tokens, every graph fits, whatever it makes of a mask, and a text
 * does not depend on its company.
 */

/** Bytes of keys and values that are kept at once: 256 MiB. */
const CACHE_LIMIT = 256 << 20

/** Keys and values that a run left: what the graph's outputs hold, by name. */
type Caches = ReadonlyMap<string, OutputArray>

interface Open {
  readonly sequence: Sequence
  /** Keys and values of all its tokens but the last; `undefined` before its first run. */
  cache: { readonly of: Caches; readonly row: number } | undefined
}

export async function generateCached(
  runner: GraphRunner,
  graph: LanguageGraph,
  sequences: readonly Sequence[],
  longest: number,
  isComplete: IsComplete,
): Promise<void> {
  const bytes = graph.cache.reduce((sum, { heads, width }) => sum + 4 * heads * width * longest, 0)
  const together = Math.max(1, Math.min(runner.batchSize, Math.floor(CACHE_LIMIT / bytes)))
  const sorted = [...sequences].sort((a, b) => a.prompt - b.prompt)
  for (let from = 0; from < sorted.length; from += together) {
    let open = sorted.slice(from, from + together).map((sequence): Open => ({ sequence, cache: undefined }))
    while (open.length > 0) {
      const shortest = Math.min(...open.map(({ sequence }) => sequence.tokens.length))
      const next = open.filter(({ sequence }) => sequence.tokens.length === shortest)
      const done = new Set<Open>()
      for (const batch of batchesOf(next, runner, graph, shortest))
        for (const [row, token] of (await runBatch(runner, graph, batch, shortest)).entries())
          if (!extend(batch[row]!.sequence, token, isComplete)) done.add(batch[row]!)
      open = open.filter(one => !done.has(one))
    }
  }
}

/** New texts together, and those with a cache together, as many as a run takes. */
function batchesOf(
  ready: readonly Open[],
  runner: GraphRunner,
  graph: LanguageGraph,
  length: number,
): readonly (readonly Open[])[] {
  const batches: Open[][] = []
  for (const isNew of [true, false]) {
    const own = ready.filter(({ cache }) => (cache === undefined) === isNew)
    const { batchSize } = withLogits(runner, graph, isNew ? length : 1)
    for (let from = 0; from < own.length; from += batchSize) batches.push(own.slice(from, from + batchSize))
  }
  return batches
}

/**
 * Runs what the caches lack of texts of one length, and keeps the new caches.
 * @returns the most likely next token of each
 */
async function runBatch(
  runner: GraphRunner,
  graph: LanguageGraph,
  batch: readonly Open[],
  length: number,
): Promise<readonly number[]> {
  const past = batch[0]!.cache === undefined ? 0 : length - 1
  const fresh = length - past
  // One token is a vector to the graph, and a matrix times a vector is summed in another order: never run one alone.
  const filled = runner.fixedRows ?? Math.max(batch.length, fresh === 1 ? 2 : 1)
  const inputs = new Map(pastInputs(graph, batch, past, filled))
  for (const { name, dtype, role } of graph.inputs) {
    const width = role === 'mask' ? length : fresh
    const data = newElements(dtype, filled * width)
    for (let i = 0; i < filled * width; i++) {
      const t = i % width
      const tokens = batch[Math.floor(i / width)]?.sequence.tokens
      const value = role === 'mask' ? 1 : role === 'positions' ? past + t : (tokens?.[past + t] ?? 0)
      if (data instanceof BigInt64Array) data[i] = BigInt(value)
      else data[i] = value
    }
    inputs.set(name, { dtype, dims: [filled, width], data })
  }
  const outputs = await runner.run(inputs, [graph.logits, ...graph.cache.map(({ present }) => present)])
  const caches = checkedCaches(outputs, graph, filled, length)
  const logits = checkedLogits(outputs, graph, fresh)
  return batch.map((one, row) => {
    one.cache = { of: caches, row }
    return mostLikely(logits, (row + 1) * fresh - 1, graph)
  })
}

/** Keys and values of a run's rows: the outputs of the last run where they are the same rows in the same order, else a copy. */
function pastInputs(
  graph: LanguageGraph,
  batch: readonly Open[],
  past: number,
  filled: number,
): readonly (readonly [string, InputArray])[] {
  const first = batch[0]!.cache
  const isSame = batch.every(({ cache }, row) => cache?.of === first?.of && cache?.row === row)
  return graph.cache.map(({ past: name, present, heads, width }) => {
    const dims = [filled, heads, past, width]
    const before = first?.of.get(present)
    if (before !== undefined && isSame && before.dims[0] === filled)
      return [name, { dtype: 'float32', dims, data: before.data }]
    const size = heads * past * width
    const data = new Float32Array(filled * size)
    batch.forEach(({ cache }, row) => {
      if (cache === undefined) return
      const from = cache.row * size
      data.set(cache.of.get(present)!.data.subarray(from, from + size), row * size)
    })
    return [name, { dtype: 'float32', dims, data }]
  })
}

function checkedCaches(
  outputs: ReadonlyMap<string, OutputArray>,
  { cache }: LanguageGraph,
  rows: number,
  length: number,
): Caches {
  return new Map(
    cache.map(({ present, heads, width }) => {
      const found = outputs.get(present)!
      if (found.dims.join() !== [rows, heads, length, width].join())
        throw new EvaluatorError(
          `Output ${show(present)} must have shape [${rows}, ${heads}, ${length}, ${width}]; it has [${found.dims.join(', ')}].`,
        )
      return [present, found]
    }),
  )
}
