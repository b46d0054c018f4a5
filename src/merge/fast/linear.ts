import { canonicalJson } from '../../space/recipe.ts'
import { padded } from '../layout.ts'
import type { PreparedSum } from '../operators/operator.ts'
import { kernelTerms } from '../terms.ts'
import { fillStretch, stretchesOf } from './tiles.ts'
import { type Job, keyOf, type Workshop } from './work.ts'

/** out = Σ c_m x_m, without a base. */
export function mergeSourceSum(shop: Workshop, coefficients: readonly number[], { plan, tensor, target }: Job): void {
  const terms = kernelTerms(plan.sources, coefficients, plan.operator.name)
  for (const { stretch, done } of stretchesOf(tensor)) {
    const bench = shop.benches[stretch.bank]!
    const { kernel, tileAt, pointers, pointersAt, coefficients: weights, coefficientsAt } = bench
    for (const [k, { source, coefficient }] of terms.entries()) {
      pointers[k] = stretch.addresses[source]!
      weights[k] = coefficient
    }
    fillStretch(bench, 0, stretch.elements, done, target, (offset, bytes) =>
      kernel.linear(tileAt, pointersAt, coefficientsAt, terms.length, offset, bytes),
    )
  }
}

/**
 * Class L: out = W0 + Σ c_j B_j, without W0 where there is no base: one pass of multiply and add. The B_j are prepared: kept by (operator,
 * structure, tensor), so that a structure that comes again costs that pass only.
 */
export function mergePreparedSum(shop: Workshop, { structure, bases, coefficients }: PreparedSum, job: Job): void {
  const { plan, t, tensor, target } = job
  const { settings, base, operator } = plan
  const c = coefficients(settings)
  const terms = kernelTerms(
    c.map((_, j) => j),
    c,
    operator.name,
  )
  const key = keyOf(job, canonicalJson({ structure: structure(settings) }))
  let made: readonly Float64Array[] | undefined // of the whole tensor: several banks may hold a stretch of it
  for (const { stretch, done } of stretchesOf(tensor)) {
    const { bank, elements, addresses } = stretch
    const { kernel, tile, tileAt, pointers, pointersAt, coefficients: weights, coefficientsAt } = shop.benches[bank]!
    const bytes = padded(elements) * 4
    const build = (at: number): void => {
      if (made === undefined) {
        made = bases(shop.operators.input(plan, t, key))
        shop.statistics.verifyUnchanged() // what is kept is looked at once only
      }
      const whole = new Float32Array(tile.buffer, at, (bytes / 4) * c.length).fill(0)
      for (const [j, basis] of made.entries()) whole.set(basis.subarray(done, done + elements), (j * bytes) / 4)
    }
    shop.prepared.borrow(bank, key, bytes * c.length, build, at => {
      for (const [k, { source: j, coefficient }] of terms.entries()) {
        pointers[k] = at + j * bytes
        weights[k] = coefficient
      }
      // The base last: the sum of the small ones is not rounded to its unit on the way.
      if (base !== undefined) {
        pointers[terms.length] = addresses[base]!
        weights[terms.length] = 1
      }
      const count = terms.length + (base === undefined ? 0 : 1)
      fillStretch(shop.benches[bank]!, 0, elements, done, target, (offset, size) =>
        kernel.linear(tileAt, pointersAt, coefficientsAt, count, offset, size),
      )
    })
  }
}
