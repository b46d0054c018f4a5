import type { Genome } from '../candidate.ts'
import { GenomeError, MergeError, show } from '../errors.ts'
import type { MergeOperator, OperatorParameter } from '../merge/operators/operator.ts'
import { selectGroup } from './layer-groups.ts'
import { type AffineValue, ON, type ParameterSource, type SpaceGroup, type SpaceLayout } from './layout.ts'
import { type Equation, mean, solveEquations } from './least-squares.ts'
import { parametersOf } from './methods.ts'
import { canonicalJson, type ParameterMerge, type Recipe, type RecipeGroup } from './recipe.ts'
import type { Value } from './search-range.ts'

/** How far, relative to a gene's range, a coefficient may lie outside it: rounding of values that went through decimal text. */
const TOLERANCE = 1e-9

const HINT = 'A recipe can only start a search over the same models with the same method.'

/**
 * The genome whose recipe is nearest to `recipe`: exact where each number has a gene of its own, least squares over the space's
 * numbers where genes are shared or interpolated. Groups of the recipe need not be those of the space: a number of the space is the
 * mean of the recipe's over the tensors it governs, a method or word the one that most of them have.
 * @throws {GenomeError} if the recipe is of other models, or has a value that no genome of the space reaches.
 */
export function encodeRecipe(layout: SpaceLayout, recipe: Recipe): Genome {
  if (recipe.kind !== 'parameter-merge') {
    throw new GenomeError('Expected a recipe whose weights belong to whole tensors, got one of pieces.', {
      hint: 'A recipe of pieces can start a search whose genome section says "pieces".',
    })
  }
  return new Encoder(layout, recipe).genome()
}

class Encoder {
  readonly #layout: SpaceLayout
  readonly #recipe: ParameterMerge
  readonly #genome: Genome
  readonly #equations: Equation[] = []
  /** Integer and categorical genes of the whole model get a vote of every group. */
  readonly #votes = new Map<number, number[]>()
  readonly #off = new Set<string>()

  constructor(layout: SpaceLayout, recipe: ParameterMerge) {
    this.#layout = layout
    this.#recipe = recipe
    this.#genome = Float64Array.from(layout.genes, gene => gene.initial)
  }

  genome(): Genome {
    const { groups, genes, index, sources } = this.#layout
    const recipe = this.#recipe
    this.#checkModels()
    if (this.#layout.subset) this.#switchOff()
    const select = selectGroup(recipe.groups, index)
    for (const group of groups) {
      const governing = group.tensors.map(name => recipe.groups[selectOrRefuse(select, name)]!)
      const method = this.#method(group, mostFrequent(governing.map(from => from.method ?? recipe.method)))
      const chosen = governing.filter(from => (from.method ?? recipe.method) === method.name)
      if (method.base !== 'none' && recipe.base !== this.#layout.base) {
        throw differ('the base', this.#layout.base, recipe.base)
      }
      for (const parameter of parametersOf(method)) {
        this.#parameter(method, group, parameter, chosen)
      }
      for (const source of sources) this.#coefficients(method, group, source, chosen)
    }
    for (const [gene, values] of this.#votes) this.#genome[gene] = mostFrequent(values)
    solveEquations(this.#equations, this.#genome)
    genes.forEach((gene, i) => {
      if (gene.kind === 'real') this.#genome[i] = Math.min(gene.high, Math.max(gene.low, this.#genome[i]!))
    })
    return this.#genome
  }

  #checkModels(): void {
    const { sources, methods } = this.#layout
    const known = methods.map(({ name }) => name)
    for (const name of [this.#recipe.method, ...this.#recipe.groups.flatMap(group => group.method ?? [])]) {
      if (!known.includes(name)) throw differ('the method', known.join(' or '), name)
    }
    if (canonicalJson(this.#recipe.sources) !== canonicalJson(sources)) {
      throw differ('the sources', sources, this.#recipe.sources)
    }
  }

  /** Sources without a weight anywhere; none of them where that is all of them. */
  #switchOff(): void {
    const { sources, position } = this.#layout
    const off = sources.filter(source => {
      const weights = this.#recipe.groups.flatMap(group => group.coefficients[source]?.weight ?? [])
      return weights.length > 0 && weights.every(weight => weight === 0)
    })
    if (off.length === sources.length) return
    for (const source of off) {
      this.#off.add(source)
      this.#genome[position.get(`subset/${source}`)!] = 1 - ON
    }
  }

  #method(group: SpaceGroup, name: string): MergeOperator {
    const { methods, methodPerGroup, position } = this.#layout
    const choice = methods.findIndex(method => method.name === name)
    const gene = methodPerGroup ? group.method : methods.length > 1 ? 'method' : undefined
    if (gene !== undefined) this.#vote(position.get(gene)!, choice)
    else if (choice !== 0) throw differ(`the method in ${groupName(group)}`, methods[0]!.name, name)
    return methods[choice]!
  }

  #vote(gene: number, value: number): void {
    this.#votes.set(gene, [...(this.#votes.get(gene) ?? []), value])
  }

  #parameter(
    method: MergeOperator,
    group: SpaceGroup,
    parameter: OperatorParameter,
    governing: readonly RecipeGroup[],
  ): void {
    const { name } = parameter
    const source: ParameterSource | undefined =
      group.parameters.get(name) ?? this.#layout.parameters.get(name) ?? held(parameter)
    if (source === undefined) throw new TypeError(`${method.name} has no ${name}, and no gene for it.`)
    const found = governing.map(from => {
      const value = this.#given(from, name) ?? parameter.default
      if (value === undefined) throw new GenomeError(`Expected the recipe to have a ${name}, but it has none.`)
      return value
    })
    if ('value' in source) {
      const other = found.find(value => value !== source.value)
      if (other !== undefined) throw differ(name, source.value, other)
    } else if ('affine' in source) {
      const numbers = found.map(value => {
        if (typeof value === 'number') return value
        throw differ(name, 'a number', value)
      })
      const value = mean(numbers)
      const { reach, inside } = this.#explain(source.affine, value)
      if (!inside) throw differ(`${name} in`, reach, value)
    } else {
      const value = mostFrequent(found)
      const gene = this.#layout.position.get(source.gene)!
      const bounds = this.#layout.genes[gene]!
      const choice = source.choices === undefined ? Number(value) : source.choices.indexOf(value)
      const [low, high] = bounds.kind === 'integer' ? [bounds.low, bounds.high] : [0, Number.POSITIVE_INFINITY]
      if (!(choice >= low && choice <= high)) throw differ(`${name} in`, source.choices ?? [low, high], value)
      this.#vote(gene, choice)
    }
  }

  /** Groups with a method of their own do not have the recipe's parameters, but its seed. */
  #given(from: RecipeGroup, name: string): Value | undefined {
    const own = from.parameters?.[name]
    return own ?? (from.method === undefined || name === 'seed' ? this.#recipe.parameters[name] : undefined)
  }

  #coefficients(method: MergeOperator, group: SpaceGroup, source: string, governing: readonly RecipeGroup[]): void {
    for (const { name, default: fallback } of method.coefficients) {
      if (name === 'weight' && this.#off.has(source)) continue
      const where = `for ${show(source)} in tensor ${show(group.tensors[0])}`
      const values = governing.map(from => {
        const value = from.coefficients[source]?.[name] ?? fallback
        if (value !== undefined) return value
        throw new GenomeError(
          `Expected the recipe to have a ${name} of ${show(source)} for tensor ${show(group.tensors[0])}, but it has none.`,
        )
      })
      const value = mean(values)
      const affine = group.coefficients.get(source)!.get(name) ?? { constant: fallback!, terms: [] }
      const { reach, inside } = this.#explain(affine, value)
      if (inside) continue
      throw new GenomeError(
        affine.terms.length === 0
          ? `Expected the frozen ${name} ${affine.constant}, got ${value} ${where}.`
          : `Expected a ${name} in [${reach[0]}, ${reach[1]}], got ${value} ${where}.`,
      )
    }
  }

  /** Adds the equation of a number; `inside`: whether genes inside their bounds reach it. */
  #explain({ constant, terms }: AffineValue, value: number): { reach: [number, number]; inside: boolean } {
    const reach: [number, number] = [constant, constant]
    const known = terms.map(({ gene, factor }) => {
      const position = this.#layout.position.get(gene)!
      const bounds = this.#layout.genes[position]!
      if (bounds.kind !== 'real') throw new TypeError(`Numbers have real genes, ${gene} is ${bounds.kind}.`)
      reach[0] += factor * bounds.low
      reach[1] += factor * bounds.high
      return { gene: position, factor }
    })
    if (known.length > 0) this.#equations.push({ terms: known, value: value - constant })
    const slack = TOLERANCE * Math.max(1, reach[1] - reach[0])
    return { reach, inside: value >= reach[0] - slack && value <= reach[1] + slack }
  }
}

function held({ default: value }: OperatorParameter): ParameterSource | undefined {
  return value === undefined ? undefined : { value }
}

function differ(what: string, required: unknown, found: unknown): GenomeError {
  return new GenomeError(`Expected a recipe with ${what} ${show(required)}, got ${show(found)}.`, { hint: HINT })
}

function groupName({ layers, filter }: SpaceGroup): string {
  const where = typeof layers === 'string' ? layers : `layers [${layers.join(', ')})`
  return filter === undefined ? where : `${where}, filter ${show(filter)}`
}

function selectOrRefuse(select: (name: string) => number, name: string): number {
  try {
    return select(name)
  } catch (error) {
    if (error instanceof MergeError) throw new GenomeError(error.message, { cause: error })
    throw error
  }
}

/** Of equally frequent ones the first. */
function mostFrequent<T>(values: readonly T[]): T {
  const counts = new Map<T, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0]
}
