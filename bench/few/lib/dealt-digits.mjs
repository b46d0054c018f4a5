// The digits experts with the examples that none of them was trained on dealt anew: which are `search`, `select` and `holdout` is another draw for every
// seed, so that what is measured over seeds is not the luck of one division of the data.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { createRng } from '../../../dist/rng.js'

const SHARES = { search: 1 / 3, select: 1 / 5, holdout: 7 / 15 }

const lines = file => gunzipSync(readFileSync(file)).toString('utf8').trim().split('\n')
const cut = line => line.split(/,(?=[^,]*$)/) // what comes before the split, and the split
const labelOf = line => Number(cut(line)[0].split(',').at(-1))

/**
 * @param {any} evaluator configuration of `evaluators/digits.yaml`
 * @param {number} seed
 * @param {Record<string, number>} [shares] of the examples that are not for training
 * @returns {{ evaluator: any, remove: () => void }} the same with data of its own. A turned image keeps the split of the image it was made from.
 */
export function dealtDigits(evaluator, seed, shares = SHARES) {
  const folder = mkdtempSync(join(tmpdir(), 'amalgam-dealt-digits-'))
  const fileOf = name => evaluator.options.tasks.find(task => task.name === name).data
  const [header, ...turned] = lines(fileOf('shifted'))
  const splits = dealt(turned, createRng(seed).split('division of the digits'), shares)
  const where = { low: [], high: [], shifted: splits }
  for (const [i, line] of turned.entries()) where[labelOf(line) <= 4 ? 'low' : 'high'].push(splits[i])
  const tasks = evaluator.options.tasks.map(task => {
    const data = join(folder, `${task.name}.csv`)
    const rows = lines(task.data).slice(1)
    writeFileSync(data, [header, ...rows.map((line, i) => `${cut(line)[0]},${where[task.name][i]}`), ''].join('\n'))
    return { ...task, data }
  })
  return {
    evaluator: { ...evaluator, options: { ...evaluator.options, tasks } },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Digit by digit, those of each shuffled and cut at the shares. */
function dealt(rows, rng, shares) {
  const splits = rows.map(line => cut(line)[1])
  for (let digit = 0; digit <= 9; digit++) {
    const free = rows.flatMap((line, i) => (labelOf(line) === digit && splits[i] !== 'train' ? [i] : []))
    const order = free.map(i => [rng.uniform(), i]).sort(([a], [b]) => a - b)
    order.forEach(([, i], rank) => {
      const at = (rank + 0.5) / order.length
      splits[i] = at < shares.search ? 'search' : at < shares.search + shares.select ? 'select' : 'holdout'
    })
  }
  return splits
}
