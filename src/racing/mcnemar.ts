/**
 * Anytime-valid paired test of 0/1 scores: the e-process of McNemar's comparison (Q. McNemar, Psychometrika 12, 1947), made so by a
 * mixture (A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, "Game-theoretic statistics and safe anytime-valid inference", Statistical
 * Science 38, 2023).
 *
 * Of the examples on which two models differ, a share θ goes to the first. With w of them so far and l to the second, the likelihood ratio of θ
 * uniform over (½, 1) to θ = ½,
 *
 *     E = 2^(w+l) · 2 ∫_{1/2}^{1} θ^w (1 − θ)^l dθ,
 *
 * has expectation at most 1 while the first is no better, whenever one looks: P(E ≥ 1/α at any time) ≤ α (Ville's inequality).
 *
 * The integral is that of a beta density above ½, which for whole numbers is a binomial tail:
 * E = Σ_{j=l+1}^{n+1} C(n+1, j) / ((n + 1) C(n, w)), n = w + l.
 *
 * @param wins w, examples that only the first model gets right
 * @param losses l, examples that only the second gets right
 * @returns ln E: evidence that the first is the better one
 */
export function mcnemarLogEvidence(wins: number, losses: number): number {
  const n = wins + losses
  const logChoose = (top: number, k: number): number => logFactorial(top) - logFactorial(k) - logFactorial(top - k)
  // The largest term first: the others are shares of it, by the ratio C(n+1, j+1) / C(n+1, j) = (n + 1 − j) / (j + 1).
  const peak = Math.max(losses + 1, Math.floor((n + 1) / 2))
  let sum = 1
  let term = 1
  for (let j = peak; j <= n; j++) sum += term *= (n + 1 - j) / (j + 1)
  term = 1
  for (let j = peak; j > losses + 1; j--) sum += term *= j / (n + 2 - j)
  return logChoose(n + 1, peak) + Math.log(sum) - Math.log(n + 1) - logChoose(n, wins)
}

const LOG_FACTORIALS: number[] = [0]

function logFactorial(n: number): number {
  for (let k = LOG_FACTORIALS.length; k <= n; k++) LOG_FACTORIALS.push(LOG_FACTORIALS[k - 1]! + Math.log(k))
  return LOG_FACTORIALS[n]!
}
