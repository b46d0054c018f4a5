/** How a model differs from its base, over all tensors that were added. Sums in float64, in the order of calls. */
export class Difference {
  #elements = 0
  #changed = 0
  #squares = 0
  #baseSquares = 0

  /** @param model and its base: the same tensor as float32, of equal length */
  add(model: Float32Array, base: Float32Array): void {
    let changed = 0
    let squares = 0
    let baseSquares = 0
    for (let i = 0; i < model.length; i++) {
      const b = base[i]!
      const difference = model[i]! - b
      if (difference !== 0) changed++
      squares += difference * difference
      baseSquares += b * b
    }
    this.#elements += model.length
    this.#changed += changed
    this.#squares += squares
    this.#baseSquares += baseSquares
  }

  /** 0..1; NaN where the model holds anything but finite numbers, or nothing. */
  get changedShare(): number {
    return Number.isFinite(this.#squares) ? this.#changed / this.#elements : Number.NaN
  }

  /** √Σ (model − base)². NaN where the model holds anything but finite numbers. */
  get distance(): number {
    return Number.isFinite(this.#squares) ? Math.sqrt(this.#squares) : Number.NaN
  }

  /** {@link distance} by √Σ base². Not finite where the base is all zero. */
  get relativeDistance(): number {
    return this.distance / Math.sqrt(this.#baseSquares)
  }
}
