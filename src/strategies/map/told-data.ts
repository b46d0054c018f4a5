import { z } from 'zod'
import { nonDominatedSort } from '../../archive/dominance.ts'
import { decodeFloat64, encodeFloat64 } from '../../numerics/float-codec.ts'

export const toldDataSchema = z.strictObject({
  ids: z.array(z.number().int()),
  points: z.string(), // (n, d)
  losses: z.string(), // (n, m)
  examples: z.string(), // (n, m)
  failures: z.string(), // (f, d)
})

/** Failed points remembered at most: they only keep proposals away. */
const MOST_FAILURES = 100

/** What a surrogate is fitted to: the trials told so far, in the order of their ids. */
export class ToldData {
  /** Ascending; negative for trials of earlier runs. */
  ids: number[] = []
  points: Float64Array[] = [] // shape (n, d), 0..1
  losses: Float64Array[] = [] // shape (n, m)
  /** Numbers of examples behind each loss, 0 where unknown. */
  examples: Float64Array[] = [] // shape (n, m)
  failures: Float64Array[] = [] // shape (f, d), 0..1, latest last

  get size(): number {
    return this.ids.length
  }

  /** Ids must come in ascending order. */
  add(id: number, point: Float64Array, losses: Float64Array, examples: Float64Array): void {
    this.ids.push(id)
    this.points.push(point)
    this.losses.push(losses)
    this.examples.push(examples)
  }

  addFailure(point: Float64Array): void {
    this.failures.push(point)
    if (this.failures.length > MOST_FAILURES) this.failures.shift()
  }

  /** Positions best first: by front, inside a front by id. With one objective that is by loss. */
  ranking(): readonly number[] {
    return nonDominatedSort(this.losses.map(row => [...row])).flat()
  }

  /** Drops the worst ranked beyond `capacity`. */
  trim(capacity: number): void {
    if (this.size <= capacity) return
    const kept = [...this.ranking().slice(0, capacity)].sort((a, b) => a - b)
    this.ids = kept.map(i => this.ids[i]!)
    this.points = kept.map(i => this.points[i]!)
    this.losses = kept.map(i => this.losses[i]!)
    this.examples = kept.map(i => this.examples[i]!)
  }

  snapshot(): z.infer<typeof toldDataSchema> {
    // A missing column of counts is cheaper than one of zeros.
    const counted = this.examples.some(row => row.some(count => count > 0))
    return {
      ids: [...this.ids],
      points: encodeFloat64(flatten(this.points)),
      losses: encodeFloat64(flatten(this.losses)),
      examples: encodeFloat64(flatten(counted ? this.examples : [])),
      failures: encodeFloat64(flatten(this.failures)),
    }
  }

  static restore(state: z.infer<typeof toldDataSchema>, d: number, m: number): ToldData {
    const data = new ToldData()
    const n = state.ids.length
    data.ids = [...state.ids]
    data.points = rows(decodeFloat64(state.points, n * d), d)
    data.losses = rows(decodeFloat64(state.losses, n * m), m)
    data.examples =
      state.examples === '' ? data.ids.map(() => new Float64Array(m)) : rows(decodeFloat64(state.examples, n * m), m)
    data.failures = rows(decodeFloat64(state.failures), d)
    return data
  }
}

/** Row after row, shape (n · width,). */
export function flatten(parts: readonly Float64Array[]): Float64Array {
  const width = parts[0]?.length ?? 0
  const whole = new Float64Array(parts.length * width)
  for (const [i, part] of parts.entries()) whole.set(part, i * width)
  return whole
}

/** Inverse of {@link flatten}. */
export function rows(whole: Float64Array, width: number): Float64Array[] {
  return Array.from({ length: whole.length / width }, (_, i) => whole.slice(i * width, (i + 1) * width))
}
