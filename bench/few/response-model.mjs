// How well 20 examples order candidates: the run's own response model beside the plain mean of a subset and MERGE³'s gmp-IRT estimator.
//
//     npm run build && node bench/few/response-model.mjs [--sets 200] [--from 1000]
//
// A set: models that have answered everything (3 parents and 12 finished candidates) and 30 new candidates, each judged by 20 answers. Kendall's
// tau-b between the estimates and the scores on all examples, mean over sets; beside it Somers' D, where a pair of equal estimates counts as half
// right, because tau-b favours estimates with ties. No candidate is in two sets; the digit experts and examples are the
// same in all of theirs. Paired tests over sets: the sign test and Wilcoxon's, exact, two-sided.
//
// gmp-IRT (gmp-irt.mjs) takes item parameters from a bank fitted to many models, which exists for five benchmarks only. Here it gets those fitted to
// the same 15 models as the response model's, and where there are some (simulated sets) also the true ones, better than any bank's. Its 20 items
// are the stratified ones of the subset mean or anchors.
import { parseArgs } from 'node:util'
import {
  chooseExamples,
  fitResponseModel,
  predictMean,
  skillOf,
  unknownSkill,
} from '../../dist/allocation/response-model.js'
import { chooseShortTest } from '../../dist/allocation/short-test.js'
import { exampleOrder } from '../../dist/evaluation/example-order.js'
import { kendallTau } from '../../dist/numerics/kendall-tau.js'
import { studentQuantile } from '../../dist/report/intervals.js'
import { signFlipTest } from '../../dist/report/sign-flip.js'
import { createRng } from '../../dist/rng.js'
import { signedRank } from '../search/lib/statistics.mjs'
import { digitsCandidates } from './digits-candidates.mjs'
import { anchors, gmpIrt, itemsOf, skillsOf } from './gmp-irt.mjs'

const { values: flags } = parseArgs({
  options: { sets: { type: 'string', default: '200' }, from: { type: 'string', default: '1000' } },
})
const SETS = Number(flags.sets)
/** Sets below 1000 are those that estimators were made on. */
const FROM = Number(flags.from)
const SEEN = 20
const sigmoid = x => 1 / (1 + Math.exp(-x))
const mean = list => list.reduce((sum, x) => sum + x, 0) / list.length

/** @param {{ known: Float32Array[], fresh: Float32Array[], strata: Int32Array, bank?: { items: Float64Array, K: number } }} set */
function judge({ known, fresh, strata, bank }, seed) {
  const model = fitResponseModel(known)
  const K = model.skills
  const truth = fresh.map(answers => mean([...answers]))
  const order = [...exampleOrder(strata, `set ${seed}`)].slice(0, SEEN)
  const at = (answers, examples) => examples.map(j => answers[j])
  const equal = new Array(SEEN).fill(1 / SEEN)
  const short = chooseShortTest(known, SEEN, strata)
  const common = chooseExamples(model, unknownSkill(model), SEEN, new Set())
  const banks = { 'own items': itemsOf(model.items, K), ...(bank && { 'true items': itemsOf(bank.items, bank.K) }) }
  const gmp = Object.entries(banks).flatMap(([name, items]) => {
    const parents = known.slice(0, 3).map(answers => skillsOf(items, answers))
    const estimate = (examples, weights) =>
      fresh.map(answers => gmpIrt(items, parents, examples, weights, at(answers, examples)))
    const anchored = anchors(items, SEEN, createRng(seed).split('anchors'))
    return [
      [`gmp-IRT, ${name}`, estimate(order, equal)],
      [`gmp-IRT, ${name}, anchors`, estimate(anchored.examples, anchored.weights)],
    ]
  })
  const estimates = {
    'subset mean': fresh.map(answers => mean(at(answers, order))),
    ...Object.fromEntries(gmp),
    'response model, same examples': fresh.map(answers => predictMean(model, order, at(answers, order)).value),
    'response model, one choice for all': fresh.map(answers => predictMean(model, common, at(answers, common)).value),
    'response model, a choice for each': fresh.map(answers => {
      let skill = unknownSkill(model)
      let examples = []
      while (examples.length < SEEN) {
        examples = [...examples, ...chooseExamples(model, skill, 5, new Set(examples))]
        skill = skillOf(model, examples, at(answers, examples))
      }
      return predictMean(model, examples, at(answers, examples)).value
    }),
    'response model, short test': fresh.map(
      answers => predictMean(model, short.examples, at(answers, short.examples)).value,
    ),
    'short test': fresh.map(answers => short.predict(at(answers, short.examples)).value),
  }
  const covered = (predict, quantile) =>
    mean(
      fresh.map((answers, i) => {
        const { value, standardError } = predict(answers)
        return Math.abs(value - truth[i]) <= quantile * standardError ? 1 : 0
      }),
    )
  return {
    tau: Object.fromEntries(Object.entries(estimates).map(([name, list]) => [name, kendallTau(list, truth)])),
    somers: Object.fromEntries(Object.entries(estimates).map(([name, list]) => [name, somersD(list, truth)])),
    error: Object.fromEntries(
      Object.entries(estimates).map(([name, list]) => [name, mean(list.map((x, i) => Math.abs(x - truth[i])))]),
    ),
    covered: {
      'response model, same examples': covered(answers => predictMean(model, order, at(answers, order)), 1.96),
      'short test': covered(answers => short.predict(at(answers, short.examples)), studentQuantile(known.length)),
    },
  }
}

/** R. H. Somers, American Sociological Review 27(6), 1962: of the pairs that differ in truth, those ordered rightly less those ordered wrongly. */
function somersD(estimates, truth) {
  let [sum, pairs] = [0, 0]
  for (let i = 0; i < truth.length; i++)
    for (let j = 0; j < i; j++) {
      if (truth[i] === truth[j]) continue
      sum += Math.sign(estimates[i] - estimates[j]) * Math.sign(truth[i] - truth[j])
      pairs++
    }
  return sum / pairs
}

/** Merges of three parents with two skills: abilities are mixtures of the parents', less what the mixing costs. */
function simulated(seed) {
  const rng = createRng(seed).split('response')
  const N = [200, 500, 1000][seed % 3]
  const K = 2
  const items = new Float64Array(N * 3)
  for (let j = 0; j < N; j++) {
    items[3 * j + (j % 2)] = Math.exp(0.3 * rng.normal())
    items[3 * j + 1 - (j % 2)] = 0.2 * rng.uniform()
    items[3 * j + 2] = rng.normal()
  }
  const parents = [
    [1.2, -0.8],
    [-0.8, 1.2],
    [0.2, 0.2],
  ]
  const answer = theta =>
    Float32Array.from({ length: N }, (_, j) =>
      rng.uniform() < sigmoid(items[3 * j] * theta[0] + items[3 * j + 1] * theta[1] + items[3 * j + 2]) ? 1 : 0,
    )
  const child = () => {
    const raw = parents.map(() => -Math.log(1 - rng.uniform()))
    const total = raw.reduce((sum, x) => sum + x, 0)
    return [0, 1].map(k => parents.reduce((sum, p, i) => sum + (raw[i] / total) * p[k], 0) + 0.5 * rng.normal())
  }
  return {
    known: [...parents.map(answer), ...Array.from({ length: 12 }, () => answer(child()))],
    fresh: Array.from({ length: 30 }, () => answer(child())),
    strata: Int32Array.from({ length: N }, (_, j) => j % 2),
    bank: { items, K },
  }
}

function report(title, results) {
  const row = (name, cells) =>
    console.log([name.padEnd(36), ...cells.map((cell, i) => cell.padStart([8, 18, 12, 12][i]))].join(''))
  console.log(`\n${title}: ${results.length} sets`)
  row('', ['tau-b', '95 % of the mean', "Somers' D", 'mean error'])
  for (const name of Object.keys(results[0].tau)) {
    const taus = results.map(r => r.tau[name])
    const half = (1.96 * Math.sqrt(mean(taus.map(t => (t - mean(taus)) ** 2)))) / Math.sqrt(taus.length - 1)
    row(name, [
      mean(taus).toFixed(3),
      `${(mean(taus) - half).toFixed(3)} .. ${(mean(taus) + half).toFixed(3)}`,
      mean(results.map(r => r.somers[name])).toFixed(3),
      mean(results.map(r => r.error[name])).toFixed(4),
    ])
  }
  const none = createRng(0)
  for (const measure of ['tau', 'somers'])
    for (const baseline of Object.keys(results[0].tau).filter(name => /^(subset|gmp)/.test(name))) {
      const gains = results.map(r => r[measure]['short test'] - r[measure][baseline])
      const [ahead, behind] = [gains.filter(g => g > 0).length, gains.filter(g => g < 0).length]
      const sign = signFlipTest(gains.map(Math.sign), none) // of ±1: binomial, exact
      console.log(
        `short test less ${baseline}: ${mean(gains).toFixed(3)} in ${measure === 'tau' ? 'tau-b' : "Somers' D"}, ahead in ${ahead}, behind in ${behind}; sign test p = ${sign.p.toExponential(1)}, Wilcoxon p = ${signedRank(gains).p.toExponential(1)}`,
      )
    }
  for (const name of Object.keys(results[0].covered))
    console.log(
      `${name}: ${(100 * mean(results.map(r => r.covered[name]))).toFixed(1)} % of its 95 % intervals hold the score on all examples`,
    )
}

console.log(
  `Kendall's tau-b with the score on all examples, after ${SEEN} examples; 30 candidates a set, 15 models known.`,
)
const judged = (name, setOf) =>
  Array.from({ length: SETS }, (_, s) => {
    if (s % 10 === 0) console.error(`${name}: ${s} of ${SETS} sets`)
    return judge(setOf(s), FROM + s)
  })
report(
  'Simulated merges (2PL items, two skills; 200, 500 and 1000 items)',
  judged('simulated', s => simulated(FROM + s)),
)

const digits = await digitsCandidates(
  12 + 30,
  Array.from({ length: SETS }, (_, s) => FROM + s),
)
report(
  `Handwritten digits (search-spaces/digits.yaml; ${digits.strata.length} examples of three tasks)`,
  judged('digits', s => ({
    known: [...digits.parents, ...digits.candidates[s].slice(0, 12)],
    fresh: digits.candidates[s].slice(12),
    strata: digits.strata,
  })),
)
