import type { GraphRunner } from '../tasks/task.ts'
import { generateCached } from './generate-cached.ts'
import type { LanguageGraph } from './language-graph.ts'
import { extend, type IsComplete, type Sequence } from './sequence.ts'
import { nextTokens } from './token-rows.ts'

/**
 * Continues every prompt with the most likely token (ties: the lowest id), one at a time, until it is complete. A text is the same whichever
 * others are generated with it.
 * @param prompts token ids, at least one each
 * @param longest tokens of a prompt and what is generated, together; `isComplete` keeps to it
 */
export async function generate(
  runner: GraphRunner,
  graph: LanguageGraph,
  prompts: readonly (readonly number[])[],
  longest: number,
  isComplete: IsComplete,
): Promise<readonly Sequence[]> {
  const sequences = prompts.map((prompt): Sequence => ({ tokens: [...prompt], prompt: prompt.length, isBroken: false }))
  // A graph of fixed length cannot take one token after many.
  if (graph.cache.length > 0 && graph.fixedLength === undefined)
    await generateCached(runner, graph, sequences, longest, isComplete)
  else await generateWhole(runner, graph, sequences, isComplete)
  return sequences
}

/** Every step runs the whole texts again. */
async function generateWhole(
  runner: GraphRunner,
  graph: LanguageGraph,
  sequences: readonly Sequence[],
  isComplete: IsComplete,
): Promise<void> {
  let open = sequences
  while (open.length > 0) {
    const next = await nextTokens(
      runner,
      graph,
      open.map(({ tokens }) => Int32Array.from(tokens)),
    )
    open = open.filter((sequence, i) => extend(sequence, next[i]!, isComplete))
  }
}
