import { Matrix, SVD } from 'ml-matrix'
import type { Genome } from '../candidate.ts'
import { GenomeError, MergeError, show } from '../errors.ts'
import { selectGroup } from './layer-groups.ts'
import type { SpaceLayout } from './layout.ts'
import { canonicalJson, type ParameterMerge, type Recipe } from './recipe.ts'
import { searchableMethod } from './searchable-methods.ts'

/** How far, relative to a gene's range, a coefficient may lie outside it: rounding of values that went through decimal text. */
const TOLERANCE = 1e-9

/** One recipe coefficient that genes explain: value = Σ factor · gene. */
interface Equation {
  readonly terms: readonly { readonly gene: number; readonly factor: number }[]
  readonly value: number
}

/**
 * The genome whose recipe is nearest to `recipe`: exact where each coefficient has a gene of its own, least squares over the
 * space's coefficients where genes are shared or interpolated. Groups of the recipe need not be those of the space: a coefficient
 * of the space is the mean of the recipe's over the tensors it governs.
 * @throws {GenomeError} if the recipe is of other models, or has a coefficient that no genome of the space reaches.
 */
export function encodeRecipe(layout: SpaceLayout, recipe: Recipe): Genome {
  if (recipe.kind !== 'parameter-merge') {
    throw new GenomeError('Expected a recipe whose weights belong to whole tensors, got one of pieces.', {
      hint: 'A recipe of pieces can start a search whose genome section says "pieces".',
    })
  }
  const genome = Float64Array.from(layout.genes, gene => gene.initial)
  encodeGlobals(layout, recipe, genome)

  const select = selectGroup(recipe.groups, layout.index)
  const equations: Equation[] = []
  for (const group of layout.groups) {
    const chosen = group.tensors.map(name => recipe.groups[selectOrRefuse(select, name)]!)
    for (const [source, weight] of group.weights) {
      const values = chosen.map(from => {
        const value = from.coefficients[source]?.weight
        if (value === undefined) {
          throw new GenomeError(
            `Expected the recipe to have a weight of ${show(source)} for tensor ${show(group.tensors[0])}, but it has none.`,
          )
        }
        return value
      })
      const value = mean(values)
      const reach = [weight.constant, weight.constant]
      const terms = weight.terms.map(({ gene, factor }) => {
        const position = layout.position.get(gene)!
        const bounds = layout.genes[position]!
        if (bounds.kind !== 'real') throw new TypeError(`Weights have real genes, ${gene} is ${bounds.kind}.`)
        reach[0]! += factor * bounds.low
        reach[1]! += factor * bounds.high
        return { gene: position, factor }
      })
      const slack = TOLERANCE * Math.max(1, reach[1]! - reach[0]!)
      if (!(value >= reach[0]! - slack && value <= reach[1]! + slack)) {
        const found = `got ${value} for ${show(source)} in tensor ${show(group.tensors[0])}`
        throw new GenomeError(
          terms.length === 0
            ? `Expected the frozen weight ${weight.constant}, ${found}.`
            : `Expected a weight in [${reach[0]}, ${reach[1]}], ${found}.`,
        )
      }
      if (terms.length > 0) equations.push({ terms, value: value - weight.constant })
    }
  }

  for (const system of independentSystems(equations)) solve(system, genome)
  layout.genes.forEach((gene, i) => {
    if (gene.kind === 'real') genome[i] = Math.min(gene.high, Math.max(gene.low, genome[i]!))
  })
  return genome
}

function selectOrRefuse(select: (name: string) => number, name: string): number {
  try {
    return select(name)
  } catch (error) {
    if (error instanceof MergeError) throw new GenomeError(error.message, { cause: error })
    throw error
  }
}

/** Method, base, sources and parameters: must be the space's, or the value of a global gene. */
function encodeGlobals(layout: SpaceLayout, recipe: ParameterMerge, genome: Genome): void {
  const differ = (what: string, required: unknown, found: unknown): never => {
    throw new GenomeError(`Expected a recipe with ${what} ${show(required)}, got ${show(found)}.`, {
      hint: 'A recipe can only start a search over the same models with the same method.',
    })
  }
  const choice = layout.methods.indexOf(recipe.method)
  if (choice < 0) differ('the method', layout.methods.join(' or '), recipe.method)
  const method = searchableMethod(recipe.method)!
  const base = method.needsBase ? layout.base : undefined
  if (method.needsBase && recipe.base !== base) differ('the base', base, recipe.base)
  if (canonicalJson(recipe.sources) !== canonicalJson(layout.sources))
    differ('the sources', layout.sources, recipe.sources)
  const normalize = layout.normalize ?? method.normalize
  const found = recipe.parameters.normalize ?? method.normalize
  if (found !== normalize) differ('normalize', normalize, found)
  if (layout.methods.length > 1) genome[layout.position.get('method')!] = choice
  if (method.hasLambda) {
    const lambda = recipe.parameters.lambda ?? 1
    const gene = layout.genes[layout.position.get('lambda') ?? -1]
    if (gene?.kind === 'real') {
      if (typeof lambda !== 'number' || lambda < gene.low || lambda > gene.high)
        differ('lambda in', [gene.low, gene.high], lambda)
      genome[layout.position.get('lambda')!] = Number(lambda)
    } else if (lambda !== layout.lambda) differ('lambda', layout.lambda, lambda)
  }
}

/** Splits the equations into systems that have no gene in common, so that thousands of genes never meet in one matrix. */
function independentSystems(equations: readonly Equation[]): Equation[][] {
  const parent = new Map<number, number>()
  const rootOf = (gene: number): number => {
    let root = gene
    while (parent.has(root)) root = parent.get(root)!
    return root
  }
  for (const { terms } of equations) {
    for (const { gene } of terms.slice(1)) {
      const [a, b] = [rootOf(terms[0]!.gene), rootOf(gene)]
      if (a !== b) parent.set(b, a)
    }
  }
  const systems = new Map<number, Equation[]>()
  for (const equation of equations) {
    const root = rootOf(equation.terms[0]!.gene)
    const system = systems.get(root)
    if (system) system.push(equation)
    else systems.set(root, [equation])
  }
  return [...systems.values()]
}

/** Least squares; among equally good genomes the one nearest to the initial one, which `genome` holds on entry. */
function solve(system: readonly Equation[], genome: Genome): void {
  const genes = [...new Set(system.flatMap(equation => equation.terms.map(term => term.gene)))]
  if (genes.length === 1 && system.every(equation => equation.terms[0]!.factor === 1)) {
    genome[genes[0]!] = mean(system.map(equation => equation.value))
    return
  }
  const column = new Map(genes.map((gene, i) => [gene, i]))
  const A = Matrix.zeros(system.length, genes.length)
  const residual = Matrix.zeros(system.length, 1)
  system.forEach(({ terms, value }, row) => {
    let explained = 0
    for (const { gene, factor } of terms) {
      A.set(row, column.get(gene)!, factor)
      explained += factor * genome[gene]!
    }
    residual.set(row, 0, value - explained)
  })
  const step = new SVD(A, { autoTranspose: true }).solve(residual)
  genes.forEach((gene, i) => {
    genome[gene]! += step.get(i, 0)
  })
}

/** Exact where all values are equal, so that what decode wrote comes back bit by bit. */
function mean(values: readonly number[]): number {
  const first = values[0]!
  return values.every(value => value === first) ? first : values.reduce((sum, value) => sum + value, 0) / values.length
}
