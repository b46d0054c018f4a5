import type { CandidateId, Genome } from '../../candidate.ts'
import type { Rng } from '../../rng.ts'
import type { Encoding } from './encoding.ts'
import { Gp } from './gp.ts'
import { extendGp, type Fit, fitSurrogate, type Observation, type SurrogateOptions } from './surrogate.ts'

/** Fits follow every observation up to this many, then whenever there are this share more. */
const DENSE_FITS = 50
const FIT_GROWTH = 1.05

/**
 * The model of one loss: its latest fit, and the Gaussian process of that fit, which grows with the observations. Only the fit is state; the process
 * is the same to the last bit when it is built again.
 */
export class Model {
  readonly #encoding: Encoding
  readonly #options: SurrogateOptions
  #fit: Fit | undefined
  /** Cache: the process of `#fit` and the observations, believed points included. */
  #gp: Gp | undefined
  /** Observations in the cache that were told; more than those are believed. */
  #told = 0
  #believed: CandidateId[] = []

  constructor(encoding: Encoding, options: SurrogateOptions, fit?: Fit) {
    this.#encoding = encoding
    this.#options = options
    this.#fit = fit
  }

  get fit(): Fit | undefined {
    return this.#fit
  }

  /** Fits again if there is enough that is new. */
  update(observations: readonly Observation[], rng: Rng): void {
    const n = observations.length
    const before = this.#fit?.observations
    if (before === n) return
    if (before !== undefined && n > DENSE_FITS && n > before && n < FIT_GROWTH * before) return
    this.refit(observations, rng)
  }

  /** Fits anew, starting from the latest fit. Without a single scored observation nothing changes. */
  refit(observations: readonly Observation[], rng: Rng): void {
    const fit = fitSurrogate(this.#encoding, observations, this.#fit, this.#options, rng)
    if (fit === undefined) return
    this.#fit = fit
    this.forget()
  }

  /** Must follow any change of observations other than further ones. */
  forget(): void {
    this.#gp = undefined
  }

  /**
   * The process of all observations, with the points under evaluation believed to come out at their mean ("Kriging believer").
   * @returns `undefined` before the first fit.
   */
  process(observations: readonly Observation[], pending: ReadonlyMap<CandidateId, Genome>): Gp | undefined {
    const fit = this.#fit
    if (fit === undefined) return undefined
    let gp = this.#gp
    if (gp === undefined) {
      gp = new Gp(this.#encoding, fit.parameters, observations.length + 16)
      this.#gp = gp
      this.#told = 0
      this.#believed = []
    }
    const ids = [...pending.keys()]
    const unchanged = this.#told === observations.length && this.#believed.every((id, i) => id === ids[i])
    if (!unchanged) {
      gp.truncate(this.#told)
      extendGp(gp, this.#encoding, fit, observations, this.#told)
      this.#told = observations.length
      this.#believed = []
    }
    for (const id of ids.slice(this.#believed.length)) {
      const inputs = this.#encoding.encode(pending.get(id)!)
      gp.append(inputs, [gp.predict(inputs).mean], [0])
      this.#believed.push(id)
    }
    return gp
  }
}
