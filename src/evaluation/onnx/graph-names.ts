import { EvaluatorError, MergeError, show } from '../../errors.ts'
import { openCheckpoint } from '../../formats/open-file.ts'
import { correspond } from '../../merge/correspondence.ts'
import { sideOf } from '../../merge/match-sources.ts'
import type { MergedModel, TensorView } from '../../merge/model.ts'
import { matchesAny } from '../../merge/pattern.ts'
import type { InputFiles } from '../data/files.ts'
import { digestExpert } from './digest-expert.ts'
import { expectedWeights, type MatchOptions, type WeightSlot } from './match.ts'

/** Weight of a graph → the tensor of the models that it takes, and whether as its transpose. */
export type GraphNames = ReadonlyMap<string, { readonly name: string; readonly transposed: boolean }>

/**
 * What the models call the weights of a graph, told by the model that the graph was exported from: by name, then by values. No candidate is
 * looked at, so that all workers agree. A graph that takes weights as inputs has no values: names alone count then.
 * @param graph path of the .onnx file
 * @param origin path of a checkpoint
 * @throws {EvaluatorError} that lists what is left on both sides
 */
export function graphNames(
  graph: string,
  origin: string,
  slots: ReadonlyMap<string, WeightSlot>,
  options: MatchOptions,
): GraphNames {
  const [own, model] = [openCheckpoint(graph), openCheckpoint(origin)]
  try {
    const weights = [...expectedWeights(slots, options, graph)].map(name => slots.get(name)!)
    const [reference, other] = [sideOf({ id: graph, checkpoint: own }), sideOf({ id: origin, checkpoint: model })]
    const belongs = ({ name, shape }: { readonly name: string; readonly shape: readonly number[] }) =>
      elementsOf(shape) > 1 && ![options.ignored, options.constants].some(patterns => matchesAny(patterns, name))
    return correspond(
      { ...reference, tensors: weights },
      { ...other, tensors: other.tensors.filter(belongs) },
      weights.some(({ isInput }) => isInput === true),
    )
  } catch (error) {
    if (!(error instanceof MergeError)) throw error
    throw new EvaluatorError(error.message, {
      hint: '"exported_from" must be the model with whose weights the graph was exported. Declare what the graph keeps under "constants" and what it does not use under "ignored_tensors".',
      cause: error,
    })
  } finally {
    own.close()
    model.close()
  }
}

/** Digests everything that {@link graphNames} looks at, except the graph's own file. @throws {ConfigError | FormatError} */
export async function digestNames(graph: string, origin: string, files: InputFiles, role: string): Promise<void> {
  await digestExpert(origin, files, role)
  const checkpoint = openCheckpoint(graph)
  try {
    // Its weights in other files are left out where a graph is only run.
    for (const file of checkpoint.files) if (file !== graph) await files.readPart(file, role, origin)
  } finally {
    checkpoint.close()
  }
}

interface Named {
  /** The model as it was given; a merger fills the same buffers again and again. */
  readonly given: MergedModel['tensors']
  readonly model: MergedModel
  readonly copies: readonly { readonly from: TensorView; readonly to: Float32Array }[]
}

/** Models under the names of a graph: views of their buffers, and copies of what the graph stores as its transpose. */
export class NamedForGraph {
  readonly #names: GraphNames
  readonly #file: string
  #last: Named | undefined

  constructor(names: GraphNames, file: string) {
    this.#names = names
    this.#file = file
  }

  /** @returns valid until the next call; the same map of tensors for the same map given */
  model(given: MergedModel): MergedModel {
    if (this.#last?.given !== given.tensors) this.#last = this.#named(given)
    for (const { from, to } of this.#last.copies) transpose(from, to)
    return this.#last.model
  }

  #named({ tensors }: MergedModel): Named {
    const named = new Map<string, TensorView>()
    const copies: Named['copies'][number][] = []
    const used = new Set<string>()
    for (const [slot, { name, transposed }] of this.#names) {
      const from = tensors.get(name)
      if (from === undefined) continue // the list of what only the graph has says so
      used.add(name)
      if (transposed && from.shape.length === 2) {
        const to = new Float32Array(from.data.length)
        copies.push({ from, to })
        named.set(slot, { dtype: 'float32', shape: [from.shape[1]!, from.shape[0]!], data: to })
      } else named.set(slot, from)
    }
    for (const [name, tensor] of tensors) {
      if (used.has(name)) continue
      if (this.#names.has(name))
        throw new EvaluatorError(
          `The weight ${show(name)} of ${this.#file} takes the tensor ${show(this.#names.get(name)!.name)}, and the merged model has one named ${show(name)} besides.`,
          { hint: 'Rename it, or name the graph’s own weights as the models do.' },
        )
      named.set(name, tensor)
    }
    return { given: tensors, model: { tensors: named }, copies }
  }
}

function transpose({ shape, data }: TensorView, into: Float32Array): void {
  const [rows, columns] = [shape[0]!, shape[1]!]
  for (let j = 0; j < columns; j++) for (let i = 0; i < rows; i++) into[j * rows + i] = data[i * columns + j]!
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}
