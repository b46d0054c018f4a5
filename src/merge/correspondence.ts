import { MergeError, show } from '../errors.ts'

/**
 * Which tensor of one model is which of another that names them differently: exports of one architecture by different programs, or weights
 * beside a graph. By name, then by position, then by values, also transposed; pure.
 */

export interface Side {
  readonly id: string
  /** Float tensors, in the order of the file. */
  readonly tensors: readonly NamedShape[]
  /** Whether that order is the graph's, as in ONNX files, and says which tensor is which. */
  readonly ordered: boolean
  /** Row-major values. */
  read(name: string): Float32Array
}

export interface NamedShape {
  readonly name: string
  readonly shape: readonly number[]
}

export interface Match {
  /** In the other model. */
  readonly name: string
  /** Its matrix is stored as the transpose. */
  readonly transposed: boolean
  /** `tied`: the reference has a copy of a tensor that the other stores once. */
  readonly by: 'name' | 'position' | 'values' | 'tied'
}

/** Elements that tensors are compared by, spread over all of them. */
const SAMPLES = 4096
/** Tensors of one origin differ by less than this part of their norm; unrelated ones by about √2. */
const NEAR = 0.5
/** A second candidate must be this many times as far away. */
const APART = 4
/** A message lists this many names of each side. */
const LISTED = 6

/**
 * @param namesOnly for weights that nothing but names tells apart: neither positions nor values are looked at
 * @returns reference name → match, for all tensors of the reference. Tensors that only the other has are left out where they are copies of
 *   matched ones, such as an output head tied to the embedding.
 * @throws {MergeError} that lists what is left on both sides, or both shapes where a vocabulary differs
 */
export function correspond(reference: Side, other: Side, namesOnly = false): ReadonlyMap<string, Match> {
  const matching = new Matching(reference, other)
  matching.byName()
  matching.bySuffix()
  if (!namesOnly) {
    matching.byPosition()
    matching.byValues()
    matching.tied()
  }
  return matching.result()
}

class Matching {
  readonly #reference: Side
  readonly #other: Side
  readonly #matches = new Map<string, Match>()
  readonly #taken = new Set<string>()
  /** Tensors of the other that are copies of matched ones. */
  readonly #copies = new Set<string>()

  constructor(reference: Side, other: Side) {
    this.#reference = reference
    this.#other = other
  }

  byName(): void {
    const own = new Map(this.#other.tensors.map(tensor => [tensor.name, tensor]))
    for (const { name, shape } of this.#reference.tensors) {
      const tensor = own.get(name)
      if (tensor === undefined) continue
      if (sameShape(shape, tensor.shape)) this.#match(name, { name, transposed: false, by: 'name' })
      else if (!reversed(shape, tensor.shape)) {
        throw new MergeError(
          `${show(name)} is [${shape.join(', ')}] in ${show(this.#reference.id)} and [${tensor.shape.join(', ')}] in ${show(this.#other.id)}.`,
          {
            hint:
              shape.length === 2 && shape[1] === tensor.shape[1]
                ? 'Their vocabularies differ: bring the models to one tokenizer first.'
                : 'The models are not of one architecture.',
          },
        )
      }
    }
  }

  /** Names that differ by what stands before them: `model.`, `module.`, the name of a wrapper. */
  bySuffix(): void {
    const pairs = this.#left().flatMap(r =>
      this.#leftOver()
        .filter(o => (o.name.endsWith(`.${r.name}`) || r.name.endsWith(`.${o.name}`)) && sameShape(r.shape, o.shape))
        .map(o => [r.name, o.name] as const),
    )
    for (const [r, o] of pairs) {
      const sole = pairs.filter(pair => pair[0] === r).length === 1 && pairs.filter(pair => pair[1] === o).length === 1
      if (sole) this.#match(r, { name: o, transposed: false, by: 'name' })
    }
  }

  /** What is left, in order, where both orders are those of graphs and all shapes agree. */
  byPosition(): void {
    const [left, leftOver] = [this.#left(), this.#leftOver()]
    if (!this.#reference.ordered || !this.#other.ordered || left.length !== leftOver.length) return
    if (!left.every(({ shape }, k) => sameShape(shape, leftOver[k]!.shape))) return
    for (const [k, { name }] of left.entries()) {
      this.#match(name, { name: leftOver[k]!.name, transposed: false, by: 'position' })
    }
  }

  /** The nearest tensor of the reference, where no other is nearly as near; again while that leaves fewer to choose from. */
  byValues(): void {
    for (let before = -1; before !== this.#matches.size; ) {
      before = this.#matches.size
      this.#matchNearest()
    }
  }

  #matchNearest(): void {
    const left = this.#left()
    const samples = left.map(({ name, shape }) => sampleOf(this.#reference.read(name), shape, false))
    for (const { name, shape } of left.length === 0 ? [] : this.#leftOver()) {
      const values = this.#other.read(name)
      const [best, second] = left
        .flatMap((r, k) =>
          [false, true].flatMap(transposed =>
            (transposed ? reversed : sameShape)(r.shape, shape)
              ? [{ r: r.name, transposed, off: distance(samples[k]!, sampleOf(values, shape, transposed)) }]
              : [],
          ),
        )
        .sort((x, y) => x.off - y.off)
      if (best === undefined || this.#matches.has(best.r) || best.off >= NEAR) continue
      if (second !== undefined && second.off <= Math.max(APART * best.off, NEAR)) continue
      this.#match(best.r, { name, transposed: best.transposed, by: 'values' })
    }
  }

  tied(): void {
    const twin = (side: Side, tensor: NamedShape, among: readonly NamedShape[]) => {
      const values = among.length === 0 ? undefined : side.read(tensor.name)
      for (const candidate of among) {
        for (const transposed of [false, true]) {
          if (!(transposed ? reversed : sameShape)(tensor.shape, candidate.shape)) continue
          const off = distance(
            sampleOf(side.read(candidate.name), candidate.shape, transposed),
            sampleOf(values!, tensor.shape, false),
          )
          if (off === 0) return { name: candidate.name, transposed }
        }
      }
      return undefined
    }
    const matched = this.#reference.tensors.filter(({ name }) => this.#matches.has(name))
    for (const tensor of this.#left()) {
      const found = twin(this.#reference, tensor, matched)
      if (found === undefined) continue
      const match = this.#matches.get(found.name)!
      this.#match(tensor.name, { name: match.name, transposed: match.transposed !== found.transposed, by: 'tied' })
    }
    const taken = this.#other.tensors.filter(({ name }) => this.#taken.has(name))
    for (const tensor of this.#leftOver()) if (twin(this.#other, tensor, taken)) this.#copies.add(tensor.name)
  }

  result(): ReadonlyMap<string, Match> {
    const left = this.#left()
    const leftOver = this.#leftOver().filter(({ name }) => !this.#copies.has(name))
    if (left.length + leftOver.length === 0) return this.#matches
    const sides = [sideText(this.#reference.id, left), sideText(this.#other.id, leftOver)].filter(Boolean)
    throw new MergeError(
      `The tensors of ${show(this.#reference.id)} and ${show(this.#other.id)} cannot be told to be the same, by name, position or values: ${sides.join('; ')}.`,
      { hint: 'Export both models in the same way, or rename the tensors.' },
    )
  }

  #left(): NamedShape[] {
    return this.#reference.tensors.filter(({ name }) => !this.#matches.has(name))
  }

  #leftOver(): NamedShape[] {
    return this.#other.tensors.filter(({ name }) => !this.#taken.has(name))
  }

  #match(name: string, match: Match): void {
    this.#matches.set(name, match)
    this.#taken.add(match.name)
  }
}

function sideText(id: string, tensors: readonly NamedShape[]): string {
  if (tensors.length === 0) return ''
  const listed = tensors.slice(0, LISTED).map(({ name, shape }) => `${show(name)} [${shape.join(', ')}]`)
  const more = tensors.length > LISTED ? ` and ${tensors.length - LISTED} more` : ''
  return `left of ${show(id)} ${listed.join(', ')}${more}`
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis])
}

function reversed(a: readonly number[], b: readonly number[]): boolean {
  return a.length === 2 && b.length === 2 && a[0] === b[1] && a[1] === b[0]
}

/** Elements spread over a tensor, or over its transpose. */
function sampleOf(values: Float32Array, shape: readonly number[], transposed: boolean): Float32Array {
  const n = values.length
  const count = Math.min(SAMPLES, n)
  const [rows, columns] = [shape[0] ?? 1, shape[1] ?? 1]
  return Float32Array.from({ length: count }, (_, k) => {
    const at = Math.floor((k * n) / count)
    // Position `at` of the transpose (columns, rows) is row at % rows, column ⌊at / rows⌋ of the matrix.
    return values[transposed ? (at % rows) * columns + Math.floor(at / rows) : at]!
  })
}

/** ‖x − y‖ / ‖x‖; of zero x, whether y is zero too. */
function distance(x: Float32Array, y: Float32Array): number {
  let [difference, norm] = [0, 0]
  for (let i = 0; i < x.length; i++) {
    difference += (x[i]! - y[i]!) ** 2
    norm += x[i]! ** 2
  }
  if (difference === 0) return 0
  return norm === 0 ? Number.POSITIVE_INFINITY : Math.sqrt(difference / norm)
}
