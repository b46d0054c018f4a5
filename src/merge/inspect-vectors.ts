import { MergeError, show } from '../errors.ts'
import { decodeToFloat32, dtypeBytes, isWeightDtype } from '../formats/dtype.ts'
import { indexLayers, layerOf, type Place } from '../space/layer-groups.ts'
import type { NamedCheckpoint } from './inspect.ts'
import type { WeightTensor } from './layout.ts'

/** How far models went from their base, and whether in the same direction: one pass over all weights, in memory that does not grow with them. */

/** Elements of each model in memory at a time. */
const CHUNK = 1 << 18

export interface VectorFacts {
  readonly experts: readonly string[]
  /** Per place in the depth of the model, in order, and for the whole. */
  readonly places: readonly PlaceFacts[]
  readonly whole: PlaceFacts
}

export interface PlaceFacts {
  readonly place: Place | 'all'
  readonly elements: number
  /** Norm of the base's weights. */
  readonly base: number
  /** Per expert: norm of its task vector, and the share of elements that it changed. */
  readonly norms: readonly number[]
  readonly changed: readonly number[]
  readonly pairs: readonly PairFacts[]
}

export interface PairFacts {
  /** Positions of the experts. */
  readonly experts: readonly [number, number]
  /** Of the task vectors; undefined where one is zero. */
  readonly cosine: number | undefined
  /** Of the elements that both changed, the share changed in the same direction; undefined where there are none. */
  readonly agreement: number | undefined
}

/**
 * @param weights float tensors that all have
 * @throws {FormatError | MergeError} where a weight cannot be read, or is a NaN or an infinity
 */
export function vectorFacts(
  base: NamedCheckpoint,
  experts: readonly NamedCheckpoint[],
  weights: readonly WeightTensor[],
): VectorFacts {
  const index = indexLayers(weights.map(({ name }) => name))
  const sums = new Map<Place, Sums>()
  for (const { name, elements } of weights) {
    const place = layerOf(name, index)
    const own = sums.get(place) ?? new Sums(experts.length)
    sums.set(place, own)
    for (let at = 0; at < elements; at += CHUNK) {
      const length = Math.min(CHUNK, elements - at)
      const b = readFloats(base, name, at, length)
      own.add(
        b,
        experts.map(expert => readFloats(expert, name, at, length)),
      )
    }
  }
  const whole = new Sums(experts.length)
  for (const own of sums.values()) whole.include(own)
  const order = ([place]: readonly [Place, Sums]) =>
    place === 'pre' ? -1 : place === 'post' ? Number.POSITIVE_INFINITY : place
  return {
    experts: experts.map(({ id }) => id),
    places: [...sums].sort((a, b) => order(a) - order(b)).map(([place, own]) => own.facts(place)),
    whole: whole.facts('all'),
  }
}

/** Sums over elements, in float64. */
class Sums {
  readonly #experts: number
  readonly #pairs: readonly (readonly [number, number])[]
  #elements = 0
  #base = 0
  readonly #squares: Float64Array
  readonly #changed: Float64Array
  readonly #products: Float64Array
  readonly #both: Float64Array
  readonly #agreeing: Float64Array

  constructor(experts: number) {
    this.#experts = experts
    this.#pairs = Array.from({ length: experts }, (_, i) =>
      Array.from({ length: experts - i - 1 }, (__, k) => [i, i + 1 + k] as const),
    ).flat()
    this.#squares = new Float64Array(experts)
    this.#changed = new Float64Array(experts)
    this.#products = new Float64Array(this.#pairs.length)
    this.#both = new Float64Array(this.#pairs.length)
    this.#agreeing = new Float64Array(this.#pairs.length)
  }

  /** Task vectors are left in `models`. */
  add(base: Float32Array, models: readonly Float32Array[]): void {
    this.#elements += base.length
    this.#base += base.reduce((sum, b) => sum + b * b, 0)
    for (const [m, x] of models.entries()) {
      let [squares, changed] = [0, 0]
      for (let i = 0; i < x.length; i++) {
        const tau = x[i]! - base[i]!
        x[i] = tau
        squares += tau * tau
        if (tau !== 0) changed++
      }
      this.#squares[m]! += squares
      this.#changed[m]! += changed
    }
    for (const [p, [i, j]] of this.#pairs.entries()) this.#addPair(p, models[i]!, models[j]!)
  }

  #addPair(p: number, x: Float32Array, y: Float32Array): void {
    let [product, both, agreeing] = [0, 0, 0]
    for (let e = 0; e < x.length; e++) {
      const z = x[e]! * y[e]!
      product += z
      if (x[e] === 0 || y[e] === 0) continue
      both++
      if (x[e]! > 0 === y[e]! > 0) agreeing++
    }
    this.#products[p]! += product
    this.#both[p]! += both
    this.#agreeing[p]! += agreeing
  }

  include(other: Sums): void {
    this.#elements += other.#elements
    this.#base += other.#base
    for (const [own, more] of [
      [this.#squares, other.#squares],
      [this.#changed, other.#changed],
      [this.#products, other.#products],
      [this.#both, other.#both],
      [this.#agreeing, other.#agreeing],
    ] as const) {
      for (const [i, value] of more.entries()) own[i]! += value
    }
  }

  facts(place: Place | 'all'): PlaceFacts {
    return {
      place,
      elements: this.#elements,
      base: Math.sqrt(this.#base),
      norms: Array.from({ length: this.#experts }, (_, m) => Math.sqrt(this.#squares[m]!)),
      changed: Array.from({ length: this.#experts }, (_, m) => this.#changed[m]! / Math.max(1, this.#elements)),
      pairs: this.#pairs.map(([i, j], p) => {
        const norms = Math.sqrt(this.#squares[i]! * this.#squares[j]!)
        return {
          experts: [i, j],
          cosine: norms === 0 ? undefined : this.#products[p]! / norms,
          agreement: this.#both[p] === 0 ? undefined : this.#agreeing[p]! / this.#both[p]!,
        }
      }),
    }
  }
}

function readFloats({ id, checkpoint }: NamedCheckpoint, name: string, begin: number, count: number): Float32Array {
  const { dtype } = checkpoint.tensors.get(name)!
  if (!isWeightDtype(dtype))
    throw new MergeError(`Tensor ${show(name)} of ${show(id)} is ${dtype}; only floats are compared.`)
  const size = dtypeBytes(dtype)
  const bytes = new Uint8Array(count * size)
  checkpoint.readRange(name, begin * size, bytes)
  const values = new Float32Array(count)
  decodeToFloat32(bytes, dtype, values)
  if (values.every(Number.isFinite)) return values
  throw new MergeError(`Tensor ${show(name)} of ${show(id)} has a NaN or an infinity.`, {
    hint: 'Every merge with it would be damaged: leave the model out or repair it.',
  })
}
