import { ConfigError, MergeError, nearest, show } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { type Dtype, isWeightDtype } from '../formats/dtype.ts'
import type { TensorSpec } from '../formats/safetensors.ts'
import { requireNoScale } from './float8-scales.ts'
import { SOURCES_LIMIT, type WeightTensor } from './layout.ts'
import { storedTensors } from './lora-checkpoint.ts'

/** What several checkpoints have in common: everything, or they cannot be merged. Pure; `sources.ts` opens the files. */

/** A message lists this many names of each side. */
const LISTED = 5

export interface NamedCheckpoint {
  readonly id: string
  readonly checkpoint: Checkpoint
}

export interface CommonTensors {
  /** Float tensors, in the file order of the first source. */
  readonly weights: readonly WeightTensor[]
  /** Integer and boolean tensors: they are not merged but must be the same everywhere. */
  readonly others: readonly (TensorSpec & { readonly dtype: Dtype })[]
}

/**
 * @throws {ConfigError} on no sources, too many, or two of one id
 * @throws {MergeError} when names, shapes or dtypes differ, naming both sides
 */
export function requireCommonTensors(sources: readonly NamedCheckpoint[]): CommonTensors {
  const [first, ...rest] = sources
  if (first === undefined) throw new ConfigError('A merge needs at least one source.')
  if (sources.length > SOURCES_LIMIT) {
    throw new ConfigError(`${sources.length} sources are too many; at most ${SOURCES_LIMIT} are merged at once.`)
  }
  const twice = sources.find(({ id }, i) => sources.findIndex(other => other.id === id) < i)
  if (twice !== undefined) throw new ConfigError(`Two sources have the id ${show(twice.id)}.`)
  for (const other of rest) {
    requireSameNames(first, other)
    requireSame(first, other, 'shape', tensor => `[${tensor.shape.join(', ')}]`)
    requireSame(first, other, 'dtype', tensor => tensor.dtype)
  }

  const weights: WeightTensor[] = []
  const others: TensorSpec[] = []
  for (const { name, dtype, shape } of storedTensors(first.checkpoint).values()) {
    requireNoScale(name, dtype, first.checkpoint.tensors)
    if (isWeightDtype(dtype)) {
      weights.push({ name, dtype, shape, elements: shape.reduce((product, size) => product * size, 1) })
    } else {
      others.push({ name, dtype, shape })
    }
  }
  return { weights, others }
}

function requireSameNames(a: NamedCheckpoint, b: NamedCheckpoint): void {
  const onlyA = [...a.checkpoint.tensors.keys()].filter(name => !b.checkpoint.tensors.has(name))
  const onlyB = [...b.checkpoint.tensors.keys()].filter(name => !a.checkpoint.tensors.has(name))
  if (onlyA.length === 0 && onlyB.length === 0) return
  const sides = [sideOf(a.id, onlyA), sideOf(b.id, onlyB)].filter(side => side !== undefined)
  const near = onlyA.length > 0 ? nearest(onlyA[0]!, onlyB) : undefined
  throw new MergeError(`Sources ${show(a.id)} and ${show(b.id)} must have the same tensors: ${sides.join('; ')}.`, {
    hint:
      near === undefined
        ? 'Sources must be fine-tuned from the same model and saved in the same way.'
        : `Is ${show(near)} in ${show(b.id)} what ${show(a.id)} calls ${show(onlyA[0])}?`,
  })
}

function sideOf(id: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined
  const listed = names.slice(0, LISTED).map(name => show(name))
  const more = names.length > LISTED ? ` and ${names.length - LISTED} more` : ''
  return `only ${show(id)} has ${listed.join(', ')}${more}`
}

function requireSame(a: NamedCheckpoint, b: NamedCheckpoint, what: string, of: (tensor: TensorSpec) => string): void {
  const different: string[] = []
  const other = storedTensors(b.checkpoint)
  for (const tensor of storedTensors(a.checkpoint).values()) {
    const [inA, inB] = [of(tensor), of(other.get(tensor.name)!)]
    if (inA !== inB) different.push(`${show(tensor.name)} is ${inA} in ${show(a.id)} and ${inB} in ${show(b.id)}`)
  }
  if (different.length === 0) return
  const more = different.length > LISTED ? ` and ${different.length - LISTED} more` : ''
  throw new MergeError(
    `Sources must agree in the ${what} of every tensor: ${different.slice(0, LISTED).join('; ')}${more}.`,
    {
      hint:
        what === 'dtype'
          ? 'Convert the sources to one dtype first.'
          : 'Sources must be fine-tuned from the same model; vocabularies that were extended differ in shape.',
    },
  )
}
