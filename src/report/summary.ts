import type { BaselineComparison } from './baselines.ts'
import type { RunFacts } from './facts.ts'
import { plural } from './format.ts'
import type { FrontFacts } from './front-facts.ts'
import { printable } from './plain-text.ts'

const LONGEST_REASON = 300
/** A sentence names at most so many candidates. */
const MOST_NAMED = 12

/** What may be claimed about the winner, in a sentence or two. The word "better" stands for a verdict of the test, nothing less. */
export function headline(facts: RunFacts): string {
  const { winner, comparisons, counts } = facts
  if (counts.told === 0) return 'Nothing has been evaluated yet.'
  if (winner === undefined) return 'No winner is named yet: that happens when the search ends.'
  const who = `Candidate ${winner.candidate.id}`
  if (winner.candidate.scores.holdout === undefined)
    return `${who} is the winner. It has no holdout scores, so nothing can be claimed about it.`
  if (comparisons.length === 0)
    return `${who} is the winner. No baseline was scored on the holdout split, so nothing can be claimed.`
  const labels = (wanted: (overall: BaselineComparison['overall']) => boolean): string[] =>
    comparisons.filter(({ overall }) => wanted(overall)).map(({ baseline }) => labelOf(facts, baseline))
  const better = labels(overall => 'p' in overall && overall.verdict === 'better')
  const worse = labels(overall => 'p' in overall && overall.verdict === 'worse')
  const unclear = labels(overall => 'p' in overall && overall.verdict === 'not distinguishable')
  const untested = labels(overall => !('p' in overall))
  const parts = [
    ...(better.length > 0 ? [`better than ${list(better)}`] : []),
    ...(worse.length > 0 ? [`worse than ${list(worse)}`] : []),
    ...(unclear.length > 0 ? [`not distinguishable from ${list(unclear)}`] : []),
    ...(untested.length > 0 ? [`not tested against ${list(untested)}`] : []),
  ]
  return `On held-out examples, candidate ${winner.candidate.id} is ${parts.join('; ')}.`
}

/** Which members of the front might as well have been the winner. */
export function contenderNote({ contenders }: Pick<RunFacts, 'contenders'>): string | undefined {
  if (contenders === undefined) return undefined
  const { others, failed, behind } = contenders
  const failures = failed.length === 0 ? '' : ` ${plural(failed.length, 'other member')} failed on select.`
  if ('reason' in behind)
    return `Whether the other ${others === 1 ? 'member' : `${others} members`} of the front can be told from it on select is not known: ${printable(behind.reason, LONGEST_REASON)}.${failures}`
  if (behind.length === 0) return failures.trim()
  const level = behind.filter(({ isLevel }) => isLevel).map(({ id }) => `${id}`)
  const named =
    level.length > MOST_NAMED + 1 ? [...level.slice(0, MOST_NAMED), `${level.length - MOST_NAMED} more`] : level
  const found =
    level.length === 0
      ? behind.length === 1
        ? 'the other member of the front is told from it'
        : `all ${behind.length} other members of the front are told from it`
      : `${level.length} of the ${plural(behind.length, 'other member')} of the front cannot be told from it: ${list(named)}`
  return `On select, ${found} (simultaneous 95 % intervals).${failures}`
}

/** Sentences about how the search went about it: what it began with, and who took over when, and why. */
export function searchNotes(facts: Pick<FrontFacts, 'strategy' | 'start' | 'decisions' | 'counts'>): string[] {
  const { warmStart, guesses = [] } = facts.start
  const began = [
    ...(warmStart === undefined ? [] : [`${plural(warmStart.trials, 'trial')} of ${printable(warmStart.run)}`]),
    ...(guesses.length === 0 ? [] : [plural(guesses.length, 'known recipe')]),
  ]
  return [
    ...(began.length === 0 ? [] : [`The search began with ${began.join(' and ')}.`]),
    ...(facts.counts.partial === 0
      ? []
      : [
          `${plural(facts.counts.partial, 'candidate')} of ${facts.counts.told} stopped early: the search looked at ${(100 * facts.counts.examplesSeen).toFixed(0)} % of the examples.`,
        ]),
    ...facts.decisions.map(
      ({ candidate, strategy, because }) =>
        `${printable(facts.strategy)} chose ${printable(strategy)} ${candidate === 0 ? 'at the start' : `from candidate ${candidate} on`}: ${printable(because, LONGEST_REASON)}.`,
    ),
  ]
}

/** Sentences about what was left to the machine: how many candidates side by side, threads of each, how weights are given. */
export function choiceNotes({ choices }: Pick<FrontFacts, 'choices'>): string[] {
  return choices.map(({ option, value, reason }) => `${printable(`${option} ${value}. ${reason}`, LONGEST_REASON)}`)
}

export function labelOf(facts: Pick<FrontFacts, 'baselines'>, baseline: string): string {
  const found = facts.baselines.find(({ name }) => name === baseline)
  const label = printable(found?.label ?? baseline)
  switch (found?.role) {
    case 'base':
      return 'the base model'
    case 'uniform':
      return 'the uniform average'
    case 'scale':
      return `the ${label}`
    case 'random':
      return 'random search'
    default:
      return `“${label}”`
  }
}

function list(items: readonly string[]): string {
  if (items.length <= 2) return items.join(' and ')
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
}
