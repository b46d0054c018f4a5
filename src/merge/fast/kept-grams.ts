import type { SharedTensor } from '../sources.ts'
import type { Measurement, Statistics, StatisticsReader, StatisticsUse } from '../statistics.ts'
import type { Prepared } from './prepared.ts'
import type { Bench } from './tiles.ts'

/** Statistics of shared sources: Gram matrices are read from their files once per machine, as long as an arena has room for them. */
export class KeptGrams implements StatisticsReader {
  readonly #files: Statistics
  readonly #benches: readonly Bench[]
  readonly #prepared: Prepared
  /** Tensor → the bank that it begins in. */
  readonly #banks: ReadonlyMap<string, number>

  constructor(files: Statistics, tensors: readonly SharedTensor[], benches: readonly Bench[], prepared: Prepared) {
    this.#files = files
    this.#benches = benches
    this.#prepared = prepared
    this.#banks = new Map(
      tensors.flatMap(({ name, stretches }) => stretches.slice(0, 1).map(({ bank }) => [name, bank])),
    )
  }

  find(use: StatisticsUse): Measurement | undefined {
    return this.#files.find(use)
  }

  read(measurement: Measurement, use: StatisticsUse, begin: number, count: number): readonly Float64Array[] {
    if (measurement.kind !== 'input-gram') return this.#files.read(measurement, use, begin, count)
    return use.inputs.map(input => this.#gram(measurement, { ...use, inputs: [input] }))
  }

  /** The same numbers, from memory or from the file. */
  #gram(measurement: Measurement, use: StatisticsUse): Float64Array {
    const { model, tensor } = use.inputs[0]!
    const { rows, wide } = this.#files.gramOf(model, tensor)
    const numbers = rows * rows
    const bank = this.#banks.get(tensor)!
    const { buffer } = this.#benches[bank]!.tile
    const at = (address: number) =>
      wide ? new Float64Array(buffer, address, numbers) : new Float32Array(buffer, address, numbers)
    const read = () => this.#files.read(measurement, use, 0, numbers)[0]!
    let made: Float64Array | undefined
    const build = (address: number): void => {
      made = read()
      this.#files.verifyUnchanged() // what is kept is looked at once only
      at(address).set(made)
    }
    const bytes = numbers * (wide ? 8 : 4)
    const kept = this.#prepared.borrowSpare(bank, `gram ${model} ${tensor}`, bytes, 0, build, address => {
      return made ?? Float64Array.from(at(address))
    })
    return kept ?? read()
  }
}
