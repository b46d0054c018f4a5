import type { Evaluation } from './candidate.ts'
import { lossesOf, type Objective } from './objective.ts'
import { type Scalarization, scalarize } from './scalarization.ts'

/**
 * How a winner is named among the front: by each objective's value over the examples of `search` and `select` together. Few examples tell a front's
 * members apart badly, and those of `search` are evidence too. They flatter, for the front was picked by them, but they flatter all its
 * members alike; `bench/few/winner.mjs` compares the rule with others by what the winners score on `holdout`.
 */

/**
 * Of all examples of both splits, the share that is in `search`, shape (m,); 0 where an objective has none in one of them, or how many is not
 * known: then `select` alone counts. A size is the same on both; a latency, measured anew, is judged by its last measurement.
 * @param onSearch examples per objective, shape (m,)
 * @param onSelect as `onSearch`
 */
export function searchShares(onSearch: readonly number[], onSelect: readonly number[]): number[] {
  return onSearch.map((n, i) => {
    const other = onSelect[i] ?? 0
    return n > 0 && other > 0 ? n / (n + other) : 0
  })
}

/** Scalarised loss of the pooled values; infinite where one of the evaluations failed, or saw some of the examples only. */
export function pooledLoss(
  { search, select }: { readonly search: Evaluation; readonly select: Evaluation },
  shares: readonly number[],
  objectives: readonly Objective[],
  scalarization: Scalarization,
): number {
  if ([search, select].some(one => one.status === 'scored' && one.partial !== undefined)) return Infinity
  const [first, second] = [lossesOf(search, objectives), lossesOf(select, objectives)]
  if (first === undefined || second === undefined) return Infinity
  // Equal losses stay what they are: a sum of shares might make two candidates differ in the last digit.
  const pooled = second.map((loss, i) => (first[i] === loss ? loss : loss + (shares[i] ?? 0) * (first[i]! - loss)))
  return scalarize(scalarization, pooled, objectives)
}

/** The rule in words. @param contenders how many there were to choose from */
export function namingRule(
  shares: readonly number[],
  objectives: readonly Objective[],
  scalarization: Scalarization,
  contenders: number,
): string {
  const measure =
    objectives.length === 1
      ? `best ${objectives[0]!.name}`
      : scalarization === 'mean'
        ? 'smallest mean of normalised losses'
        : 'smallest worst normalised loss (augmented Tchebycheff)'
  const where = shares.some(share => share > 0) ? 'search and select together' : 'select'
  return `${measure} on ${where} among ${contenders} non-dominated`
}
