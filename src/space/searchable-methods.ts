/** What a search needs to know of a merge method: its formula lives in `merge/methods.ts`, under the same name. */
export interface SearchableMethod {
  readonly name: string
  /** Works on task vectors, so it needs a common ancestor. */
  readonly needsBase: boolean
  /** Upper end of the weights' default range; the lower end is 0, or its negative where negative weights are allowed. */
  readonly weightMax: number
  /** Default of `normalize`, as in mergekit. */
  readonly normalize: boolean
  /** Whether the method has the global factor `lambda`. */
  readonly hasLambda: boolean
}

export const SEARCHABLE_METHODS: readonly SearchableMethod[] = [
  { name: 'linear', needsBase: false, weightMax: 1, normalize: true, hasLambda: false },
  // Weights above 1 extrapolate a task vector, which pays off when several are added; beyond 1.5 models mostly break.
  { name: 'task_arithmetic', needsBase: true, weightMax: 1.5, normalize: false, hasLambda: true },
]

/** Methods that other tools know. Naming them tells "not yet" from "misspelt". */
export const UNAVAILABLE_METHODS: readonly string[] = [
  'ties',
  'dare_ties',
  'dare_linear',
  'slerp',
  'nuslerp',
  'multislerp',
  'karcher',
  'della',
  'della_linear',
  'breadcrumbs',
  'breadcrumbs_ties',
  'sce',
  'ram',
  'ramplus_tl',
  'model_stock',
  'nearswap',
  'arcee_fusion',
  'passthrough',
]

export function searchableMethod(name: string): SearchableMethod | undefined {
  return SEARCHABLE_METHODS.find(method => method.name === name)
}
