/**
 * Losses → what the forest learns: log((y - y₀) / (y_max - y₀)) with y₀ = 2 y_min - y_5 %, so that differences among the best count most.
 * (SMAC's scaling; M. Lindauer et al., "SMAC3", JMLR 23(54), 2022.) Equal losses become zeros.
 *
 * @param losses shape (n,), finite, n >= 1.
 */
export function logTargets(losses: readonly number[]): Float64Array {
  const sorted = [...losses].sort((a, b) => a - b)
  const [least, greatest] = [sorted[0]!, sorted.at(-1)!]
  if (!(greatest > least)) return new Float64Array(losses.length)
  const place = 0.05 * (sorted.length - 1)
  const below = Math.floor(place)
  const fifth = sorted[below]! + (place - below) * ((sorted[below + 1] ?? greatest) - sorted[below]!)
  // The best loss itself needs a finite logarithm where a twentieth of the losses equal it.
  const margin = Math.max(fifth - least, 1e-10 * (greatest - least))
  const origin = least - margin
  return Float64Array.from(losses, loss => Math.log((loss - origin) / (greatest - origin)))
}
