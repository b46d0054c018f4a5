import { MergeError, show } from '../errors.ts'
import { type Adaptation, LORA_PREFIX } from '../formats/lora.ts'
import type { Section } from './plan.ts'

/**
 * Adapters merged into one: W0 + Σ c_m s_m B_m A_m is the effect of the factors A = [A_1; A_2; ...] and B = [c_1 s_1 B_1, c_2 s_2 B_2, ...], so
 * a weighted sum of task vectors is an adapter whose rank is the sum of theirs; nothing is approximated. Pure.
 */

export interface AdapterSource {
  readonly id: string
  /** Tensor of the model → what the adapter does to it; empty for the model itself. */
  readonly adaptations: ReadonlyMap<string, Adaptation>
}

/** A tensor of the model as the merged adapter has it. */
export type StackedTensor =
  | {
      readonly kind: 'low-rank'
      readonly tensor: string
      readonly embedding: boolean
      readonly transposed: boolean
      readonly parts: readonly {
        readonly source: number
        readonly A: string
        readonly B: string
        readonly scale: number
      }[]
    }
  /** Saved whole: base + Σ c (x − base). */
  | { readonly kind: 'whole'; readonly tensor: string; readonly terms: readonly Term[] }

export interface Term {
  readonly source: number
  readonly coefficient: number
}

/** Coefficients are float32, so that shares add up to 1 only about. */
const ONE = 1e-6

/**
 * @param sources in the order of the plans' positions
 * @param planned tensors with their plans
 * @throws {MergeError} where the merge is no weighted sum of the adapters' effects
 */
export function stackAdapters(
  sources: readonly AdapterSource[],
  planned: readonly { readonly name: string; readonly sections: readonly Section[] }[],
): StackedTensor[] {
  const stacked: StackedTensor[] = []
  for (const { name, sections } of planned) {
    const terms = termsOf(name, sections, sources)
    const own = terms.flatMap(term => {
      const adaptation = sources[term.source]!.adaptations.get(name)
      return adaptation === undefined || term.coefficient === 0 ? [] : [{ ...term, adaptation }]
    })
    if (own.length === 0) continue
    const whole = own.filter(({ adaptation }) => adaptation.kind === 'whole')
    if (whole.length === 0) stacked.push(lowRank(name, own))
    else if (whole.length === own.length) stacked.push({ kind: 'whole', tensor: name, terms })
    else {
      throw new MergeError(
        `${show(name)} is replaced by ${show(sources[whole[0]!.source]!.id)} and adapted by another: no adapter does both.`,
        { hint: 'Merge into a whole model: leave out --adapter.' },
      )
    }
  }
  return stacked
}

function lowRank(name: string, own: readonly (Term & { readonly adaptation: Adaptation })[]): StackedTensor {
  const parts = own.flatMap(({ source, coefficient, adaptation }) =>
    adaptation.kind === 'low-rank'
      ? [
          {
            source,
            A: adaptation.A,
            B: adaptation.B,
            scale: coefficient * adaptation.scale,
            transposed: adaptation.transposed,
          },
        ]
      : [],
  )
  const [first] = parts
  return {
    kind: 'low-rank',
    tensor: name,
    embedding: first!.A.includes('lora_embedding_'),
    transposed: first!.transposed,
    parts: parts.map(({ source, A, B, scale }) => ({ source, A, B, scale })),
  }
}

function termsOf(name: string, sections: readonly Section[], sources: readonly AdapterSource[]): readonly Term[] {
  const [section] = sections
  if (section === undefined) return []
  const { plan } = section
  if (sections.length > 1 || plan.kernel === 'operator') {
    throw new MergeError(`What the recipe does to ${show(name)} is no weighted sum of the adapters.`, {
      hint: 'linear and task_arithmetic merge adapters into an adapter; other methods give a whole model: leave out --adapter.',
    })
  }
  const { kernel, base, terms } = plan
  if (kernel === 'task-arithmetic') {
    if (base !== undefined && sources[base]!.adaptations.size === 0) return terms
    throw new MergeError('The base of the recipe must be the model that the adapters were trained on.')
  }
  const sum = terms.reduce((total, { coefficient }) => total + coefficient, 0)
  if (Math.abs(sum - 1) > ONE) {
    throw new MergeError(
      `The weights for ${show(name)} add up to ${sum}, so that the model itself would be scaled; an adapter cannot do that.`,
      { hint: 'Let them add up to 1 (normalize: true), or use task_arithmetic with the model as the base.' },
    )
  }
  return terms
}

/** Name of a factor in the file of an adapter. */
export function factorName(tensor: string, embedding: boolean, which: 'A' | 'B'): string {
  const module = tensor.replace(/\.weight$/, '')
  return `${LORA_PREFIX}${module}.${embedding ? `lora_embedding_${which}` : `lora_${which}.weight`}`
}
