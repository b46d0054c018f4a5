import type { Genome } from '../candidate.ts'
import type { MergeOperator } from '../merge/operators/operator.ts'
import { checkGenome } from './check-genome.ts'
import { type AffineValue, ON, type ParameterSource, type SpaceGroup, type SpaceLayout } from './layout.ts'
import { parametersOf } from './methods.ts'
import type { ParameterMerge, RecipeGroup } from './recipe.ts'
import type { Value } from './search-range.ts'

type Parameters = Record<string, Value>

/** Written in every recipe whose method has them, default or not: what they are differs from method to method. */
const ALWAYS_WRITTEN = ['normalize', 'lambda']

/** @throws {GenomeError} */
export function decodeGenome(layout: SpaceLayout, genome: Genome): ParameterMerge {
  checkGenome(layout.genes, genome)
  return new Decoder(layout, genome).recipe()
}

class Decoder {
  readonly #layout: SpaceLayout
  readonly #genome: Genome
  /** Sources that are switched off; none where all are. */
  readonly #off: ReadonlySet<string>
  /** All switched off: weights do not matter, the initial ones hold. */
  readonly #none: boolean

  constructor(layout: SpaceLayout, genome: Genome) {
    this.#layout = layout
    this.#genome = genome
    const off = layout.subset ? layout.sources.filter(source => this.#gene(`subset/${source}`) !== ON) : []
    this.#none = layout.subset && off.length === layout.sources.length
    this.#off = new Set(this.#none ? [] : off)
  }

  recipe(): ParameterMerge {
    const { base, sources, groups, methods } = this.#layout
    const chosen = groups.map(group => this.#method(group))
    const first = chosen[0]!
    const seeded = chosen.some(({ random }) => random) ? this.#layout.parameters.get('seed') : undefined
    return {
      kind: 'parameter-merge',
      method: first.name,
      base: chosen.some(method => method.base !== 'none') ? base : undefined,
      sources,
      parameters: { ...this.#parameters(first), ...(seeded && { seed: this.#parameter(seeded) }) },
      groups: groups.map((group, g) => {
        const method = chosen[g]!
        const other = method !== first
        const own = { ...(other && this.#parameters(method)), ...this.#groupParameters(method, group) }
        const hasOwn = Object.keys(own).length > 0
        return {
          layers: group.layers,
          ...(group.filter === undefined ? {} : { filter: group.filter }),
          ...(other && methods.length > 1 && { method: method.name }),
          ...(hasOwn && { parameters: own }),
          coefficients: this.#coefficients(method, group),
        }
      }),
    }
  }

  #gene(name: string): number {
    return this.#genome[this.#layout.position.get(name)!]!
  }

  #method(group: SpaceGroup): MergeOperator {
    const { methods, methodPerGroup } = this.#layout
    if (methodPerGroup) return methods[group.method === undefined ? 0 : this.#gene(group.method)]!
    return methods[methods.length > 1 ? this.#gene('method') : 0]!
  }

  /** Of the whole model, those of them that a method has; the seed belongs to the recipe. */
  #parameters(method: MergeOperator): Parameters {
    const { parameters, groups } = this.#layout
    const written: Parameters = {}
    for (const { name, default: fallback } of method.parameters) {
      const source = parameters.get(name)
      if (source !== undefined) written[name] = this.#parameter(source)
      else if (ALWAYS_WRITTEN.includes(name) && !groups[0]!.parameters.has(name)) written[name] = fallback!
    }
    return written
  }

  #groupParameters(method: MergeOperator, group: SpaceGroup): Parameters {
    const written: Parameters = {}
    for (const { name } of parametersOf(method)) {
      const source = group.parameters.get(name)
      if (source !== undefined) written[name] = this.#parameter(source)
    }
    return written
  }

  #parameter(source: ParameterSource): Value {
    if ('value' in source) return source.value
    if ('affine' in source) return this.#number(source.affine)
    const value = this.#gene(source.gene)
    return source.choices === undefined ? value : source.choices[value]!
  }

  #coefficients(method: MergeOperator, group: SpaceGroup): RecipeGroup['coefficients'] {
    return Object.fromEntries(
      this.#layout.sources.map(source => {
        const values = group.coefficients.get(source)!
        const written: Record<string, number> = {}
        for (const { name } of method.coefficients) {
          const value = values.get(name)
          if (value === undefined) continue
          written[name] = name === 'weight' && this.#off.has(source) ? 0 : this.#number(value, this.#none)
        }
        return [source, written]
      }),
    )
  }

  #number({ constant, terms }: AffineValue, initial = false): number {
    const { genes, position } = this.#layout
    const current = (gene: string) => (initial ? genes[position.get(gene)!]!.initial : this.#gene(gene))
    return terms.reduce((sum, term) => sum + term.factor * current(term.gene), constant)
  }
}
