import { ConfigError, FormatError, show } from '../errors.ts'
import { parseObjectLine } from './data/json-lines.ts'
import { SPLITS, type Split } from './evaluator.ts'
import { exampleOrder } from './example-order.ts'
import { splitByRule } from './onnx/split.ts'
import type { SplitRule } from './shared-options.ts'

/** Examples that Amalgam owns: which there are, in which split, in which order. What is in them is the evaluator's affair. */

export interface ListedExample {
  readonly id: string
  readonly split: Split
  /** Examples of one kind; every part of the order has its share of each. */
  readonly stratum: string
  /** The objectives it counts for; `undefined`: all. */
  readonly objectives: readonly string[] | undefined
  readonly record: Readonly<Record<string, unknown>>
  /** Starts messages: file and line. */
  readonly where: string
}

/**
 * Reads JSON Lines: an object a line with `id` (a text or a number, unique; default: the line's number), `split` (unless a rule draws
 * it), and optionally `stratum` and `objective` (a name, or a list of them). Lines of other splits (`train`) are left out.
 * @throws {FormatError | ConfigError}
 */
export function readExampleList(
  bytes: Uint8Array,
  file: string,
  rule: SplitRule | undefined,
): readonly ListedExample[] {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new FormatError(`${file} is not UTF-8 text.`, { cause })
  }
  const records = text
    .split('\n')
    .map((line, i) => ({ line, where: `${file}, line ${i + 1}`, number: i + 1 }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, where, number }) => ({ record: parseObjectLine(line, where), where, number }))
  if (records.length === 0) throw new FormatError(`${file} has no examples: one JSON object a line is required.`)
  const strata = records.map(({ record, where }) => wordOf(record.stratum ?? '', 'stratum', where))
  const drawn = drawSplits(records, strata, rule)
  const seen = new Map<string, string>()
  return records.flatMap(({ record, where, number }, i) => {
    const split = drawn[i]
    if (split === undefined) return []
    const id = wordOf(record.id ?? String(number), 'id', where)
    const earlier = seen.get(id)
    if (earlier !== undefined) throw new FormatError(`${where}: the id ${show(id)} is also that of ${earlier}.`)
    seen.set(id, where)
    return [{ id, split, stratum: strata[i]!, objectives: objectivesOf(record, where), record, where }]
  })
}

/**
 * Per objective the examples of a split, in the order in which candidates see them. Objectives with the same examples have the same order.
 * @throws {ConfigError} when an objective has examples in one split and none in another, or an example names an unknown objective
 */
export function orderExamples(
  list: readonly ListedExample[],
  objectives: readonly string[],
  file: string,
): Readonly<Record<Split, readonly (readonly ListedExample[])[]>> {
  const stray = list.find(({ objectives: own }) => own?.some(name => !objectives.includes(name)))
  if (stray !== undefined) {
    const unknown = stray.objectives!.find(name => !objectives.includes(name))
    throw new ConfigError(`${stray.where}: there is no objective ${show(unknown)}; there are ${objectives.join(', ')}.`)
  }
  const ofSplit = (split: Split): ListedExample[][] =>
    objectives.map(name => {
      const own = list.filter(example => example.split === split && (example.objectives?.includes(name) ?? true))
      const strata = own.map(({ stratum }) => stratum)
      return Array.from(exampleOrder(strata, `examples/${split}`), position => own[position]!)
    })
  const ordered = { search: ofSplit('search'), select: ofSplit('select'), holdout: ofSplit('holdout') }
  objectives.forEach((name, i) => {
    const empty = SPLITS.filter(split => ordered[split][i]!.length === 0)
    // One that no example names at all has values only.
    if (empty.length > 0 && (empty.length < SPLITS.length || !list.some(example => example.objectives !== undefined)))
      throw new ConfigError(`${file} has no example for objective ${show(name)} in the split ${show(empty[0])}.`, {
        hint: 'Every objective needs examples in search, select and holdout: give each a "split", or set "split_rule".',
      })
  })
  return ordered
}

function wordOf(value: unknown, key: string, where: string): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  throw new FormatError(`${where}: ${show(key)} must be a text or a number, found ${show(value)}.`)
}

function objectivesOf(record: Readonly<Record<string, unknown>>, where: string): readonly string[] | undefined {
  const { objective } = record
  if (objective === undefined) return undefined
  return (Array.isArray(objective) ? objective : [objective]).map(name => wordOf(name, 'objective', where))
}

function drawSplits(
  records: readonly { readonly record: Readonly<Record<string, unknown>>; readonly where: string }[],
  strata: readonly string[],
  rule: SplitRule | undefined,
): readonly (Split | undefined)[] {
  const free = records.flatMap(({ record }, i) => (record.split === undefined ? [i] : []))
  if (free.length > 0 && rule === undefined)
    throw new FormatError(`${records[free[0]!]!.where} has no "split".`, {
      hint: 'Write search, select or holdout there, or set "split_rule".',
    })
  const splits = records.map(({ record, where }): Split | undefined => {
    const word = record.split === undefined ? '' : wordOf(record.split, 'split', where)
    return SPLITS.find(split => split === word)
  })
  if (rule !== undefined) {
    const drawn = splitByRule(
      free.map(i => strata[i]!),
      rule,
    )
    free.forEach((i, k) => {
      splits[i] = drawn[k]
    })
  }
  return splits
}
