import { ConfigError, EvaluatorError, show } from '../../errors.ts'
import { isWeightDtype } from '../../formats/dtype.ts'
import { openCheckpoint } from '../../formats/open-file.ts'
import type { MergedModel, TensorView } from '../../merge/model.ts'
import { matchesAny } from '../../merge/pattern.ts'
import type { InputFiles } from '../data/files.ts'
import { digestExpert } from './digest-expert.ts'
import { readExpert } from './expert-model.ts'
import type { WeightSlot } from './match.ts'

/**
 * Heads: tensors that are not merged. Each task runs the merged model with a head of its own, from its own expert, as eight-task vision
 * benchmarks do (Ilharco et al. 2023, arXiv 2212.04089): one shared encoder, a classifier per data set.
 */

/** Where the heads of a task come from. */
export interface HeadSource {
  /** Of the tensors that belong to heads. */
  readonly patterns: readonly string[]
  /** Checkpoint that holds them. */
  readonly path: string
}

/**
 * Digests a head's file and compares it with the graph: headers only.
 * @throws {ConfigError | FormatError} when it cannot be read, {@link EvaluatorError} listing what does not fit
 */
export async function checkHead(
  { patterns, path }: HeadSource,
  slots: ReadonlyMap<string, WeightSlot>,
  graph: string,
  files: InputFiles,
  where: string,
): Promise<void> {
  await digestExpert(path, files, `${where}: head`)
  const checkpoint = openCheckpoint(path)
  try {
    const problems: string[] = []
    const held = [...checkpoint.tensors.values()].filter(({ name }) => matchesAny(patterns, name))
    for (const { name, shape, dtype } of held) {
      const slot = slots.get(name)
      if (slot === undefined) problems.push(`${show(name)} is not in the graph`)
      else if (!isWeightDtype(dtype)) problems.push(`${show(name)} is ${dtype}, no float`)
      else if (slot.shape.join() !== shape.join())
        problems.push(`${show(name)} is [${shape.join(', ')}], and [${slot.shape.join(', ')}] in the graph`)
    }
    for (const { name, shape } of headSlots(patterns, slots))
      if (!checkpoint.tensors.has(name)) problems.push(`${show(name)} [${shape.join(', ')}] is in the graph only`)
    if (problems.length > 0)
      throw new EvaluatorError(`${where}: the head ${path} does not fit ${graph}: ${problems.join('; ')}.`, {
        hint: 'Name the expert that was trained on this task, and a graph with its number of outputs, under "graph" of the task.',
      })
  } finally {
    checkpoint.close()
  }
}

/** The weights of a graph that are a head's. @throws {ConfigError} when there is none */
export function requireHead(
  patterns: readonly string[],
  slots: ReadonlyMap<string, WeightSlot>,
  graph: string,
  where: string,
): void {
  if (headSlots(patterns, slots).length > 0) return
  throw new ConfigError(
    `${where}: no weight of ${graph} matches "heads": ${patterns.map(one => show(one)).join(', ')}.`,
  )
}

function headSlots(patterns: readonly string[], slots: ReadonlyMap<string, WeightSlot>): readonly WeightSlot[] {
  return [...slots.values()].filter(({ name, dtype }) => dtype === 'float32' && matchesAny(patterns, name))
}

/** Merged models with the head of one task. */
export class WithHead {
  readonly #source: HeadSource
  #head: ReadonlyMap<string, TensorView> | undefined
  #last: { readonly given: MergedModel['tensors']; readonly model: MergedModel } | undefined

  constructor(source: HeadSource) {
    this.#source = source
  }

  /** @returns views of what was given, and the head's tensors instead of its own; the same map for the same map given */
  model(given: MergedModel): MergedModel {
    if (this.#last?.given !== given.tensors) {
      const { patterns } = this.#source
      const shared = [...given.tensors].filter(([name]) => !matchesAny(patterns, name))
      this.#last = { given: given.tensors, model: { ...given, tensors: new Map([...shared, ...this.#tensors()]) } }
    }
    return this.#last.model
  }

  #tensors(): ReadonlyMap<string, TensorView> {
    const { path, patterns } = this.#source
    this.#head ??= new Map([...readExpert(path).tensors].filter(([name]) => matchesAny(patterns, name)))
    return this.#head
  }
}
