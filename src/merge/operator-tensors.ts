import { canonicalJson } from '../space/recipe.ts'
import type { OperatorPlan } from './method.ts'
import { mergeInWindows, type WindowOptions, type WindowReader } from './operators/merge-windows.ts'
import type { ModelView, Survey, TensorInput } from './operators/operator.ts'
import type { Measurement, StatisticsReader, StatisticsUse } from './statistics.ts'

/** Elements [begin, begin + count) of a tensor of one source as float64. */
export type TensorReader = (source: number, tensor: number, begin: number, count: number) => Float64Array

interface Named {
  readonly name: string
  readonly shape: readonly number[]
}

/** Tensors by an operator's definition, from sources that are read one tensor at a time. */
export class OperatorTensors {
  readonly #tensors: readonly Named[]
  readonly #read: TensorReader
  readonly #statistics: StatisticsReader
  /** Surveys of the whole model, by operator, settings and models: they do not change while the sources stay. */
  readonly #surveys = new Map<string, Survey>()

  /** @param statistics of the sources, by the same positions */
  constructor(tensors: readonly Named[], read: TensorReader, statistics: StatisticsReader) {
    this.#tensors = tensors
    this.#read = read
    this.#statistics = statistics
  }

  /**
   * @param write is given the result in order, in windows where the operator allows it
   * @throws {MergeError} naming the tensor
   */
  merge(plan: OperatorPlan, tensor: number, write: (values: Float64Array) => void, options?: WindowOptions): void {
    const { operator, settings, base, sources, ids, depth } = plan
    const { name, shape } = this.#tensors[tensor]!
    const survey = this.#survey(plan, operatorKey(plan))
    const elements = elementsOf(shape)
    const [use, measurement] = this.#measurement(plan, tensor)
    const read: WindowReader = (begin, count) => ({
      base: base === undefined ? undefined : this.#read(base, tensor, begin, count),
      models: sources.map(source => this.#read(source, tensor, begin, count)),
      statistics: measurement && this.#statistics.read(measurement, use, begin, count),
    })
    const measured = { measured: measurement !== undefined, inputsAlong: measurement?.inputsAlong }
    const windowed = { ...settings, name, shape, elements, ids, survey, depth, based: base !== undefined, ...measured }
    mergeInWindows(operator, windowed, read, write, options)
  }

  /** @param surveyed says what decides the survey of the model, where the operator has one */
  input(plan: OperatorPlan, tensor: number, surveyed: string): TensorInput {
    const { settings, base, sources, ids, depth } = plan
    const { name, shape } = this.#tensors[tensor]!
    const [use, measurement] = this.#measurement(plan, tensor)
    return {
      ...settings,
      name,
      shape,
      base: base === undefined ? undefined : this.#read(base, tensor, 0, elementsOf(shape)),
      models: sources.map(source => this.#read(source, tensor, 0, elementsOf(shape))),
      ids,
      survey: this.#survey(plan, surveyed),
      statistics: measurement && this.#statistics.read(measurement, use, 0, elementsOf(shape)),
      inputsAlong: measurement?.inputsAlong,
      depth,
    }
  }

  /**
   * Whether a tensor is merged with statistics. Reads none.
   * @throws {ConfigError | MergeError} where they are missing
   */
  measurementOf(plan: OperatorPlan, tensor: number): Measurement | undefined {
    return this.#measurement(plan, tensor)[1]
  }

  #measurement({ operator, sources }: OperatorPlan, tensor: number): [StatisticsUse, Measurement | undefined] {
    const { name } = this.#tensors[tensor]!
    const use = { operator, inputs: sources.map(model => ({ model, tensor: name })) }
    return [use, this.#statistics.find(use)]
  }

  #survey(plan: OperatorPlan, key: string): Survey | undefined {
    const { operator, settings, base, sources, ids } = plan
    if (operator.survey === undefined) return undefined
    const known = this.#surveys.get(key)
    if (known !== undefined) return known
    const [read, tensors] = [this.#read, this.#tensors]
    const view: ModelView = {
      ids,
      tensors: (function* () {
        for (const [t, { name, shape }] of tensors.entries()) {
          const whole = (source: number) => read(source, t, 0, elementsOf(shape))
          yield { name, shape, base: base === undefined ? undefined : whole(base), models: sources.map(whole) }
        }
      })(),
    }
    const survey = operator.survey(view, settings)
    if (this.#surveys.size >= SURVEYS_LIMIT) this.#surveys.clear()
    this.#surveys.set(key, survey)
    return survey
  }
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** A search may try a new setting with every candidate. */
const SURVEYS_LIMIT = 64

/** Equal for plans that give equal tensors at the same depth. */
export function operatorKey({ operator, settings, base, sources }: OperatorPlan): string {
  return `${operator.name} ${base} ${sources.join(' ')} ${canonicalJson(settings)}`
}
