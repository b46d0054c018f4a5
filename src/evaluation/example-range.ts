import { EvaluatorError } from '../errors.ts'

/** Examples [begin, end) of a split's order: fixed, stratified and nested (see `example-order.ts`). */
export interface ExampleRange {
  readonly begin: number
  readonly end: number
}

/**
 * The ranges to score, one per objective: those asked for, or all examples.
 * @param counts examples per objective, as `EvaluatorSession.exampleCount` gives them
 * @throws {EvaluatorError} unless there is one range per objective, each with 0 ≤ begin ≤ end ≤ count
 */
export function rangesToScore(
  ranges: readonly ExampleRange[] | undefined,
  counts: readonly number[],
): readonly ExampleRange[] {
  if (ranges === undefined) return counts.map(end => ({ begin: 0, end }))
  if (ranges.length !== counts.length)
    throw new EvaluatorError(`One range of examples per objective is required: ${counts.length}, got ${ranges.length}.`)
  ranges.forEach(({ begin, end }, objective) => {
    const count = counts[objective]!
    if (!(Number.isInteger(begin) && Number.isInteger(end) && 0 <= begin && begin <= end && end <= count))
      throw new EvaluatorError(
        `Objective ${objective} has ${count} examples; the range [${begin}, ${end}) is not among them.`,
      )
  })
  return ranges
}

/** The fewest ranges that hold the same examples: ascending, disjoint, none empty. For objectives that share their examples. */
export function unionOfRanges(ranges: readonly ExampleRange[]): readonly ExampleRange[] {
  const union: ExampleRange[] = []
  const sorted = ranges.filter(({ begin, end }) => begin < end).sort((a, b) => a.begin - b.begin)
  for (const { begin, end } of sorted) {
    const last = union.at(-1)
    if (last !== undefined && begin <= last.end)
      union[union.length - 1] = { begin: last.begin, end: Math.max(last.end, end) }
    else union.push({ begin, end })
  }
  return union
}
