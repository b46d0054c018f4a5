import { MergeError, show } from '../errors.ts'
import type { RecipeGroup } from './recipe.ts'

/** Where a tensor sits in the depth of its model: in a numbered layer, before the first one, or after the last one. */
export type Place = number | 'pre' | 'post'

/** How the tensor names of one model count its layers. Plain data. */
export interface LayerIndex {
  /** What stands before the layer number, for example `model.layers.`; `undefined`: no tensor is numbered. */
  readonly prefix: string | undefined
  /** The layer numbers that occur, ascending. They may have gaps (`0, 2, 4` in a sequence with activations between). */
  readonly layers: readonly number[]
}

/** Longer runs of digits are hashes or years, not layer numbers. */
const NUMBER = '\\d{1,6}'
/** A component that is a number: `layers.3.weight`, `/blocks/3/attn`. The first one counts: experts are numbered inside layers. */
const NUMBERED_COMPONENT = new RegExp(`^((?:.*?[./])??)(${NUMBER})(?=[./]|$)`, 's')
/** A component that ends in a number: `fc1.weight`, `layer_3/kernel`. Used only where no component is a number. */
const NUMBERED_WORD = new RegExp(`^(.*?[^\\d./])(${NUMBER})(?=[./]|$)`, 's')

/**
 * Components that stand before the layers in common architectures: Llama, Mistral, Qwen, Gemma (`embed_tokens`), GPT-2 (`wte`, `wpe`),
 * BERT, ViT (`embeddings`), GPT-NeoX (`embed_in`, while its `embed_out` is the head), Bloom (`word_embeddings`), timm (`patch_embed`,
 * `pos_embed`, `cls_token`), convolutional nets (`stem`).
 */
const BEFORE_LAYERS =
  /(?:^|[./])(?:embed(?!_out)|wte|wpe|(?:word|tok|token|patch|pos|position)_?embed|cls_token|(?:conv_)?stem)/

function numberIn(name: string, rule: RegExp): { readonly prefix: string; readonly layer: number } | undefined {
  const match = rule.exec(name)
  return match ? { prefix: match[1]!, layer: Number(match[2]) } : undefined
}

/**
 * Finds how a model numbers its layers: the text before the number that most tensors share (then the one with more layers, then
 * the first in code-unit order, so that the answer does not depend on the order of the names).
 * @param tensorNames all tensors of one model, in any order.
 */
export function indexLayers(tensorNames: readonly string[]): LayerIndex {
  for (const rule of [NUMBERED_COMPONENT, NUMBERED_WORD]) {
    const stacks = new Map<string, { tensors: number; layers: Set<number> }>()
    for (const name of tensorNames) {
      const found = numberIn(name, rule)
      if (!found) continue
      const stack = stacks.get(found.prefix) ?? { tensors: 0, layers: new Set<number>() }
      stack.tensors++
      stack.layers.add(found.layer)
      stacks.set(found.prefix, stack)
    }
    const [dominant] = [...stacks].sort(
      ([a, x], [b, y]) => y.tensors - x.tensors || y.layers.size - x.layers.size || (a < b ? -1 : 1),
    )
    if (dominant) return { prefix: dominant[0], layers: [...dominant[1].layers].sort((a, b) => a - b) }
  }
  return { prefix: undefined, layers: [] }
}

/**
 * The layer of a tensor. A tensor outside the numbered stack is `pre` when its name is one that embeddings bear, else `post`
 * (final norms, heads, and side stacks such as a vision tower).
 */
export function layerOf(name: string, index: LayerIndex): Place {
  if (index.prefix !== undefined) {
    for (const rule of [NUMBERED_COMPONENT, NUMBERED_WORD]) {
      const found = numberIn(name, rule)
      if (found?.prefix === index.prefix) return found.layer
    }
  }
  return BEFORE_LAYERS.test(name) ? 'pre' : 'post'
}

/** Whether a recipe group selects a tensor. `filter` is a case-sensitive substring of the name, as in mergekit. */
export function groupSelects(group: Pick<RecipeGroup, 'layers' | 'filter'>, name: string, place: Place): boolean {
  if (group.filter !== undefined && !name.includes(group.filter)) return false
  if (group.layers === 'all') return true
  if (typeof group.layers === 'string') return group.layers === place
  return typeof place === 'number' && place >= group.layers[0] && place < group.layers[1]
}

/**
 * The rule by which recipes govern tensors: the first group that selects a tensor.
 * @returns tensor name → position in `groups`. The function throws {@link MergeError} for a tensor that no group selects.
 */
export function selectGroup(groups: readonly RecipeGroup[], index: LayerIndex): (name: string) => number {
  return name => {
    const place = layerOf(name, index)
    const position = groups.findIndex(group => groupSelects(group, name, place))
    if (position >= 0) return position
    const where = typeof place === 'number' ? `layer ${place}` : `"${place}", outside the numbered layers`
    throw new MergeError(
      `Expected one of the recipe's ${groups.length} groups to select tensor ${show(name)} (${where}), but none does.`,
      {
        hint: 'Add a group with "layers: all" and no filter at the end of the recipe: it takes what the others leave.',
      },
    )
  }
}
