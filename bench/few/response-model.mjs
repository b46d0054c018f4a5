// How well 20 examples order candidates: the run's own response model beside the plain mean of a subset and MERGE³'s gmp-IRT estimator.
//
//     npm run build && node bench/few/response-model.mjs [--sets 100] [--from 1000]
//
// A set: models that have answered everything (3 parents and 12 finished candidates) and 30 new candidates, each judged by 20 answers. Kendall's
// tau-b between the estimates and the scores on all examples, mean over sets.
//
// gmp-IRT is re-implemented from its published formulas: skills of the parents by maximum likelihood, a child's skill as their weighted
// sum with weights by maximum likelihood on its answers, mp-IRT = (|S|/N) mean(S) + (1 - |S|/N) mean of P over unseen items, and half of it mixed with the
// subset mean. Published item parameters exist for five benchmarks only, so it gets the run's own ones, fitted like the model's; and, as a
// second row, the true ones where there are some (simulated sets).
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
import { normalCdf } from '../../dist/numerics/normal.js'
import { createRng } from '../../dist/rng.js'
import { digitsCandidates } from './digits-candidates.mjs'

const { values: flags } = parseArgs({
  options: { sets: { type: 'string', default: '100' }, from: { type: 'string', default: '1000' } },
})
const SETS = Number(flags.sets)
/** The short test was made on sets 0 to 99 and on other digit candidates. */
const FROM = Number(flags.from)
const SEEN = 20
const sigmoid = x => 1 / (1 + Math.exp(-x))
const mean = list => list.reduce((sum, x) => sum + x, 0) / list.length

/** mp-IRT and gmp-IRT of one child. `items`: a_j and d_j, K + 1 numbers each. `parents`: skills, shape (3, K). */
function gmpIrt(items, K, parents, seen, answers) {
  const N = items.length / (K + 1)
  const logit = (j, theta) => theta.reduce((sum, t, k) => sum + t * items[j * (K + 1) + k], items[j * (K + 1) + K])
  const skill = lambda => Array.from({ length: K }, (_, k) => parents.reduce((sum, p, i) => sum + lambda[i] * p[k], 0))
  // Newton with a vanishing ridge, so that separable answers have a maximum at all; from equal weights.
  let lambda = parents.map(() => 1 / parents.length)
  const z = seen.map(j => parents.map(p => p.reduce((sum, t, k) => sum + t * items[j * (K + 1) + k], 0)))
  for (let step = 0; step < 300; step++) {
    const theta = skill(lambda)
    const residuals = seen.map((j, n) => answers[n] - sigmoid(logit(j, theta)))
    const gradient = lambda.map((l, i) => residuals.reduce((sum, r, n) => sum + r * z[n][i], -1e-3 * l))
    lambda = lambda.map((l, i) => l + 0.05 * gradient[i])
  }
  const theta = skill(lambda)
  const unseen = Array.from({ length: N }, (_, j) => j).filter(j => !seen.includes(j))
  const share = seen.length / N
  const mp = share * mean([...answers]) + (1 - share) * mean(unseen.map(j => sigmoid(logit(j, theta))))
  return 0.5 * mean([...answers]) + 0.5 * mp
}

/** @param {{ known: Float32Array[], fresh: Float32Array[], strata: Int32Array, truth?: Float64Array }} set */
function judge({ known, fresh, strata, bank }, seed) {
  const model = fitResponseModel(known)
  const K = model.skills
  const truth = fresh.map(answers => mean([...answers]))
  const order = [...exampleOrder(strata, `set ${seed}`)].slice(0, SEEN)
  const at = (answers, examples) => examples.map(j => answers[j])
  const parentSkills = (items, dimension) => known.slice(0, 3).map(answers => fitSkill(items, dimension, answers))
  const own = parentSkills(model.items, K)
  const short = chooseShortTest(known, SEEN, strata)
  const common = chooseExamples(model, unknownSkill(model), SEEN, new Set())
  const estimates = {
    'subset mean': fresh.map(answers => mean(at(answers, order))),
    'gmp-IRT, own items': fresh.map(answers => gmpIrt(model.items, K, own, order, at(answers, order))),
    ...(bank && {
      'gmp-IRT, true items': fresh.map(answers =>
        gmpIrt(bank.items, bank.K, parentSkills(bank.items, bank.K), order, at(answers, order)),
      ),
    }),
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
    'short test': fresh.map(answers => short.predict(at(answers, short.examples)).value),
  }
  const covered = predict =>
    mean(
      fresh.map((answers, i) => {
        const { value, standardError } = predict(answers)
        return Math.abs(value - truth[i]) <= 1.96 * standardError ? 1 : 0
      }),
    )
  return {
    tau: Object.fromEntries(Object.entries(estimates).map(([name, list]) => [name, kendallTau(list, truth)])),
    error: Object.fromEntries(
      Object.entries(estimates).map(([name, list]) => [name, mean(list.map((x, i) => Math.abs(x - truth[i])))]),
    ),
    covered: {
      'response model, same examples': covered(answers => predictMean(model, order, at(answers, order))),
      'short test': covered(answers => short.predict(at(answers, short.examples))),
    },
  }
}

/** A parent's skill by (nearly) maximum likelihood on all items: gradient ascent. */
function fitSkill(items, K, answers) {
  const theta = new Array(K).fill(0)
  const N = items.length / (K + 1)
  for (let step = 0; step < 200; step++) {
    const gradient = new Array(K).fill(0)
    for (let j = 0; j < N; j++) {
      let logit = items[j * (K + 1) + K]
      for (let k = 0; k < K; k++) logit += theta[k] * items[j * (K + 1) + k]
      const residual = answers[j] - sigmoid(logit)
      for (let k = 0; k < K; k++) gradient[k] += residual * items[j * (K + 1) + k]
    }
    for (let k = 0; k < K; k++) theta[k] += (4 / N) * gradient[k]
  }
  return theta
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

/** Wilcoxon's signed-rank test, one-sided, normal approximation with ties. */
function signedRankP(differences) {
  const ranked = differences.filter(d => d !== 0).sort((a, b) => Math.abs(a) - Math.abs(b))
  let [plus, squares] = [0, 0]
  for (let from = 0; from < ranked.length; ) {
    let to = from
    while (to < ranked.length && Math.abs(ranked[to]) === Math.abs(ranked[from])) to++
    const rank = (from + 1 + to) / 2
    for (; from < to; from++) {
      if (ranked[from] > 0) plus += rank
      squares += rank * rank
    }
  }
  const n = ranked.length
  const z = (plus - (n * (n + 1)) / 4) / Math.sqrt(squares / 4)
  return normalCdf(-z)
}

function report(title, results) {
  console.log(`\n${title}: ${results.length} sets`)
  console.log(
    `${''.padEnd(42)}${'tau'.padStart(8)}${'95 % of the mean'.padStart(20)}${'mean error'.padStart(12)}${'beats subset mean'.padStart(20)}`,
  )
  for (const name of Object.keys(results[0].tau)) {
    const taus = results.map(r => r.tau[name])
    const half = (1.96 * Math.sqrt(mean(taus.map(t => (t - mean(taus)) ** 2)))) / Math.sqrt(taus.length)
    const wins = results.filter(r => r.tau[name] > r.tau['subset mean']).length
    console.log(
      `${name.padEnd(42)}${mean(taus).toFixed(3).padStart(8)}${`${(mean(taus) - half).toFixed(3)} .. ${(mean(taus) + half).toFixed(3)}`.padStart(20)}${mean(
        results.map(r => r.error[name]),
      )
        .toFixed(4)
        .padStart(12)}${`${wins} of ${taus.length}`.padStart(20)}`,
    )
  }
  for (const baseline of Object.keys(results[0].tau).filter(name => /^(subset|gmp)/.test(name))) {
    const gains = results.map(r => r.tau['short test'] - r.tau[baseline])
    const p = signedRankP(gains)
    console.log(
      `short test less ${baseline}: ${mean(gains).toFixed(3)} in tau, ahead in ${gains.filter(g => g > 0).length} sets, Wilcoxon p = ${p.toExponential(1)}`,
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
report(
  'Simulated merges (2PL items, two skills; 200, 500 and 1000 items)',
  Array.from({ length: SETS }, (_, s) => judge(simulated(FROM + s), FROM + s)),
)

const digits = await digitsCandidates(150, FROM)
const sets = Array.from({ length: SETS }, (_, s) => {
  const rng = createRng(FROM + s).split('digits set')
  const pool = digits.candidates.map((_, i) => i)
  const draw = () => pool.splice(rng.integer(0, pool.length), 1)[0]
  const pick = count => Array.from({ length: count }, () => digits.candidates[draw()])
  return judge({ known: [...digits.parents, ...pick(12)], fresh: pick(30), strata: digits.strata }, FROM + s)
})
report(`Handwritten digits (search-spaces/digits.yaml; ${digits.strata.length} examples of three tasks)`, sets)
