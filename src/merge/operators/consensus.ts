/**
 * Sum of weighted task vectors z_m = w_m τ̃_m, as the task-arithmetic family forms it.
 *
 * Without election: mix = Σ z_m, divided by Σ w_m when normalized. With election (TIES, elect and disjoint merge): each position elects the
 * sign of Σ z_m, a sum of zero elects +; only elements of that sign are added, and their own weights divide. Exact zeros are never
 * counted.
 *
 * Signs are elected by sums in float32, as mergekit forms them: 16-bit experts often cancel exactly there, and the sign of what float64
 * would leave is noise.
 */
export function mixTaskVectors(
  taus: readonly Float64Array[], // τ̃_m, thinned out
  weights: readonly number[],
  { elect, normalize }: { readonly elect: boolean; readonly normalize: boolean },
): Float64Array {
  const n = taus[0]!.length
  const mix = new Float64Array(n)
  const divisor = divisorOf(weights)
  const rounded = weights.map(Math.fround)
  for (let i = 0; i < n; i++) {
    if (!elect) {
      let sum = 0
      for (const [m, tau] of taus.entries()) sum += weights[m]! * tau[i]!
      mix[i] = normalize ? sum / divisor : sum
      continue
    }
    let election = 0
    for (const [m, tau] of taus.entries()) {
      election = Math.fround(election + Math.fround(rounded[m]! * Math.fround(tau[i]!)))
    }
    const sign = election >= 0 ? 1 : -1
    let kept = 0
    let weight = 0
    for (const [m, tau] of taus.entries()) {
      const z = weights[m]! * tau[i]!
      if (Math.sign(z) !== sign) continue
      kept += z
      weight += weights[m]!
    }
    mix[i] = normalize && weight !== 0 ? kept / weight : kept
  }
  return mix
}

/** What a sum without election is divided by when normalized: Σ w, or 1 where that is next to nothing (mergekit's guard). */
export function divisorOf(weights: readonly number[]): number {
  const total = weights.reduce((sum, w) => sum + w, 0)
  return Math.abs(total) < 1e-8 ? 1 : total
}
