import { ConfigError, FormatError, MergeError, show } from '../errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { InputsAlong, MergeOperator, StatisticKind } from './operators/operator.ts'
import { readStretch } from './program/read-tensor.ts'
import { RenamedCheckpoint } from './renamed-checkpoint.ts'
import { GRAM, openStatistics, type StatisticsTable, versionsOf } from './statistics-table.ts'

/** One tensor of a merge that asks for statistics. */
export interface StatisticsUse {
  readonly operator: MergeOperator
  /** Its inputs: position of the model, and the tensor's name as in the model's table. */
  readonly inputs: readonly { readonly model: number; readonly tensor: string }[]
}

export interface Measurement {
  readonly kind: StatisticKind
  readonly inputsAlong: InputsAlong | undefined
}

/** Numbers in memory at a time, where a file is only looked through. */
const STRETCH = 1 << 20
/** Of √(G_ii G_jj): by how much G_ij and G_ji may differ. Products that were summed in 16 bits do by less, other matrices by more. */
const ASYMMETRY = 1e-2

/** What merging asks of statistics, see {@link Statistics}. */
export type StatisticsReader = Pick<Statistics, 'find' | 'read'>

/** Statistics of the models of a merge, read when a tensor needs them and not kept. Files are opened by the first that does. */
export class Statistics {
  readonly #ids: readonly string[]
  readonly #tables: readonly (StatisticsTable | undefined)[]
  readonly #opened = new Map<number, { readonly stored: Checkpoint; readonly named: Checkpoint }>()

  /** Both by position of the model. */
  constructor(ids: readonly string[], tables: readonly (StatisticsTable | undefined)[]) {
    this.#ids = ids
    this.#tables = tables
  }

  /**
   * Whether a tensor is merged with statistics. Looks at what the headers say.
   * @returns undefined for operators without, and where none is to be had: no model has a Gram matrix of it, or a model does not store it
   * @throws {ConfigError | MergeError} where a model has no file, or what others have is missing
   */
  find({ operator, inputs }: StatisticsUse): Measurement | undefined {
    const kind = operator.needs
    if (kind === undefined) return undefined
    const tables = inputs.map(({ model }) => this.#table(model, operator))
    if (kind === 'fisher') {
      if (inputs.some(({ tensor }, i) => !tables[i]!.own.has(tensor))) return undefined
      for (const [i, { model, tensor }] of inputs.entries()) {
        const { fisher, own, path } = tables[i]!
        if (fisher.has(tensor)) continue
        const { name, shape } = own.get(tensor)!
        throw new MergeError(
          `${operator.name} needs the Fisher information of tensor ${show(name)} of source ${show(this.#ids[model])}: ${show(name)} of shape [${shape.join(', ')}], F32, in ${path}, which has none.`,
          { hint: 'Collect it, or store zeros: the tensor is averaged by weight then. See docs/statistics.md.' },
        )
      }
      return { kind, inputsAlong: undefined }
    }
    const found = inputs.map(({ tensor }, i) => tables[i]!.gram.get(tensor))
    const first = found.findIndex(entry => entry !== undefined)
    if (first < 0) return undefined
    for (const [i, { model, tensor }] of inputs.entries()) {
      const entry = found[i]
      const [has, other] = [found[first]!, this.#ids[inputs[first]!.model]]
      if (entry?.inputsAlong === has.inputsAlong) continue
      const own = tables[i]!.own.get(tensor)?.name ?? tensor
      const what = `${operator.name} has ${show(has.name)} of source ${show(other)}`
      if (entry !== undefined) {
        throw new MergeError(
          `${what} and ${show(entry.name)} of source ${show(this.#ids[model])}: one says that the inputs are along the columns of the weight, the other along its rows.`,
        )
      }
      throw new MergeError(
        `${what}, but source ${show(this.#ids[model])} has no Gram matrix of ${show(own)} in ${tables[i]!.path}.`,
        { hint: 'Collect it for all sources, or for none: the tensor is averaged then. See docs/statistics.md.' },
      )
    }
    return { kind, inputsAlong: found[first]!.inputsAlong }
  }

  /**
   * What {@link find} found, per input, as float64. Fisher information of `count` elements from `begin` on; Gram matrices as a whole.
   * @throws {FormatError} on files that are others by now
   * @throws {MergeError} on NaN, infinities, negative values where there are none, and Gram matrices that are not symmetric
   */
  read({ kind }: Measurement, { inputs }: StatisticsUse, begin: number, count: number): readonly Float64Array[] {
    return inputs.map(({ model, tensor }) =>
      kind === 'fisher' ? this.#fisher(model, tensor, begin, count) : this.#gram(model, tensor),
    )
  }

  /** Positions of the models that have the Fisher information of a tensor, ascending. */
  fisherOf(tensor: string): number[] {
    return this.#tables.flatMap((table, model) => (table?.fisher.has(tensor) ? [model] : []))
  }

  /** Rows of a model's Gram matrix of a tensor that has one, and whether float32 cannot hold its numbers. */
  gramOf(model: number, tensor: string): { readonly rows: number; readonly wide: boolean } {
    return this.#tables[model]!.gram.get(tensor)!
  }

  /** Reads all files through, a few megabytes at a time. @throws as {@link read}, but for what is symmetric */
  requireValues(): void {
    for (const [model, table] of this.#tables.entries()) {
      if (table === undefined) continue
      const { stored } = this.#open(model)
      const names = [
        ...[...table.fisher.values()].map(({ name }) => ({ name, step: 1 })),
        ...[...table.gram.values()].map(({ name }) => ({ name, step: stored.tensors.get(name)!.shape[0]! + 1 })),
      ]
      for (const { name, step } of names) {
        const { shape } = stored.tensors.get(name)!
        const elements = shape.reduce((product, size) => product * size, 1)
        for (let begin = 0; begin < elements; begin += STRETCH) {
          const count = Math.min(STRETCH, elements - begin)
          this.#requireValues(model, name, readStretch(stored, name, shape, begin, count, undefined), begin, step)
        }
      }
    }
  }

  /** @throws {FormatError} when a file that was read from was changed meanwhile */
  verifyUnchanged(): void {
    for (const { stored } of this.#opened.values()) stored.verifyUnchanged()
  }

  close(): void {
    for (const { stored } of this.#opened.values()) stored.close()
    this.#opened.clear()
  }

  #table(model: number, { name, needs }: MergeOperator): StatisticsTable {
    const table = this.#tables[model]
    const what = needs === 'fisher' ? 'Fisher information' : "Gram matrices of the layers' inputs"
    if (table === undefined) {
      throw new ConfigError(
        `${name} needs ${what} of every source, and source ${show(this.#ids[model])} names no file with statistics.`,
        {
          hint: 'Give the source "statistics: FILE.safetensors"; docs/statistics.md says what must be in it.',
        },
      )
    }
    if (needs !== 'input-gram' || table.gram.size > 0) return table
    throw new MergeError(
      `${name} needs ${what}, and ${table.path} has none of a merged tensor of source ${show(this.#ids[model])}.`,
      { hint: `Name them like the weight, with ${show(GRAM)} behind the name; see docs/statistics.md.` },
    )
  }

  #fisher(model: number, tensor: string, begin: number, count: number): Float64Array {
    const { named } = this.#open(model)
    const values = readStretch(named, tensor, named.tensors.get(tensor)!.shape, begin, count, undefined)
    this.#requireValues(model, this.#tables[model]!.fisher.get(tensor)!.name, values, begin, 1)
    return values
  }

  #gram(model: number, tensor: string): Float64Array {
    const { stored } = this.#open(model)
    const { name } = this.#tables[model]!.gram.get(tensor)!
    const { shape } = stored.tensors.get(name)!
    const n = shape[0]!
    const G = readStretch(stored, name, shape, 0, n * n, undefined)
    this.#requireValues(model, name, G, 0, n + 1)
    const scale = Float64Array.from({ length: n }, (_, i) => Math.sqrt(G[i * (n + 1)]!))
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) {
        const [a, b] = [G[i * n + j]!, G[j * n + i]!]
        if (Math.abs(a - b) <= ASYMMETRY * scale[i]! * scale[j]!) continue
        throw this.#wrong(model, name, `is not symmetric: ${a} at [${i}, ${j}], ${b} at [${j}, ${i}]`)
      }
    }
    return G
  }

  /** @param step of the positions that must not be negative, from 0 on: all elements, or the diagonal */
  #requireValues(model: number, name: string, values: Float64Array, begin: number, step: number): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!
      if (Number.isFinite(value) && (value >= 0 || (begin + i) % step !== 0)) continue
      const what = step === 1 ? '' : ' on the diagonal'
      const wanted = Number.isFinite(value) ? `0 or more${what}` : 'a finite number'
      throw this.#wrong(model, name, `must be ${wanted}, and is ${value} at element ${begin + i}`)
    }
  }

  #wrong(model: number, name: string, what: string): MergeError {
    const { path } = this.#tables[model]!
    return new MergeError(`${show(name)} in the statistics of source ${show(this.#ids[model])} (${path}) ${what}.`, {
      hint: 'Collect the statistics again, in float32 at least; docs/statistics.md says what they are.',
    })
  }

  #open(model: number) {
    const known = this.#opened.get(model)
    if (known !== undefined) return known
    const { path, versions, fisher } = this.#tables[model]!
    const stored = openStatistics(path)
    try {
      if (versionsOf(stored).join('\n') !== versions.join('\n')) {
        throw new FormatError(`${path} was changed since its header was read.`, {
          hint: 'Start again when the file is final.',
        })
      }
      const matches = new Map([...fisher].map(([name, match]) => [name, { ...match, by: 'name' as const }]))
      const opened = { stored, named: new RenamedCheckpoint(stored, matches, [], stored, []) }
      this.#opened.set(model, opened)
      return opened
    } catch (error) {
      stored.close()
      throw error
    }
  }
}
