import type { Checkpoint, TensorInfo } from '../formats/checkpoint.ts'
import { isWeightDtype } from '../formats/dtype.ts'
import { indexLayers, layerOf } from '../space/layer-groups.ts'

/** What one model consists of, from headers alone. Pure. */

export interface ModelFacts {
  readonly path: string
  /** `architectures[0]` or `model_type` of its config. */
  readonly architecture: string | undefined
  /** Elements of all float tensors. */
  readonly parameters: number
  readonly bytes: number
  /** By dtype: how many tensors, how many elements. */
  readonly dtypes: Readonly<Record<string, { readonly tensors: number; readonly elements: number }>>
  /** Before, in and after the layers. */
  readonly parts: readonly PartFacts[]
  readonly layers: {
    readonly prefix: string | undefined
    readonly count: number
    readonly first: number
    readonly last: number
  }
  readonly largest: readonly { readonly name: string; readonly shape: readonly number[]; readonly dtype: string }[]
  /** Whether the output head is the embedding, and not stored. */
  readonly tied: boolean
}

export interface PartFacts {
  readonly part: 'pre' | 'layers' | 'post'
  readonly tensors: number
  readonly elements: number
}

/** Tensors that are listed as the largest. */
const LARGEST = 5

/** @param config of the model's folder, if it has one */
export function modelFacts(checkpoint: Checkpoint, config: Readonly<Record<string, unknown>> | undefined): ModelFacts {
  const tensors = [...checkpoint.tensors.values()]
  const index = indexLayers(tensors.map(({ name }) => name))
  const dtypes: Record<string, { tensors: number; elements: number }> = {}
  const parts = new Map<PartFacts['part'], { tensors: number; elements: number }>()
  for (const tensor of tensors) {
    const place = layerOf(tensor.name, index)
    count(parts, typeof place === 'number' ? 'layers' : place, tensor)
    dtypes[tensor.dtype] ??= { tensors: 0, elements: 0 }
    dtypes[tensor.dtype]!.tensors++
    dtypes[tensor.dtype]!.elements += elementsOf(tensor)
  }
  const { layers } = index
  return {
    path: checkpoint.path,
    architecture: architectureOf(config),
    parameters: tensors
      .filter(({ dtype }) => isWeightDtype(dtype))
      .reduce((sum, tensor) => sum + elementsOf(tensor), 0),
    bytes: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
    dtypes,
    parts: (['pre', 'layers', 'post'] as const).map(part => ({
      part,
      ...(parts.get(part) ?? { tensors: 0, elements: 0 }),
    })),
    layers: { prefix: index.prefix, count: layers.length, first: layers[0] ?? 0, last: layers.at(-1) ?? 0 },
    largest: tensors
      .toSorted((a, b) => elementsOf(b) - elementsOf(a) || (a.name < b.name ? -1 : 1))
      .slice(0, LARGEST)
      .map(({ name, shape, dtype }) => ({ name, shape, dtype })),
    tied: config?.tie_word_embeddings === true && !checkpoint.tensors.has('lm_head.weight'),
  }
}

function architectureOf(config: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const { architectures, model_type: type } = config ?? {}
  const [first] = Array.isArray(architectures) ? architectures : []
  return typeof first === 'string' ? first : typeof type === 'string' ? type : undefined
}

function count<K>(sums: Map<K, { tensors: number; elements: number }>, key: K, tensor: TensorInfo): void {
  const sum = sums.get(key) ?? { tensors: 0, elements: 0 }
  sum.tensors++
  sum.elements += elementsOf(tensor)
  sums.set(key, sum)
}

export function elementsOf({ shape }: { readonly shape: readonly number[] }): number {
  return shape.reduce((product, size) => product * size, 1)
}
