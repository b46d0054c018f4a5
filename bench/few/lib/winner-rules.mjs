// Rules that name a winner among the front from what its members scored on `search` and `select`.
import { toLoss } from '../../../dist/objective.js'
import { scalarize } from '../../../dist/scalarization.js'
import { pooledLoss, searchShares } from '../../../dist/winner.js'

const SCALARIZATION = 'worst'

export const lossOf = (objectives, values) =>
  scalarize(
    SCALARIZATION,
    values.map((value, i) => toLoss(objectives[i], value)),
    objectives,
  )

const sum = numbers => numbers.reduce((a, b) => a + b, 0)
const mean = numbers => sum(numbers) / numbers.length
const variance = numbers => {
  const m = mean(numbers)
  return sum(numbers.map(x => (x - m) ** 2)) / (numbers.length - 1)
}

/** The members in the order of their ids, the first of the best. */
const least = (front, measure) => front.reduce((best, _, k) => (measure(k) < measure(best) ? k : best), 0)

const counts = scores => scores.map(({ length }) => length)

/** An example of `search` counts as `weight` of one of `select`. */
const pooled = weight => (front, objectives) => {
  const shares = searchShares(
    counts(front[0].search.exampleScores).map(n => weight * n),
    counts(front[0].select.exampleScores),
  )
  return least(front, k => pooledLoss(front[k], shares, objectives, SCALARIZATION))
}

/**
 * Empirical Bayes, objective by objective: normal priors with the mean and, beyond the noise, the variance of the front's pooled values. The noise of a
 * member is that of its answers about the front's mean answer to each example: what all find hard tells nobody from anybody.
 */
const shrunk = weight => (front, objectives) => {
  const posterior = objectives.map((_, i) => {
    const [n, m] = [front[0].search.exampleScores[i].length, front[0].select.exampleScores[i].length]
    const total = weight * n + m
    const means = front.map(({ search, select }) => (weight * n * search.values[i] + m * select.values[i]) / total)
    const [onSearch, onSelect] = ['search', 'select'].map(split => ownVariances(front, split, i))
    const noises = front.map((_, k) => (weight ** 2 * n * onSearch[k] + m * onSelect[k]) / total ** 2)
    if (front.length < 3) return means
    const spread = Math.max(0, variance(means) - mean(noises))
    return means.map((x, k) => mean(means) + (spread === 0 ? 0 : spread / (spread + noises[k])) * (x - mean(means)))
  })
  return least(front, k =>
    lossOf(
      objectives,
      posterior.map(values => values[k]),
    ),
  )
}

function ownVariances(front, split, i) {
  const lists = front.map(member => member[split].exampleScores[i])
  const usual = Float64Array.from(lists[0], (_, j) => mean(lists.map(scores => scores[j])))
  return lists.map(scores => variance(Array.from(scores, (x, j) => x - usual[j])))
}

const alone = split => (front, objectives) => least(front, k => lossOf(objectives, front[k][split].values))

/**
 * Name → (front, objectives) → position of the winner. Members, in the order of their ids: `search` and `select`, evaluations with example scores.
 * The first is what the others are compared with, the second what Amalgam does.
 */
export const RULES = {
  'select alone': alone('select'),
  pooled: pooled(1),
  'search alone': alone('search'),
  'pooled, search at 1/4': pooled(1 / 4),
  'pooled, search at 1/2': pooled(1 / 2),
  'pooled, search at 2': pooled(2),
  shrunk: shrunk(1),
  'shrunk, search at 1/2': shrunk(1 / 2),
}
