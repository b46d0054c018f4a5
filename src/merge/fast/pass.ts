import { BLOCK_BYTES } from '../kernel/load.ts'
import { TERM_BYTES, WORK_BYTES } from '../layout.ts'
import { positionKeys } from '../operators/hash-random.ts'
import type { Mix, Pass, PassTerm, Thin } from '../operators/operator.ts'
import { rowLength } from '../operators/order.ts'
import { uniqueFactor } from '../operators/ram.ts'
import { variances, weightsOf } from '../operators/sce.ts'
import { difference } from '../operators/vectors.ts'
import { ChanceSums } from './chance-sums.ts'
import { below, mixArguments } from './mix-arguments.ts'
import { OrderStatistics } from './order-statistics.ts'
import { Ranking } from './ranking.ts'
import { NO_TABLES, type Tables, withTables } from './tables.ts'
import { type Bench, fillStretch, stretchesOf } from './tiles.ts'
import type { Job, Workshop } from './work.ts'

// As in `assembly/thin.ts`.
const KINDS = { all: 0, ranks: 1, random: 2, 'row-ranks': 3, varying: 5 } as const
const DIVIDED = 4
const NONE = 0x7fffffff
/** Bytes of a model's block in the work area: with few models all blocks stay in a core's level 1 cache. */
const BLOCK = 4096
const SUMS_LIMIT = 1 << 16

type Stretch = Job['tensor']['stretches'][number]

/**
 * Class S: task vectors thinned out by threshold, chance or rank, and mixed by sign, agreement or size: in one pass over base and models,
 * whatever the weights, densities and scales are.
 */
export class Passes {
  readonly #shop: Workshop
  readonly #statistics: OrderStatistics
  readonly #ranking: Ranking
  readonly #chances: ChanceSums
  /** Sums and counts over what is kept, by everything that decides them. */
  readonly #sums = new Map<string, readonly number[]>()

  constructor(shop: Workshop) {
    this.#shop = shop
    this.#ranking = new Ranking(shop.benches, shop.prepared)
    this.#statistics = new OrderStatistics(shop.benches, this.#ranking)
    this.#chances = new ChanceSums(shop)
  }

  merge(job: Job, pass: Pass): void {
    const { tensor, target, plan } = job
    const factors = pass.terms.map((term, m) => this.#rescaling(job, pass, term, m))
    const weights = this.#weights(job, pass)
    const { mixing, scale, bound } = mixArguments(pass.mix)
    const M = pass.terms.length
    const block = blockFor(M)
    for (const { stretch, done } of stretchesOf(tensor)) {
      const bench = this.#shop.benches[stretch.bank]!
      const base = stretch.addresses[plan.base!]!
      withTables(this.#shop, job, pass, stretch, done, tables => {
        for (const [m, { weight, factor, thin }] of pass.terms.entries()) {
          this.#place(bench, job, stretch, tables, m, thin, weight * factor * factors[m]!)
        }
        bench.coefficients.set(weights)
        fillStretch(bench, 0, stretch.elements, done, target, (offset, bytes) =>
          bench.kernel.taskVectorPass(
            bench.tileAt,
            base,
            bench.termsAt,
            bench.coefficientsAt,
            M,
            mixing,
            scale,
            bound,
            bench.workAt,
            block,
            done + offset / 4,
            offset,
            bytes,
          ),
        )
      })
    }
  }

  /** Writes what the kernel knows of a model. */
  #place({ terms }: Bench, job: Job, stretch: Stretch, tables: Tables, m: number, thin: Thin, c: number): void {
    const { plan, t, tensor } = job
    const at = m * TERM_BYTES
    const source = plan.sources[m]!
    terms.setUint32(at, stretch.addresses[source]!, true)
    terms.setInt32(at + 12, kindOf(thin), true)
    terms.setFloat32(at + 16, c, true)
    switch (thin.kind) {
      case 'all':
        return
      case 'ranks': {
        const { begin, end } = thin
        const bound = (rank: number) => this.#statistics.at(tensor, t, plan.base!, source, rank)
        const low =
          begin >= end ? { bits: NONE, position: -1 } : begin === 0 ? { bits: 0, position: NONE } : bound(begin)
        const high = begin >= end || end >= tensor.elements ? { bits: NONE, position: -1 } : bound(end)
        terms.setInt32(at + 20, low.bits, true)
        terms.setInt32(at + 24, low.position, true)
        terms.setInt32(at + 28, high.bits, true)
        terms.setInt32(at + 32, high.position, true)
        return
      }
      case 'varying':
        terms.setUint32(at + 4, tables.varying, true)
        terms.setUint32(at + 36, this.#varyingCount(job, thin.share), true)
        return
      case 'random':
        terms.setUint32(at + 36, threshold(thin.density), true)
        break
      case 'row-ranks':
        terms.setUint32(at + 8, tables.ranks(m), true)
        terms.setFloat64(at + 48, thin.density - thin.epsilon, true)
        terms.setFloat64(at + 56, 2 * thin.epsilon, true)
        terms.setFloat64(at + 64, rowLength(tensor.elements, tensor.shape) - 1, true)
        if (rowLength(tensor.elements, tensor.shape) === 1) terms.setFloat64(at + 48, thin.density, true)
    }
    const { key, second } = positionKeys(plan.settings.seed, plan.ids[m]!, tensor.name)
    terms.setUint32(at + 4, tables.halves(m), true)
    terms.setInt32(at + 40, key, true)
    terms.setInt32(at + 44, second, true)
  }

  /** The factor that gives what is kept the L1 norm of the task vector, as `restoreMagnitude`. */
  #rescaling(job: Job, pass: Pass, { rescale, thin }: PassTerm, m: number): number {
    if (!rescale || thin.kind === 'all') return 1
    const before = this.#keptSum(job, pass, m, { kind: 'all' }, false)
    const after = this.#keptSum(job, pass, m, thin, false)
    return before < 1e-7 || after < 1e-7 ? 1 : before / after
  }

  /** What the mixing takes per model. */
  #weights(job: Job, pass: Pass): readonly number[] {
    const { mix, terms } = pass
    if (mix.kind === 'consensus') return [...mix.lambdas]
    if (mix.kind === 'unique') return this.#uniqueFactors(job, pass, mix)
    if (mix.kind !== 'erase') return terms.map(({ weight }) => weight)
    const energy = terms.map(({ thin }, m) => this.#keptSum(job, pass, m, thin, true))
    return weightsOf(energy, job.tensor.elements, mix.floor)
  }

  #keptSum(job: Job, pass: Pass, m: number, thin: Thin, squares: boolean): number {
    const { plan, tensor, t } = job
    const seed = 'density' in thin ? `${plan.settings.seed} ${plan.ids[m]}` : ''
    const among = thin.kind === 'varying' ? plan.sources.join(',') : ''
    const key = `${t} ${plan.base} ${plan.sources[m]} ${among} ${seed} ${squares} ${JSON.stringify(thin)}`
    const [sum] = this.#remembered(key, () => {
      const known = squares ? undefined : this.#knownSum(job, m, thin)
      if (known !== undefined) return [known]
      let total = 0
      for (const { stretch, done } of stretchesOf(tensor)) {
        const bench = this.#shop.benches[stretch.bank]!
        const base = stretch.addresses[plan.base!]!
        withTables(this.#shop, job, pass, stretch, done, tables => {
          this.#place(bench, job, stretch, tables, m, thin, 1)
          const at = bench.termsAt + m * TERM_BYTES
          total += bench.kernel.keptSum(base, at, squares, bench.workAt, BLOCK, done, 0, bytesOf(stretch))
        })
      }
      return [total]
    })
    return sum!
  }

  /** The sum of magnitudes, without a pass. */
  #knownSum(job: Job, m: number, thin: Thin): number | undefined {
    const { plan, tensor, t } = job
    if (thin.kind === 'random') return this.#chances.below(job, m, threshold(thin.density))
    if (thin.kind !== 'ranks') return undefined
    const { begin, end } = thin
    return begin >= end ? 0 : this.#ranking.sum({ tensor, t, base: plan.base!, source: plan.sources[m]! }, begin, end)
  }

  #uniqueFactors(job: Job, { terms }: Pass, { epsilon, amplify }: Extract<Mix, { kind: 'unique' }>): number[] {
    if (amplify === undefined) return terms.map(() => 1)
    const { plan, tensor, t } = job
    const M = terms.length
    const counts = this.#remembered(`${t} ${plan.base} ${plan.sources.join(' ')} above ${epsilon}`, () => {
      const totals = new Array<number>(2 * M).fill(0)
      for (const { stretch, done } of stretchesOf(tensor)) {
        const bench = this.#shop.benches[stretch.bank]!
        const { kernel, tileAt, termsAt, workAt, tile } = bench
        for (let m = 0; m < M; m++) {
          this.#place(bench, job, stretch, NO_TABLES, m, { kind: 'all' }, 1)
        }
        const own = new Uint32Array(tile.buffer, tileAt, 2 * M).fill(0)
        const base = stretch.addresses[plan.base!]!
        kernel.countShared(base, termsAt, M, below(epsilon), tileAt, workAt, blockFor(M), done, 0, bytesOf(stretch))
        for (const [k, count] of own.entries()) totals[k]! += count
      }
      return totals
    })
    return terms.map((_, m) => {
      const [shared, unique] = [counts[2 * m]!, counts[2 * m + 1]!]
      return uniqueFactor(amplify, shared, unique, epsilon)
    })
  }

  /** How many positions a share of those is at which models differ. */
  #varyingCount({ plan, t }: Job, share: number): number {
    const [varying] = this.#remembered(`${t} ${plan.base} ${plan.sources.join(' ')} varying`, () => {
      const { base, models } = this.#shop.operators.input(plan, t, '')
      return [variances(models.map(x => difference(x, base!))).reduce((n, value) => n + (value === 0 ? 0 : 1), 0)]
    })
    return Math.trunc(varying! * share)
  }

  #remembered(key: string, compute: () => readonly number[]): readonly number[] {
    const known = this.#sums.get(key)
    if (known !== undefined) return known
    const made = compute()
    if (this.#sums.size >= SUMS_LIMIT) this.#sums.clear()
    this.#sums.set(key, made)
    return made
  }
}

function kindOf(thin: Thin): number {
  return thin.kind === 'row-ranks' && thin.perElement ? DIVIDED : KINDS[thin.kind]
}

/** Random 32-bit words below it are those whose number is below the density. */
function threshold(density: number): number {
  return Math.ceil(density * 2 ** 32)
}

function blockFor(models: number): number {
  return Math.min(BLOCK, Math.floor(WORK_BYTES / models / BLOCK_BYTES) * BLOCK_BYTES)
}

/** In whole blocks: what fills the last one up is zero in base and models, and adds nothing. */
function bytesOf({ elements }: Stretch): number {
  return Math.ceil((elements * 4) / BLOCK_BYTES) * BLOCK_BYTES
}
