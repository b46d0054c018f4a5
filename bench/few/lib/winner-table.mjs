// The table of `winner.mjs`: what winners gain beside those that `select` alone names.
import { mean, signedRank } from '../../search/lib/statistics.mjs'
import { RULES } from './winner-rules.mjs'

const OTHER = ', other start'
const deviation = numbers => {
  const m = mean(numbers)
  return Math.sqrt(numbers.reduce((sum, x) => sum + (x - m) ** 2, 0) / (numbers.length - 1))
}
const signed = x => `${x < 0 ? '-' : '+'}${Math.abs(x).toFixed(4)}`
const withInterval = gains =>
  `${signed(mean(gains))} ± ${((1.96 * deviation(gains)) / Math.sqrt(gains.length)).toFixed(4)}`
const exact = x => Number(x.toFixed(6)) // so that ties are ties
const row = cells => console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(24) : cell.padStart(19))).join(''))

/** @param {any[]} results of one landscape */
export function winnerTable(name, results) {
  const searches = results.filter(({ strategy }) => !strategy.endsWith(OTHER))
  const strategies = [...new Set(searches.map(({ strategy }) => strategy))]
  const [first, ...others] = Object.keys(RULES)
  const gainsOf = (rule, list) => list.map(({ worth }) => exact(worth[first] - worth[rule]))
  const of = strategy => searches.filter(result => result.strategy === strategy)
  console.log(
    `\n${name}: ${searches.length} searches of ${searches[0].budget} candidates, ${strategies.map(s => `${of(s).length} ${s}`).join(', ')}; ` +
      `${mean(searches.map(({ front }) => front)).toFixed(1)} members of the front scored again`,
  )
  console.log(
    `Scalarised loss of the winner that ${first} names: ${mean(searches.map(({ worth }) => worth[first])).toFixed(4)}; of the best member: ${mean(searches.map(({ best }) => best)).toFixed(4)}. Gains beside it, 95 % interval; p: Wilcoxon, exact, two-sided. All: the mean over strategies, of each seed`,
  )
  row(['', 'all', 'p', ...strategies.flatMap(strategy => [strategy, 'p'])])
  const seeds = [...new Set(searches.map(({ seed }) => seed))]
    .map(seed => searches.filter(result => result.seed === seed))
    .filter(({ length }) => length === strategies.length)
  for (const rule of others) {
    const lists = [seeds.map(list => mean(gainsOf(rule, list))), ...strategies.map(s => gainsOf(rule, of(s)))]
    row([rule, ...lists.flatMap(gains => [withInterval(gains), signedRank(gains.map(exact)).p.toExponential(1)])])
  }
  const pairs = results.flatMap(result => {
    const twin = results.find(({ strategy, seed }) => strategy === result.strategy + OTHER && seed === result.seed)
    return twin === undefined ? [] : [[result, twin]]
  })
  if (pairs.length === 0) return
  console.log(`Two starts on the same examples, ${pairs.length} pairs: root mean square of the difference in loss`)
  for (const rule of Object.keys(RULES))
    row([rule, Math.sqrt(mean(pairs.map(([a, b]) => (a.worth[rule] - b.worth[rule]) ** 2))).toFixed(4)])
}
