import { MergeError } from '../errors.ts'
import type { TensorInfo } from '../formats/checkpoint.ts'
import { decodeToFloat32, dtypeBytes, isWeightDtype, type WeightDtype } from '../formats/dtype.ts'
import { correspond, type Match, type Side } from './correspondence.ts'
import type { NamedCheckpoint } from './inspect.ts'
import { RenamedCheckpoint } from './renamed-checkpoint.ts'

/**
 * Sources that name the same tensors differently, under the names of one of them: of the first graph, as evaluators feed weights by its names,
 * else of the first source.
 * @throws {MergeError} where a graph and another source cannot be matched; two others are left as they are
 */
export function matchSources(sources: readonly NamedCheckpoint[]): NamedCheckpoint[] {
  const reference = sources.find(isGraph) ?? sources[0]
  return sources.map(source => {
    if (reference === undefined || source === reference || hasSameTensors(reference, source)) return source
    let matches: ReadonlyMap<string, Match>
    try {
      matches = correspond(sideOf(reference), sideOf(source), !isGraph(reference) && !isGraph(source))
    } catch (error) {
      // Two folders of weights: what they lack is said better by name alone.
      if (error instanceof MergeError && !isGraph(reference) && !isGraph(source)) return source
      throw error
    }
    const kept = [...source.checkpoint.tensors.values()].filter(tensor => !isWeight(tensor)).map(({ name }) => name)
    const constants = [...reference.checkpoint.tensors.values()]
      .filter(tensor => isConstant(tensor) && !kept.includes(tensor.name))
      .filter(({ name }) => !matches.has(name))
      .map(({ name }) => name)
    return {
      id: source.id,
      checkpoint: new RenamedCheckpoint(source.checkpoint, matches, kept, reference.checkpoint, constants),
    }
  })
}

function isGraph({ checkpoint }: NamedCheckpoint): boolean {
  return checkpoint.path.toLowerCase().endsWith('.onnx')
}

/** Of the same names and shapes: types may differ, and are reported where they do. */
function hasSameTensors(
  { checkpoint: { tensors: a } }: NamedCheckpoint,
  { checkpoint: { tensors: b } }: NamedCheckpoint,
): boolean {
  return a.size === b.size && [...a.keys()].every(name => b.has(name))
}

function isWeight(tensor: TensorInfo): boolean {
  return isWeightDtype(tensor.dtype)
}

/** Numbers of a graph, such as an epsilon or the axes of an operation, that no other source stores. */
function isConstant(tensor: TensorInfo): boolean {
  return !isWeight(tensor) || elementsOf(tensor) <= 1
}

/** A source as the matcher sees it. */
export function sideOf(source: NamedCheckpoint): Side {
  const { id, checkpoint } = source
  const graph = isGraph(source)
  return {
    id,
    ordered: graph,
    tensors: [...checkpoint.tensors.values()].filter(tensor => isWeight(tensor) && !(graph && isConstant(tensor))),
    read: name => {
      const info = checkpoint.tensors.get(name)!
      const dtype = info.dtype as WeightDtype // only weights are among the tensors of a side
      const bytes = checkpoint.read(name, new Uint8Array(elementsOf(info) * dtypeBytes(dtype)))
      const values = new Float32Array(elementsOf(info))
      decodeToFloat32(bytes, dtype, values)
      return values
    },
  }
}

function elementsOf({ shape }: TensorInfo): number {
  return shape.reduce((product, size) => product * size, 1)
}
