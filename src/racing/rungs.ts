import type { ExampleRange } from '../evaluation/example-range.ts'

/** Examples of the first rung at least: fewer say next to nothing. */
const LEAST = 20
/** The first rung has a share of the examples that is not below this, however many there are. */
const LEAST_SHARE = 27

/**
 * How many examples of each objective a candidate has seen after each rung: successive halving's resources (K. Jamieson, A. Talwalkar,
 * AISTATS 2016; L. Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020). The first rung has max(20, N / 27) examples
 * of the objective with the most, N; each further one `eta` times as many; the last one all. The others have as many as long as they last: which
 * objective decides is not known, and equal numbers make the largest of their errors the smallest.
 *
 * @param counts N per objective, shape (m,); 0 where it has no examples
 * @returns shape (rungs, m), ascending, the last row equal to `counts`
 */
export function rungSizes(counts: readonly number[], eta: number): readonly (readonly number[])[] {
  const most = Math.max(...counts)
  const first = Math.max(LEAST, most / LEAST_SHARE)
  const steps = most > first ? Math.floor(Math.log(most / first) / Math.log(eta) + 1e-9) : 0
  return Array.from({ length: steps + 1 }, (_, k) =>
    counts.map(count => Math.min(count, Math.ceil(most / eta ** (steps - k)))),
  )
}

/** What is new on a rung: the examples after those of the rung before. */
export function rungRanges(sizes: readonly (readonly number[])[], rung: number): readonly ExampleRange[] {
  return sizes[rung]!.map((end, i) => ({ begin: sizes[rung - 1]?.[i] ?? 0, end }))
}
