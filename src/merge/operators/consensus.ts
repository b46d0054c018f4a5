/**
 * Sum of weighted task vectors, as the task-arithmetic family forms it.
 *
 * Without election: mix = Σ z_m, divided by Σ w_m when normalized. With election (TIES, elect and disjoint merge): each position elects the
 * sign of Σ z_m, a sum of zero elects +; only elements of that sign are added, and their own weights divide. Exact zeros are never
 * counted.
 */
export function mixTaskVectors(
  weighted: readonly Float64Array[], // z_m = w_m τ̃_m
  weights: readonly number[],
  { elect, normalize }: { readonly elect: boolean; readonly normalize: boolean },
): Float64Array {
  const n = weighted[0]!.length
  const mix = new Float64Array(n)
  const total = weights.reduce((sum, w) => sum + w, 0)
  const divisor = Math.abs(total) < 1e-8 ? 1 : total // mergekit's guard
  for (let i = 0; i < n; i++) {
    let sum = 0
    for (const z of weighted) sum += z[i]!
    if (!elect) {
      mix[i] = normalize ? sum / divisor : sum
      continue
    }
    const sign = sum >= 0 ? 1 : -1
    let kept = 0
    let weight = 0
    for (const [m, z] of weighted.entries()) {
      if (Math.sign(z[i]!) !== sign) continue
      kept += z[i]!
      weight += weights[m]!
    }
    mix[i] = normalize && weight !== 0 ? kept / weight : kept
  }
  return mix
}
