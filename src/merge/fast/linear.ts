import { canonicalJson } from '../../space/recipe.ts'
import { padded } from '../layout.ts'
import type { PreparedSum } from '../operators/operator.ts'
import { kernelTerms } from '../terms.ts'
import { fillStretch, stretchesOf } from './tiles.ts'
import { type Job, keyOf, type Workshop } from './work.ts'

/**
 * Class L: out = W0 + Σ c_j B_j, one pass of multiply and add. The B_j are prepared: kept by (operator, structure, tensor), so that a structure
 * that comes again costs that pass only.
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
      made ??= bases(shop.operators.input(plan, t, key))
      const whole = new Float32Array(tile.buffer, at, (bytes / 4) * c.length).fill(0)
      for (const [j, basis] of made.entries()) whole.set(basis.subarray(done, done + elements), (j * bytes) / 4)
    }
    shop.prepared.borrow(bank, key, bytes * c.length, build, at => {
      for (const [k, { source: j, coefficient }] of terms.entries()) {
        pointers[k] = at + j * bytes
        weights[k] = coefficient
      }
      // The base last: the sum of the small ones is not rounded to its unit on the way.
      pointers[terms.length] = addresses[base!]!
      weights[terms.length] = 1
      fillStretch(shop.benches[bank]!, 0, elements, done, target, (offset, size) =>
        kernel.linear(tileAt, pointersAt, coefficientsAt, terms.length + 1, offset, size),
      )
    })
  }
}
