import { EvaluatorError } from '../../errors.ts'
import type { WeightDtype } from '../../formats/dtype.ts'
import type { Objective } from '../../objective.ts'
import type { EvaluatorSession, MergedModel, OpenContext, Scores, SessionChoice, Split } from '../evaluator.ts'
import { type ExampleRange, rangesToScore } from '../example-range.ts'
import { BaseWeights } from './base-weights.ts'
import { Difference } from './difference.ts'
import { countExpertModules } from './expert-modules.ts'
import { measureLatency } from './latency.ts'
import { baseOf, type PropertyOptions } from './options.ts'
import { storedBytes } from './stored-bytes.ts'

const DTYPES: Readonly<Record<'float32' | 'bfloat16' | 'float16', WeightDtype>> = {
  float32: 'F32',
  bfloat16: 'BF16',
  float16: 'F16',
}

/** A session whose objectives are another's, followed by properties, which have no examples. */
export class PropertySession implements EvaluatorSession {
  readonly #inner: EvaluatorSession
  readonly #properties: readonly PropertyOptions[]
  readonly #objectives: readonly Objective[]
  readonly #context: OpenContext | undefined
  readonly #bases = new Map<string, BaseWeights>()

  /**
   * @param objectives of the inner session
   * @param context tells the tensors of the candidates, where it is known
   * @throws {AmalgamError} where a base cannot be opened or lacks a tensor
   */
  constructor(
    inner: EvaluatorSession,
    properties: readonly PropertyOptions[],
    objectives: readonly Objective[],
    context: OpenContext | undefined,
  ) {
    this.#inner = inner
    this.#properties = properties
    this.#objectives = objectives
    this.#context = context
    const tensors = [...(context?.dtypes.keys() ?? [])]
    try {
      for (const options of properties) {
        const path = baseOf(options)
        if (path === undefined || this.#bases.has(path)) continue
        const base = new BaseWeights(path)
        this.#bases.set(path, base)
        base.require(tensors)
      }
    } catch (error) {
      this.#closeBases()
      throw error
    }
  }

  exampleCount(split: Split): readonly number[] {
    return [...this.#inner.exampleCount(split), ...this.#properties.map(() => 0)]
  }

  choices(): readonly SessionChoice[] {
    return this.#inner.choices?.() ?? []
  }

  async score(model: MergedModel, split: Split, ranges?: readonly ExampleRange[]): Promise<Scores> {
    const own = this.exampleCount(split).length - this.#properties.length
    if (ranges !== undefined) rangesToScore(ranges, this.exampleCount(split))
    const properties = this.#values(model) // first: the views are the candidate's only until the evaluator answers
    const scores = await this.#inner.score(model, split, ranges?.slice(0, own))
    for (const [i, options] of this.#properties.entries())
      if (options.property === 'latency') {
        const per = this.#objectives.findIndex(({ name }) => name === options.per)
        properties[i] = await measureLatency(this.#inner, model, split, { ...options, per: per < 0 ? undefined : per })
      }
    return {
      ...scores,
      values: [...scores.values, ...properties],
      exampleScores: [...scores.exampleScores, ...properties.map(() => new Float32Array(0))],
    }
  }

  async close(): Promise<void> {
    this.#closeBases()
    await this.#inner.close()
  }

  /** What the weights and the recipe tell; 0 where there is something to measure. */
  #values(model: MergedModel): number[] {
    const compared = new Set(this.#properties.flatMap(one => (one.property === 'bytes' ? [] : (baseOf(one) ?? []))))
    const differences = new Map(
      [...compared].map(path => {
        const base = this.#bases.get(path)!
        const difference = new Difference()
        for (const [name, { shape, data }] of model.tensors) difference.add(data, base.read(name, shape))
        return [path, difference]
      }),
    )
    return this.#properties.map(options => {
      if (options.property === 'expert_modules') {
        if (model.recipe === undefined)
          throw new EvaluatorError('The property expert_modules needs the recipe of the model, and none came with it.')
        return countExpertModules(model.recipe, model.tensors)
      }
      if (options.property === 'latency') return 0
      if (options.property === 'bytes') return this.#bytes(model, options)
      const difference = differences.get(options.base)!
      if (options.property === 'changed_parameters') return difference.changedShare
      return options.property === 'distance' ? difference.distance : difference.relativeDistance
    })
  }

  #bytes({ tensors }: MergedModel, { base, dtype }: Extract<PropertyOptions, { property: 'bytes' }>): number {
    const written = dtype === undefined ? undefined : DTYPES[dtype]
    const dtypeOf = (name: string): WeightDtype => written ?? this.#context?.dtypes.get(name) ?? 'F32'
    const own = storedBytes(tensors, dtypeOf, base === undefined ? undefined : this.#bases.get(base))
    if (base !== undefined) return own
    return (this.#context?.others ?? []).reduce((sum, { data }) => sum + data.byteLength, own)
  }

  #closeBases(): void {
    for (const base of this.#bases.values()) base.close()
    this.#bases.clear()
  }
}
