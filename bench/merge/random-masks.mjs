// Do methods with random masks agree with mergekit's in distribution, and depend on their seed alone? One expert on Llama's shapes, weight
// 1, so that what was kept can be read from the result: how many elements, how many by rank of their magnitude, and the L1 norm of each
// tensor. After `npm run build` and `sh bench/peers/setup-mergekit.sh`: node bench/merge/random-masks.mjs. Ends with 1 if a check fails.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCheckpoint } from '../../dist/formats/open-file.js'
import { mergeMergekit } from '../../dist/merge/mergekit/merge-config.js'
import { read } from './difference.mjs'
import { saveFamily } from './models.mjs'
import { runMergekit } from './run-mergekit.mjs'

const METHODS = [
  { method: 'dare_linear', density: 0.3 },
  { method: 'dare_linear', density: 0.8 },
  { method: 'dare_ties', density: 0.5 },
  { method: 'della_linear', density: 0.5, epsilon: 0.2 },
  { method: 'della', density: 0.3, epsilon: 0.1 },
  { method: 'della', density: 0.7, epsilon: 0.25 },
]
const BANDS = 4
/** Standard deviations that a count may be off: one in two million by chance, and some hundred counts are made. */
const SIGMAS = 5.5
/** The norm of a tensor is restored in float32. */
const NORM_BAR = 1e-5

const work = mkdtempSync(join(tmpdir(), 'random-masks-'))
let failures = 0
try {
  saveFamily(work, 'llama', 'F32')
  const cases = METHODS.map(({ method, density, epsilon }, i) => {
    const config = {
      merge_method: method,
      base_model: join(work, 'base'),
      models: [
        {
          model: join(work, 'expert1'),
          parameters: { weight: 1, density, ...(epsilon === undefined ? {} : { epsilon }) },
        },
      ],
      dtype: 'float32',
    }
    const path = join(work, `${i}.yml`)
    writeFileSync(path, JSON.stringify(config))
    return { method, density, epsilon, config, path, theirs: join(work, `theirs-${i}`), ours: join(work, `ours-${i}`) }
  })
  runMergekit(
    join(work, 'jobs.json'),
    cases.map(({ path, theirs }) => ({ config: path, out: theirs, seed: 11 })),
  )
  console.log(
    'method        density        kept of all, and by rank of the magnitude in quarters of a row     norm off   result',
  )
  for (const entry of cases) {
    const { method, density, config, path, theirs, ours } = entry
    const merge = (out, seed) => mergeMergekit(config, out, { folder: work, text: readFileSync(path, 'utf8'), seed })
    await merge(ours, 11)
    await merge(`${ours}-again`, 11)
    await merge(`${ours}-other`, 12)
    for (const [who, out] of [
      ['mergekit', theirs],
      ['here', ours],
    ]) {
      const found = statistics(out, entry)
      const pass = found.worst <= SIGMAS && found.norm <= NORM_BAR
      if (!pass) failures++
      console.log(
        `${method.padEnd(13)} ${density.toFixed(2)} ${who.padEnd(9)} ${found.shares.map(share => share.toFixed(4)).join(' ')}   worst ${found.worst.toFixed(2)} sigma   ${found.norm.toExponential(1)}   ${pass ? 'pass' : 'FAIL'}`,
      )
    }
    const same = equal(ours, `${ours}-again`)
    const different = !equal(ours, `${ours}-other`)
    if (!same || !different) failures++
    console.log(
      `${method.padEnd(13)} ${density.toFixed(2)} here      one seed: ${same ? 'the same bytes' : 'OTHER BYTES'}; another: ${different ? 'other masks' : 'THE SAME MASKS'}`,
    )
  }
  console.log(failures === 0 ? '\nall checks pass' : `\n${failures} checks fail`)
  if (failures > 0) process.exitCode = 1
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** Kept shares over all matrices, their distance from what is expected, and how far the worst tensor's L1 norm is from its task vector's. */
function statistics(out, { density, epsilon }) {
  const [base, expert, merged] = [join(work, 'base'), join(work, 'expert1'), out].map(path => openCheckpoint(path))
  const kept = new Array(BANDS).fill(0)
  const expected = new Array(BANDS).fill(0)
  const variance = new Array(BANDS).fill(0)
  const count = new Array(BANDS).fill(0)
  let norm = 0
  for (const [name, { shape }] of base.tensors) {
    const [b, x, y] = [base, expert, merged].map(checkpoint => read(checkpoint, name))
    const tau = x.map((value, i) => value - b[i])
    const row = shape.length < 2 ? tau.length : shape[1]
    const [before, after] = [tau, y.map((value, i) => value - b[i])].map(t =>
      t.reduce((sum, v) => sum + Math.abs(v), 0),
    )
    norm = Math.max(norm, Math.abs(after / before - 1))
    for (let start = 0; start < tau.length; start += row) {
      const order = Array.from({ length: row }, (_, k) => start + k).sort((i, j) => Math.abs(tau[i]) - Math.abs(tau[j]))
      for (const [rank, i] of order.entries()) {
        const p = epsilon === undefined ? density : density - epsilon + (2 * epsilon * rank) / (row - 1)
        const band = Math.floor((rank * BANDS) / row)
        if (tau[i] === 0) continue
        count[band]++
        expected[band] += p
        variance[band] += p * (1 - p)
        if (y[i] !== b[i]) kept[band]++
      }
    }
  }
  for (const checkpoint of [base, expert, merged]) checkpoint.close()
  const sum = values => values.reduce((a, b) => a + b, 0)
  const sigma = (k, e, v) => Math.abs(k - e) / Math.sqrt(v)
  const worst = Math.max(
    sigma(sum(kept), sum(expected), sum(variance)),
    ...kept.map((k, band) => sigma(k, expected[band], variance[band])),
  )
  return { shares: [sum(kept) / sum(count), ...kept.map((k, band) => k / count[band])], worst, norm }
}

function equal(a, b) {
  const [x, y] = [a, b].map(path => readFileSync(join(path, 'model.safetensors')))
  return Buffer.compare(x, y) === 0
}
