import { EvaluatorError, show } from '../../errors.ts'
import type { OnnxModel, OnnxValue } from '../../formats/onnx.ts'
import { matchesAny } from '../../merge/pattern.ts'

const FLOATS: ReadonlySet<string | undefined> = new Set(['float32', 'float64', 'float16', 'bfloat16'])
/** Names shown per list in a message. */
const SHOWN = 6

/** Where a graph can take a merged tensor. */
export interface WeightSlot {
  readonly name: string
  readonly dtype: OnnxValue['dtype']
  readonly shape: readonly number[]
  /** An input of the graph, which has no value of its own. */
  readonly isInput?: boolean
}

/**
 * Everything in a graph that may be a weight, by name: its initializers, and the float32 inputs of fixed shape that no task fills.
 * @param filled names of the inputs that tasks fill
 */
export function weightSlots(model: OnnxModel, filled: ReadonlySet<string>): ReadonlyMap<string, WeightSlot> {
  const slots = new Map<string, WeightSlot>(model.initializers)
  for (const { name, dtype, shape } of model.inputs)
    if (!slots.has(name) && !filled.has(name) && dtype === 'float32' && isFixed(shape))
      slots.set(name, { name, dtype, shape, isInput: true })
  return slots
}

function isFixed(shape: OnnxValue['shape']): shape is readonly number[] {
  return shape?.every(dim => typeof dim === 'number') ?? false
}

export interface MatchOptions {
  /** Patterns of initializers that belong to the graph. */
  readonly constants: readonly string[]
  /** Patterns of merged tensors that the graph does not use. */
  readonly ignored: readonly string[]
}

/**
 * The weights as far as the graph alone can tell: float32 initializers of more than one element that are not declared constant, and inputs.
 * @throws {EvaluatorError} on weights of another float type
 */
export function expectedWeights(
  slots: ReadonlyMap<string, WeightSlot>,
  options: MatchOptions,
  graph: string,
): ReadonlySet<string> {
  const weights = new Set<string>()
  for (const tensor of slots.values()) {
    if (!FLOATS.has(tensor.dtype) || isSingle(tensor) || matchesAny(options.constants, tensor.name)) continue
    if (tensor.dtype !== 'float32')
      throw new EvaluatorError(
        `${graph}: the weight ${show(tensor.name)} is ${tensor.dtype}; merged weights are fed as float32.`,
        { hint: 'Export the graph in float32, or list the initializer under "constants".' },
      )
    weights.add(tensor.name)
  }
  if (weights.size === 0) throw new EvaluatorError(`${graph} has no float32 weights that could be replaced.`)
  return weights
}

/**
 * Which weights take a merged tensor: those of the same name. Single float values that no source has stay constants.
 * @param tensors name → shape of the merged model
 * @throws {EvaluatorError} listing what is only in the graph, what is only in the model, and what differs in shape
 */
export function matchWeights(
  slots: ReadonlyMap<string, WeightSlot>,
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  options: MatchOptions,
  graph: string,
): ReadonlySet<string> {
  const bound = new Set<string>()
  const onlyInModel: string[] = []
  const differing: string[] = []
  for (const [name, { shape }] of tensors) {
    if (matchesAny(options.ignored, name) || matchesAny(options.constants, name)) continue
    const slot = slots.get(name)
    if (slot?.dtype !== 'float32') onlyInModel.push(show(name))
    else if (slot.shape.join() !== shape.join())
      differing.push(`${show(name)} [${slot.shape.join(', ')}] in the graph, [${shape.join(', ')}] in the model`)
    else bound.add(name)
  }
  const onlyInGraph = [...expectedWeights(slots, options, graph)]
    .filter(name => !tensors.has(name) || matchesAny(options.ignored, name))
    .map(name => show(name))
  if (onlyInModel.length + onlyInGraph.length + differing.length === 0) return bound
  const lists = [
    list('only in the graph', onlyInGraph),
    list('only in the merged model', onlyInModel),
    list('of different shape', differing),
  ]
  throw new EvaluatorError(
    `The weights of ${graph} do not match the merged model: ${lists.filter(Boolean).join('; ')}.`,
    {
      hint: 'Names and shapes must be equal; where an exporter changed them, "exported_from" tells which are the same. Declare what the graph keeps under "constants" and what it does not use under "ignored_tensors".',
    },
  )
}

function isSingle({ shape, isInput }: WeightSlot): boolean {
  return isInput !== true && shape.reduce((product, dim) => product * dim, 1) <= 1
}

function list(title: string, items: readonly string[]): string {
  if (items.length === 0) return ''
  const more = items.length > SHOWN ? ` and ${items.length - SHOWN} more` : ''
  return `${title}: ${items.slice(0, SHOWN).join(', ')}${more}`
}
