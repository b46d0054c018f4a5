import { ConfigError, show } from '../../errors.ts'
import { columnOf, type Records } from '../data/records.ts'
import { SPLITS, type Split } from '../evaluator.ts'
import { exampleOrder } from '../example-order.ts'
import type { SplitOption } from './options-shared.ts'
import { splitByRule } from './split.ts'

/** Records of each split, in the split's order of examples. */
export type Members = Readonly<Record<Split, Int32Array>>

/** Number of examples per split. */
export function countsOf({ search, select, holdout }: Members): Readonly<Record<Split, number>> {
  return { search: search.length, select: select.length, holdout: holdout.length }
}

/** One value per split. */
export function perSplit<T>(of: (split: Split) => T): Readonly<Record<Split, T>> {
  return { search: of('search'), select: of('select'), holdout: of('holdout') }
}

/** Words, or their positions. */
export const SPLIT_CELLS: ReadonlyMap<unknown, Split> = new Map<unknown, Split>([
  ...SPLITS.map((split): [unknown, Split] => [split, split]),
  ...SPLITS.map((split, i): [unknown, Split] => [i, split]),
])

/**
 * Which records are in which split, and in which order.
 * @param strata of each record, shape (n,): splits drawn by a rule, and every prefix of an order, have each stratum's share
 * @param assigned what the options say where they give no rule; other values leave a record out
 * @param name of the task: part of the order
 * @throws {ConfigError} when a split has no record
 */
export function orderMembers(
  strata: readonly (number | string)[],
  assigned: readonly (Split | undefined)[],
  name: string,
  where: string,
): Members {
  const membersOf = (split: Split): Int32Array => {
    const inFile: number[] = []
    assigned.forEach((own, record) => {
      if (own === split) inFile.push(record)
    })
    if (inFile.length === 0)
      throw new ConfigError(`${where} has no example in the split ${show(split)}.`, {
        hint: 'Every task needs examples in search, select and holdout.',
      })
    const order = exampleOrder(
      inFile.map(record => strata[record]!),
      `${name}/${split}`,
    )
    return order.map(position => inFile[position]!)
  }
  return { search: membersOf('search'), select: membersOf('select'), holdout: membersOf('holdout') }
}

/** The split of every record by a column of theirs or by a rule. */
export function recordSplits(
  records: Records,
  option: SplitOption,
  strata: readonly (number | string)[],
): readonly (Split | undefined)[] {
  const { column, rule } = option
  if (rule !== undefined) return splitByRule(strata, rule)
  return columnOf(records, column!).map(cell => SPLIT_CELLS.get(typeof cell === 'string' ? cell.trim() : cell))
}

/** Stratum of every record: the column's content, or one for all. */
export function recordStrata(records: Records, column: string | undefined): readonly (number | string)[] {
  if (column === undefined) return new Array<number>(records.length).fill(0)
  return columnOf(records, column).map(cell => (typeof cell === 'number' ? cell : String(cell)))
}
