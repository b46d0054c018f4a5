// Real merges for the MAP proof: small networks trained here on variants of the digits, merged by task arithmetic, scored on held-out images.
import { fileURLToPath } from 'node:url'
import { createRng, load } from './lib/amalgam.mjs'

const { examplesOf, loadDigits, splitDigits } = await load('examples/digits/data.js')
const { copyNetwork, createNetwork, train } = await load('examples/digits/network.js')

const SIZES = [64, 48, 32, 10]
const BASE = { steps: 300, batch: 32, rate: 1e-3 }
const EXPERT = { steps: 400, batch: 32, rate: 5e-4 }
/** Images a task is scored on. */
const EXAMPLES = 100

const moved =
  at =>
  ({ x, y }) => ({ x: x.map((_, i) => x[at(i >> 3, i & 7)]), y })
const only = keep => example => (keep(example.y) ? example : undefined)

/** What an expert is trained for, and a task's images are: turned, displaced, some of the digits, … In the order in which tasks are added. */
const TASKS = {
  turned: moved((row, column) => (7 - column) * 8 + row),
  displaced: moved((row, column) => row * 8 + ((column + 2) % 8)),
  low: only(y => y <= 4),
  mirrored: moved((row, column) => row * 8 + 7 - column),
  high: only(y => y >= 5),
  upended: moved((row, column) => (7 - row) * 8 + 7 - column),
  relabelled: ({ x, y }) => ({ x, y: y === 3 ? 8 : y === 8 ? 3 : y }),
  raised: moved((row, column) => ((row + 2) % 8) * 8 + column),
}

let trained
function experts() {
  if (trained !== undefined) return trained
  const seed = createRng(20261122)
  const file = fileURLToPath(new URL('../../examples/digits/data/digits.csv.gz', import.meta.url))
  const rows = splitDigits(loadDigits(file), seed.split('split'))
  const upright = examplesOf(rows, 'train')
  const test = [...examplesOf(rows, 'search'), ...examplesOf(rows, 'select')]
  const base = createNetwork(SIZES, seed.split('weights'))
  train(base, upright, BASE, seed.split('base'))
  const tasks = Object.entries(TASKS).map(([name, variant]) => {
    const of = examples => examples.flatMap(example => variant(example) ?? [])
    const expert = copyNetwork(base)
    train(expert, of(upright), EXPERT, seed.split(name))
    return { name, expert, examples: of(test).slice(0, EXAMPLES) }
  })
  trained = { base, tasks }
  return trained
}

/** Base + Σ scale · (expert - base), shape (T,) of scales, as accuracies of the first T tasks: the interface of `landscape`. */
export function digitMerges(count) {
  const { base, tasks } = experts()
  const used = tasks.slice(0, count)
  const blend = (values, key, l, scales) => {
    const merged = Float64Array.from(values)
    for (const [t, { expert }] of used.entries()) {
      const tuned = expert[l][key]
      for (let i = 0; i < merged.length; i++) merged[i] += scales[t] * (tuned[i] - values[i])
    }
    return merged
  }
  const merge = scales =>
    base.map((layer, l) => ({
      ...layer,
      weight: blend(layer.weight, 'weight', l, scales),
      bias: blend(layer.bias, 'bias', l, scales),
    }))
  const measure = scales => {
    const network = merge(scales)
    const scores = used.map(({ examples }) => Float32Array.from(examples, e => (answer(network, e.x) === e.y ? 1 : 0)))
    return { values: scores.map(row => row.reduce((sum, v) => sum + v, 0) / row.length), scores }
  }
  return { tasks: count, measure, accuracies: scales => measure(scales).values }
}

/** Index of the largest logit. */
function answer(network, x) {
  let h = x
  for (let l = 0; l < network.length; l++) {
    const { inputs, outputs, weight, bias } = network[l]
    const last = l === network.length - 1
    const z = new Float64Array(outputs)
    for (let i = 0, at = 0; i < outputs; i++) {
      let sum = bias[i]
      for (let j = 0; j < inputs; j++) sum += weight[at++] * h[j]
      z[i] = last || sum > 0 ? sum : 0
    }
    h = z
  }
  let best = 0
  for (let i = 1; i < h.length; i++) if (h[i] > h[best]) best = i
  return best
}
