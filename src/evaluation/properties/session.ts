import { EvaluatorError } from '../../errors.ts'
import type { EvaluatorSession, MergedModel, Scores, Split } from '../evaluator.ts'
import { type ExampleRange, rangesToScore } from '../example-range.ts'
import { BaseWeights } from './base-weights.ts'
import { Difference } from './difference.ts'
import { countExpertModules } from './expert-modules.ts'
import type { PropertyOptions } from './options.ts'

/** A session whose objectives are another's, followed by properties, which have no examples. */
export class PropertySession implements EvaluatorSession {
  readonly #inner: EvaluatorSession
  readonly #properties: readonly PropertyOptions[]
  readonly #bases = new Map<string, BaseWeights>()

  /**
   * @param names tensors of the candidates, where they are known
   * @throws {AmalgamError} where a base cannot be opened or lacks a tensor
   */
  constructor(inner: EvaluatorSession, properties: readonly PropertyOptions[], names: Iterable<string>) {
    this.#inner = inner
    this.#properties = properties
    const tensors = [...names]
    try {
      for (const options of properties) {
        if (!('base' in options) || this.#bases.has(options.base)) continue
        const base = new BaseWeights(options.base)
        this.#bases.set(options.base, base)
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

  async score(model: MergedModel, split: Split, ranges?: readonly ExampleRange[]): Promise<Scores> {
    const own = this.exampleCount(split).length - this.#properties.length
    if (ranges !== undefined) rangesToScore(ranges, this.exampleCount(split))
    const properties = this.#values(model) // first: the views are the candidate's only until the evaluator answers
    const scores = await this.#inner.score(model, split, ranges?.slice(0, own))
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

  #values(model: MergedModel): number[] {
    const differences = new Map(
      [...this.#bases].map(([path, base]) => {
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
      const difference = differences.get(options.base)!
      if (options.property === 'changed_parameters') return difference.changedShare
      return options.property === 'distance' ? difference.distance : difference.relativeDistance
    })
  }

  #closeBases(): void {
    for (const base of this.#bases.values()) base.close()
    this.#bases.clear()
  }
}
