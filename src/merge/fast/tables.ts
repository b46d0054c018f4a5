import { padded, SCRATCH_BYTES, WORK_AT } from '../layout.ts'
import { positionKeys } from '../operators/hash-random.ts'
import type { Pass, Thin } from '../operators/operator.ts'
import { ranksWithin, rowLength, smallestFirst } from '../operators/order.ts'
import { variances } from '../operators/sce.ts'
import { difference } from '../operators/vectors.ts'
import { type Job, keyOf, type Workshop } from './work.ts'

/** Tables that a pass reads beside the weights: made once per machine, by element. */

/** Where they lie in the bank of a stretch; 0 where a pass has none. */
export interface Tables {
  /** By model: u16, the upper halves of the random numbers. */
  readonly halves: (m: number) => number
  /** By model: u16, ranks within rows. */
  readonly ranks: (m: number) => number
  /** u32, ranks of the variance across models, the largest first. */
  readonly varying: number
}

export const NO_TABLES: Tables = { halves: () => 0, ranks: () => 0, varying: 0 }

type Stretch = Job['tensor']['stretches'][number]

/** @param done elements of the tensor before the stretch */
export function withTables(
  shop: Workshop,
  job: Job,
  { terms }: Pass,
  stretch: Stretch,
  done: number,
  use: (tables: Tables) => void,
): void {
  const has = (kind: Thin['kind']) => terms.some(({ thin }) => thin.kind === kind)
  const { seed } = job.plan.settings
  const models = job.plan.ids.length
  const floats = padded(stretch.elements)
  if (has('varying')) {
    const build = (at: number) => fillVarying(shop, job, stretch, done, at)
    shop.prepared.borrow(stretch.bank, keyOf(job, 'variance'), floats * 4, build, at =>
      use({ ...NO_TABLES, varying: at }),
    )
  } else if (has('row-ranks')) {
    const build = (at: number) => {
      for (let m = 0; m < models; m++) fillHalves(shop, job, m, stretch, done, at + m * floats * 2)
      fillRanks(shop, job, stretch, done, at + models * floats * 2)
    }
    const key = keyOf(job, `halves and ranks ${seed} ${job.plan.ids.join(' ')}`)
    shop.prepared.borrow(stretch.bank, key, models * floats * 4, build, at =>
      use({ halves: m => at + m * floats * 2, ranks: m => at + (models + m) * floats * 2, varying: 0 }),
    )
  } else if (has('random')) {
    const build = (at: number) => {
      for (let m = 0; m < models; m++) fillHalves(shop, job, m, stretch, done, at + m * floats * 2)
    }
    const key = keyOf(job, `halves ${seed} ${job.plan.ids.join(' ')}`)
    shop.prepared.borrow(stretch.bank, key, models * floats * 2, build, at =>
      use({ ...NO_TABLES, halves: m => at + m * floats * 2 }),
    )
  } else use(NO_TABLES)
}

function fillHalves(
  shop: Workshop,
  { plan, tensor }: Job,
  m: number,
  stretch: Stretch,
  done: number,
  at: number,
): void {
  const { key, second } = positionKeys(plan.settings.seed, plan.ids[m]!, tensor.name)
  shop.benches[stretch.bank]!.kernel.uniformHalves(at, key, second, done, padded(stretch.elements))
}

/** What `assembly/row-ranks.ts` needs fits into a thread's scratch for rows up to this. Longer ones are sorted by the definition. */
const COLUMNS_LIMIT = Math.floor((SCRATCH_BYTES - WORK_AT - 221_376) / 28)

function fillRanks(shop: Workshop, { plan, t, tensor }: Job, stretch: Stretch, done: number, at: number): void {
  const floats = padded(stretch.elements)
  const columns = rowLength(tensor.elements, tensor.shape)
  if (tensor.shape.length <= 2 && columns <= COLUMNS_LIMIT && stretch.elements === tensor.elements) {
    const { kernel, workAt } = shop.benches[stretch.bank]!
    const { addresses, elements } = stretch
    for (const [m, source] of plan.sources.entries()) {
      kernel.rankRows(
        at + m * floats * 2,
        addresses[source]!,
        addresses[plan.base!]!,
        elements / columns,
        columns,
        workAt,
      )
    }
    return
  }
  const { base, models } = shop.operators.input(plan, t, '')
  for (const [m, x] of models.entries()) {
    const { ranks } = ranksWithin(difference(x, base!), tensor.shape)
    const table = new Uint16Array(shop.benches[stretch.bank]!.tile.buffer, at + m * floats * 2, floats).fill(0)
    table.set(ranks.subarray(done, done + stretch.elements))
  }
}

function fillVarying(shop: Workshop, { plan, t }: Job, stretch: Stretch, done: number, at: number): void {
  const { base, models } = shop.operators.input(plan, t, '')
  const order = smallestFirst(variances(models.map(x => difference(x, base!))))
  const floats = padded(stretch.elements)
  const table = new Uint32Array(shop.benches[stretch.bank]!.tile.buffer, at, floats).fill(0xffffffff)
  for (let r = 0; r < order.length; r++) {
    const i = order[r]! - done
    if (i >= 0 && i < stretch.elements) table[i] = order.length - 1 - r
  }
}
