// Compares every test function with the values of the Python side in gold/: node bench/search/check.mjs
// Bar: |ours - gold| <= 1e-12 (|gold| + 1), or, where a function magnifies rounding (f16, f18, f19, f23 multiply x by up to 2^32 within sines and
// steps), a hundred times what moving x by d roundings changes.
import { readFileSync } from 'node:fs'
import { bbob } from './lib/bbob.mjs'
import { BO_PROBLEMS } from './lib/bo-problems.mjs'
import { MO_PROBLEMS } from './lib/mo-problems.mjs'
import { quadratic } from './lib/quadratics.mjs'
import { uniforms } from './lib/uniforms.mjs'

const BAR = 1e-12

const gold = name => JSON.parse(readFileSync(new URL(`gold/${name}.json`, import.meta.url), 'utf8'))
const point = (low, high, k) => uniforms(low.length, 10_000 + k).map((u, i) => low[i] + (high[i] - low[i]) * u)
const box = (d, low, high) => [Array(d).fill(low), Array(d).fill(high)]

let compared = 0
let failures = 0

let magnified = 0

function compare(title, ours, expected, rounding = 0) {
  const difference = Math.abs(ours - expected) / (Math.abs(expected) + 1)
  compared++
  if (difference <= BAR) return
  if (difference <= (100 * rounding) / (Math.abs(expected) + 1)) {
    magnified++
    return
  }
  failures++
  console.log(`${title}: expected ${expected}, got ${ours}, relative difference ${difference.toExponential(1)}`)
}

for (const { problem, d, values } of gold('cma')) {
  const loss = quadratic(problem, d)
  values.forEach((value, k) => {
    compare(`${problem} d=${d} point ${k}`, loss(point(...box(d, -4, 4), k)), value)
  })
}
for (const { f, d, instance, minimum, values } of gold('bbob')) {
  const ours = bbob(f, instance, d)
  compare(`f${f} d=${d} instance ${instance} minimum`, ours.minimum, minimum)
  values.forEach((value, k) => {
    const x = point(...box(d, -5.5, 5.5), k)
    const moved = [-1, 1].map(sign => x.map(v => v * (1 + sign * d * Number.EPSILON)))
    const rounding = Math.max(...moved.map(y => Math.abs(ours.loss(y) - ours.loss(x))))
    compare(`f${f} d=${d} instance ${instance} point ${k}`, ours.loss(x), value, rounding)
  })
}
for (const { problem, seed, minimum, values } of gold('bo')) {
  const ours = BO_PROBLEMS[problem](seed)
  compare(`${problem} minimum`, ours.minimum, minimum)
  values.forEach((value, k) => {
    compare(`${problem} seed ${seed} point ${k}`, ours.loss(point(ours.low, ours.high, k)), value)
  })
}
for (const { problem, reference, values } of gold('mo')) {
  const ours = MO_PROBLEMS[problem]
  reference.forEach((value, i) => {
    compare(`${problem} reference ${i}`, ours.reference[i], value)
  })
  values.forEach((losses, k) => {
    const found = ours.losses(point(ours.low, ours.high, k))
    losses.forEach((value, i) => {
      compare(`${problem} point ${k} objective ${i}`, found[i], value)
    })
  })
}

console.log(
  `${compared - failures} of ${compared} values agree, ${magnified} of them to within magnified rounding, the others to ${BAR}.`,
)
if (failures > 0) process.exitCode = 1
