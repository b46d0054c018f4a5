// Elements whose value hangs on a comparison that float32 cannot decide. mergekit works in float32 here, this project in float64: where a
// magnitude is the very magnitude at which a method cuts, where signs cancel, or where a score lies at a threshold within the rounding of
// its computation, either answer is the method's. Nothing else may differ.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../../dist/formats/open-file.js'
import { compileMergekit } from '../../dist/merge/mergekit/compile.js'
import { parseMergekit } from '../../dist/merge/mergekit/merge-config.js'
import { read } from './difference.mjs'
import { valuesOfChoices } from './edges-sce.mjs'

/** Spacing of float32 around 1. */
const EPS = 2 ** -23
/**
 * Rounding of a softmax, its logarithms and their sum, in units of EPS: a few operations, each off by up to a unit. mergekit's divergence is
 * the small difference of such sums.
 */
const SOFTMAX_UNITS = 8

/**
 * (tensor, element, its values here and there, round to the stored type) → whether rounding decides that element of a configuration: the
 * compiled program says which tensors are merged how.
 * @param parsed with absolute paths of models
 */
export function undecidedOf(parsed) {
  let edges
  return (name, i, values, round) => {
    edges ??= edgesOf(parsed)
    const { marks, isChoice } = edges(name)
    return marks[i] === 1 || (isChoice !== undefined && values.every(value => isChoice(i, value, round)))
  }
}

function edgesOf(parsed) {
  const config = parseMergekit(parsed)
  const paths = new Set()
  JSON.stringify(parsed, (key, value) => {
    if ((key === 'model' || key === 'base_model') && existsSync(value)) paths.add(value)
    return value
  })
  const known = new Map()
  for (const path of paths) {
    const checkpoint = openCheckpoint(path)
    const { model_type: modelType } = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))
    known.set(path, { name: path, tensors: checkpoint.tensors, tied: false, modelType, checkpoint })
  }
  const program = compileMergekit(config, known, 0)
  const values = ({ model, tensor }) => read(known.get(program.models[model]).checkpoint, tensor)
  const cache = new Map()
  return name => {
    if (!cache.has(name)) {
      const tensor = program.tensors.find(entry => entry.name === name)
      const { operator, settings, shape, base, inputs } = tensor
      const models = inputs.map(values)
      const data = { base: base === undefined ? undefined : values(base), models, shape, settings }
      const { select_topk: share, floor } = settings.parameters
      cache.set(name, {
        marks: undecided(operator.name, data),
        isChoice: operator.name === 'sce' && share < 1 ? valuesOfChoices({ ...data, share, floor }) : undefined,
      })
    }
    return cache.get(name)
  }
}

/**
 * @param operator name of the method
 * @param base, models float32 values of the tensor
 * @param settings as compiled: parameters, coefficients per model
 * @returns one byte per element, 1 where the comparison is undecided
 */
function undecided(operator, { base, models, shape, settings }) {
  const marks = new Uint8Array((base ?? models[0]).length)
  const { coefficients, parameters } = settings
  if (operator === 'arcee_fusion') markThreshold(marks, base, models[0], shape)
  if (operator === 'ram' || operator === 'ramplus_tl') markSmall(marks, base, models, parameters.epsilon)
  if (coefficients.density !== undefined) markRanks(marks, operator, base, models, coefficients)
  if (/ties|^della$/.test(operator)) markElections(marks, base, models, coefficients.weight)
  if (operator === 'sce') {
    markElections(
      marks,
      base,
      models,
      models.map(() => 1),
    )
  }
  return marks
}

/** Magnitudes that several elements share where the sparsifier cuts between them. */
function markRanks(marks, operator, base, models, { density, gamma }) {
  if (!/^ties$|breadcrumbs/.test(operator)) return
  for (const [m, x] of models.entries()) {
    if (!(density[m] < 1)) continue
    const magnitudes = x.map((value, i) => Math.abs(value - base[i])) // float32, as in mergekit
    const sorted = magnitudes.slice().sort()
    const n = sorted.length
    const kept = Math.trunc(density[m] * n)
    const bottom = Math.max(0, n - kept - (gamma === undefined ? 0 : Math.trunc(gamma[m] * n)))
    for (const cut of [bottom, bottom + kept]) {
      if (cut === 0 || cut >= n || sorted[cut - 1] !== sorted[cut]) continue
      magnitudes.forEach((value, i) => {
        if (value === sorted[cut]) marks[i] = 1
      })
    }
  }
}

/** Weighted sums that cancel to within the rounding of their terms: their sign is noise. */
function markElections(marks, base, models, weights) {
  for (let i = 0; i < marks.length; i++) {
    let [sum, size] = [0, 0]
    for (const [m, x] of models.entries()) {
      const z = weights[m] * (x[i] - base[i])
      sum += z
      size += Math.abs(z)
    }
    if (size > 0 && Math.abs(sum) <= 4 * EPS * size) marks[i] = 1
  }
}

/** Importance |τ| KL at the threshold, where the divergence of its row is uncertain by the rounding of a softmax. */
function markThreshold(marks, base, x, shape) {
  const row = shape.at(-1) ?? 1
  const importance = new Float64Array(marks.length)
  const noise = new Float64Array(marks.length)
  for (let start = 0; start < marks.length; start += row) {
    const divergence = divergenceOf(x.subarray(start, start + row), base.subarray(start, start + row))
    for (let i = start; i < start + row; i++) {
      importance[i] = Math.abs(x[i] - base[i]) * divergence
      noise[i] = Math.abs(x[i] - base[i]) * SOFTMAX_UNITS * EPS
    }
  }
  const order = Uint32Array.from(marks, (_, i) => i).sort((a, b) => importance[a] - importance[b])
  const at = z => order[Math.trunc(z * (order.length - 1))]
  const [median, low, high] = [at(0.5), at(0.25), at(0.75)]
  const threshold = importance[median] + 1.5 * (importance[high] - importance[low])
  const uncertain = noise[median] + 1.5 * (noise[high] + noise[low])
  for (let i = 0; i < marks.length; i++) {
    if (Math.abs(importance[i] - threshold) <= noise[i] + uncertain) marks[i] = 1
  }
}

function divergenceOf(x, b) {
  const [P, Q] = [softmax(x), softmax(b)]
  return P.reduce((sum, p, i) => sum + p * Math.log(p / Q[i]), 0)
}

function softmax(x) {
  const largest = Math.max(...x)
  const powers = Float64Array.from(x, value => Math.exp(value - largest))
  const total = powers.reduce((sum, value) => sum + value, 0)
  return powers.map(value => value / total + 1e-8)
}

function markSmall(marks, base, models, epsilon) {
  for (const x of models) {
    for (let i = 0; i < marks.length; i++) {
      const size = EPS * Math.max(Math.abs(x[i]), Math.abs(base[i]))
      if (Math.abs(Math.abs(x[i] - base[i]) - epsilon) <= size) marks[i] = 1
    }
  }
}
