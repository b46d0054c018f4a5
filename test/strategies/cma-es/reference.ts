import { type CmaEsConstants, cmaEsConstants } from '../../../src/strategies/cma-es/cma-es-run.ts'

/** The constants of the package cmaes, which differ in c_σ, c_1 and c_μ; C is decomposed after every update. */
export function cmaesConstants(n: number, lambda: number): CmaEsConstants {
  const ours = cmaEsConstants(n, lambda, true)
  const { muEff, parents } = ours
  const cSigma = (muEff + 2) / (n + muEff + 5)
  const dSigma = 1 + 2 * Math.max(0, Math.sqrt((muEff - 1) / (n + 1)) - 1) + cSigma
  const c1 = 2 / ((n + 1.3) ** 2 + muEff)
  const cMu = Math.min(1 - c1 - 1e-8, (2 * (muEff - 2 + 1 / muEff)) / ((n + 2) ** 2 + muEff))
  const raw = Float64Array.from({ length: lambda }, (_, i) => Math.log((lambda + 1) / 2) - Math.log(i + 1))
  const worse = raw.subarray(parents)
  const sum = worse.reduce((total, w) => total + w, 0)
  const muEffMinus = sum ** 2 / worse.reduce((total, w) => total + w * w, 0)
  const negative = Math.min(1 + c1 / cMu, 1 + (2 * muEffMinus) / (muEff + 2), (1 - c1 - cMu) / (n * cMu))
  const weights = ours.weights.map((w, i) => (i < parents ? w : (negative * raw[i]!) / -sum))
  const weightSum = weights.reduce((total, w) => total + w, 0)
  return { ...ours, cSigma, dSigma, c1, cMu, weights, weightSum, lazyGap: 0 }
}

/** The fixtures' generator: sums of four 32-bit words. */
export function* fixtureNumbers(): Generator<number, never> {
  for (let word = 12345; ; ) {
    let total = 0
    for (let i = 0; i < 4; i++) {
      word = (Math.imul(1664525, word) + 1013904223) >>> 0
      total += word
    }
    yield (total / 2 ** 32 - 2) * 1.75
  }
}
