import type { Genome } from '../candidate.ts'
import { mlMatrix } from '../numerics/ml-matrix.ts'

/** One number of a recipe that genes explain: value = Σ factor · gene. At least one term. */
export interface Equation {
  readonly terms: readonly { readonly gene: number; readonly factor: number }[]
  readonly value: number
}

/** Least squares over all equations, in place; among equally good genomes the one nearest to what `genome` holds on entry. */
export function solveEquations(equations: readonly Equation[], genome: Genome): void {
  for (const system of independentSystems(equations)) solve(system, genome)
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

function solve(system: readonly Equation[], genome: Genome): void {
  const genes = [...new Set(system.flatMap(equation => equation.terms.map(term => term.gene)))]
  if (genes.length === 1 && system.every(equation => equation.terms[0]!.factor === 1)) {
    genome[genes[0]!] = mean(system.map(equation => equation.value))
    return
  }
  const column = new Map(genes.map((gene, i) => [gene, i]))
  const { Matrix, SVD } = mlMatrix()
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
export function mean(values: readonly number[]): number {
  const first = values[0]!
  return values.every(value => value === first) ? first : values.reduce((sum, value) => sum + value, 0) / values.length
}
