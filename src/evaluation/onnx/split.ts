import { createRng } from '../../rng.ts'
import type { Split } from '../evaluator.ts'
import { SPLITS } from '../evaluator.ts'
import type { SplitRule } from './options-shared.ts'

/**
 * Assigns each example to a split, with the rule's proportions inside every class: each class is shuffled on a stream of its own
 * and cut at the rounded cumulative fractions.
 * @param labels shape (e,)
 * @returns shape (e,); `undefined` for examples beyond the fractions' sum
 */
export function splitByRule(labels: readonly (number | string)[], rule: SplitRule): readonly (Split | undefined)[] {
  const classes = new Map<number | string, number[]>()
  labels.forEach((label, example) => {
    const members = classes.get(label)
    if (members === undefined) classes.set(label, [example])
    else members.push(example)
  })
  const rng = createRng(rule.seed)
  const result: (Split | undefined)[] = new Array(labels.length).fill(undefined)
  for (const [label, members] of classes) {
    const stream = rng.split(`class ${label}`)
    for (let i = members.length - 1; i > 0; i--) {
      const j = stream.integer(0, i + 1)
      const kept = members[i]!
      members[i] = members[j]!
      members[j] = kept
    }
    let from = 0
    let cumulative = 0
    for (const split of SPLITS) {
      cumulative += rule[split]
      const to = Math.min(members.length, Math.round(cumulative * members.length))
      for (let i = from; i < to; i++) result[members[i]!] = split
      from = Math.max(from, to)
    }
  }
  return result
}
