import { z } from 'zod'

/** A corner of the box, a digit per coordinate: "0" its lower bound, "1" its upper bound. */
export type Corner = string

/** Corners in which the distribution seemed to be heading, scored in one run at most: where the optimum is in one, the first few tell. */
const MAX_HEADINGS = 30
/** Coordinates tried by themselves in one run at most. */
const MAX_FLIPS = 100

const invitedSchema = z.strictObject({
  corner: z.string(),
  flipped: z.number().int().nullable(), // the coordinate in which it differs from the corner it was made from
})

export const cornerSearchStateSchema = z.strictObject({
  scored: z.array(z.string()), // those that are not flips
  headings: z.number().int(),
  flipped: z.array(z.number().int()), // coordinates tried by themselves
  best: z.strictObject({ corner: z.string(), loss: z.number() }).nullable(),
  invited: z.array(invitedSchema),
  base: z.string().nullable(), // what the flips among the invited were made from
  baseLoss: z.number().nullable(), // null: it is among the invited itself
  joint: z.string().nullable(),
})

type Invited = z.infer<typeof invitedSchema>

/** What the distribution knows about corners. */
export interface Heading {
  /** Where the mean is heading, coordinate by coordinate; `undefined`: too far from there. */
  readonly corner: Corner | undefined
  /** How sure each coordinate's direction is, shape (n,): the smallest are tried first. */
  readonly certainty: Float64Array
}

/**
 * The corners of the box that are scored beside the samples of one run.
 *
 * A sample meets an optimum in a corner only when all of its coordinates lie outside at once; and where the loss falls ten times as steeply along
 * one coordinate as along another the mean drifts to the wrong side of the flat one for long. So the corner where the mean is heading
 * is scored; and while the best candidate of all is a corner, so are those that differ from it in one coordinate, every coordinate once,
 * the least certain first. Those of them that are better are joined in one: on a slope that is the optimum.
 *
 * This project's own; measured on the linear slope of BBOB (f5), `bench/README.md`.
 */
export class CornerSearch {
  #scored = new Set<Corner>()
  #headings = 0
  #flipped = new Set<number>()
  #best: { readonly corner: Corner; readonly loss: number } | undefined
  #invited: readonly Invited[] = []
  #base: Corner | undefined
  #baseLoss: number | undefined
  #joint: Corner | undefined

  /**
   * Corners to score with the next generation.
   * @param bestLoss of all candidates so far, told losses; those that {@link hear} is given may be estimates where a generation is ranked by them
   * @param places how many flips there is room for
   * @returns none where nothing is left to try
   */
  invite({ corner, certainty }: Heading, bestLoss: number, places: number): readonly Corner[] {
    const invited: Invited[] = []
    const add = (candidate: Corner, flipped: number | null): void => {
      if (this.#scored.has(candidate)) return
      if (flipped === null) this.#scored.add(candidate)
      invited.push({ corner: candidate, flipped })
    }
    if (this.#joint !== undefined) add(this.#joint, null)
    const joint = invited[0]?.corner
    const leading = this.#best !== undefined && this.#best.loss <= bestLoss
    if (corner !== undefined && !leading && this.#headings < MAX_HEADINGS) {
      const before = invited.length
      add(corner, null)
      if (invited.length > before) this.#headings++
    }
    this.#base = joint ?? this.#best?.corner
    this.#baseLoss = joint === undefined ? this.#best?.loss : undefined
    if (leading && this.#base !== undefined) {
      const open = [...certainty.keys()].filter(i => !this.#flipped.has(i))
      const against = (i: number): number => (corner === undefined || corner[i] === this.#base![i] ? 1 : 0)
      open.sort((a, b) => against(a) - against(b) || certainty[a]! - certainty[b]!)
      for (const i of open.slice(0, Math.min(places, MAX_FLIPS - this.#flipped.size))) {
        this.#flipped.add(i)
        add(flip(this.#base, i), i)
      }
    }
    this.#joint = undefined
    this.#invited = invited
    return invited.map(each => each.corner)
  }

  /** @param losses of the invited corners, in their order; `Infinity`: failed */
  hear(losses: readonly number[]): void {
    const baseLoss = this.#baseLoss ?? losses[this.#invited.findIndex(({ corner }) => corner === this.#base)]
    // What is better than a joint that was no gain says nothing.
    const sound = baseLoss !== undefined && baseLoss <= (this.#best?.loss ?? Number.POSITIVE_INFINITY)
    const better: number[] = []
    for (const [k, { corner, flipped }] of this.#invited.entries()) {
      const loss = losses[k]!
      if (flipped !== null && sound && loss < baseLoss) better.push(flipped)
      if (loss < (this.#best?.loss ?? Number.POSITIVE_INFINITY)) this.#best = { corner, loss }
    }
    if (better.length > 1) this.#joint = better.reduce(flip, this.#base!)
    this.#invited = []
  }

  snapshot(): z.infer<typeof cornerSearchStateSchema> {
    return {
      scored: [...this.#scored],
      headings: this.#headings,
      flipped: [...this.#flipped],
      best: this.#best ?? null,
      invited: [...this.#invited],
      base: this.#base ?? null,
      baseLoss: this.#baseLoss ?? null,
      joint: this.#joint ?? null,
    }
  }

  static restore(state: z.infer<typeof cornerSearchStateSchema>): CornerSearch {
    const search = new CornerSearch()
    search.#scored = new Set(state.scored)
    search.#headings = state.headings
    search.#flipped = new Set(state.flipped)
    search.#best = state.best ?? undefined
    search.#invited = state.invited
    search.#base = state.base ?? undefined
    search.#baseLoss = state.baseLoss ?? undefined
    search.#joint = state.joint ?? undefined
    return search
  }
}

function flip(corner: Corner, i: number): Corner {
  return `${corner.slice(0, i)}${corner[i] === '0' ? '1' : '0'}${corner.slice(i + 1)}`
}
