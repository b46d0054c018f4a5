import type { Domain } from '../candidate.ts'

/** Which genes of a genome matter: 1 active, 0 inactive (its condition does not hold, or its parent is inactive). Shape (d,). */
export type Activity = Uint8Array

/** The conditions of a domain, prepared for many genomes. */
export interface Conditions {
  /** Gene indices, every parent before the genes that depend on it. Shape (d,). */
  readonly order: readonly number[]
  /** Whether any gene has a condition. */
  readonly any: boolean
  /** Whether gene `i` is active, given the activity of the genes before it in `order`. */
  isActive(i: number, genome: ArrayLike<number>, activity: Activity): boolean
  activity(genome: ArrayLike<number>): Activity
}

/** A condition on a gene that the domain lacks counts as met; a circular one, which a space refuses, as met too. */
export function conditionsOf(domain: Domain): Conditions {
  const { genes } = domain
  const index = new Map(genes.map((gene, i) => [gene.name, i]))
  const parents = genes.map(gene => (gene.activeWhen === undefined ? undefined : index.get(gene.activeWhen.gene)))
  const allowed = genes.map(gene => new Set(gene.activeWhen?.oneOf))
  const order: number[] = []
  const placed = new Set<number>()
  const place = (i: number): void => {
    if (placed.has(i)) return
    placed.add(i)
    const parent = parents[i]
    if (parent !== undefined) place(parent)
    order.push(i)
  }
  genes.forEach((_, i) => {
    place(i)
  })

  const isActive = (i: number, genome: ArrayLike<number>, activity: Activity): boolean => {
    const parent = parents[i]
    return parent === undefined || (activity[parent] === 1 && allowed[i]!.has(genome[parent]!))
  }
  return {
    order,
    any: parents.some(parent => parent !== undefined),
    isActive,
    activity: genome => {
      const activity = new Uint8Array(genes.length).fill(1)
      for (const i of order) if (!isActive(i, genome, activity)) activity[i] = 0
      return activity
    },
  }
}
