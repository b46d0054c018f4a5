import { describe, expect, it } from 'vitest'
import type { Genome } from '../../../src/candidate.ts'
import {
  climb,
  leafGenomes,
  levelGenomes,
  type Measured,
  passEvaluations,
  plantTree,
  restoreTree,
  type Tree,
  treeState,
} from '../../../src/strategies/map/nested.ts'
import { minimize, realDomain } from '../../problems/problem.ts'

const K = 5
const domain = realDomain(K, 0, 1)
const objectives = Array.from({ length: K }, (_, k) => minimize(`task${k}`, 1, 0))
const equal = objectives.map(() => 1 / K)
/** Task k wants its own source at 0.8 and suffers from the others, differently much. */
const losses = (c: Genome) =>
  Float64Array.from(objectives, (_, k) =>
    c.reduce((sum, v, i) => sum + (i === k ? 0.5 * (v - 0.8) ** 2 : (0.02 + 0.01 * k) * v ** 2), 0.05 * k),
  )

function measure(known: Measured, genomes: readonly Genome[]): Measured {
  return { genomes: [...known.genomes, ...genomes], losses: [...known.losses, ...genomes.map(losses)] }
}

function climbToTheTop(preference: readonly number[]) {
  let measured = measure({ genomes: [], losses: [] }, leafGenomes(domain))
  let tree: Tree = plantTree(domain, objectives, measured, preference)
  const levels = [tree]
  while (tree.pairs.length > 0) {
    measured = measure(measured, levelGenomes(domain, tree))
    tree = climb(domain, objectives, measured, tree, 'auto')
    levels.push(tree)
  }
  return { levels, root: tree.nodes[0]!, evaluations: measured.genomes.length }
}

describe('nested MAP', () => {
  it('halves the nodes from level to level, carrying an odd one up, and keeps every objective', () => {
    const { levels, root } = climbToTheTop(equal)
    expect(levels.map(({ nodes }) => nodes.length)).toEqual([5, 3, 2, 1])
    expect(levels.map(({ pairs }) => pairs.length)).toEqual([2, 1, 1, 0])
    for (const { nodes } of levels) {
      expect(nodes.flatMap(node => node.objectives).sort()).toEqual([0, 1, 2, 3, 4])
    }
    expect(root.objectives).toEqual([0, 1, 2, 3, 4])
  })

  it('gives each objective to the source that is best at it alone', () => {
    const { levels } = climbToTheTop(equal)
    expect(levels[0]!.nodes.map(node => node.objectives)).toEqual([[0], [1], [2], [3], [4]])
  })

  it('pairs the nodes that do about equally well', () => {
    const { levels } = climbToTheTop(equal)
    expect(levels[0]!.pairs).toEqual([
      [0, 1],
      [2, 3],
    ])
  })

  it('merges five sources into one that is better at the worst task than any source', () => {
    const { root, evaluations } = climbToTheTop(equal)
    expect(evaluations).toBeLessThanOrEqual(passEvaluations(K))
    const worst = (genome: Genome) => Math.max(...losses(genome))
    for (const leaf of leafGenomes(domain)) expect(worst(root.genome)).toBeLessThan(worst(leaf))
    expect(Math.min(...root.genome)).toBeGreaterThan(0.1)
  })

  it('follows the preference', () => {
    const towards = (k: number) => climbToTheTop(equal.map((w, i) => (i === k ? 20 * w : w))).root.genome
    expect(losses(towards(0))[0]).toBeLessThan(losses(towards(4))[0]!)
    expect(losses(towards(4))[4]).toBeLessThan(losses(towards(0))[4]!)
  })

  it('survives a snapshot', () => {
    for (const tree of climbToTheTop(equal).levels) {
      expect(restoreTree(JSON.parse(JSON.stringify(treeState(tree))), K)).toEqual(tree)
    }
  })

  it('goes on where sources have failed', () => {
    const none: Measured = { genomes: [], losses: [] }
    let tree = plantTree(domain, objectives, none, equal)
    for (let level = 0; tree.pairs.length > 0; level++) {
      expect(level).toBeLessThan(4)
      tree = climb(domain, objectives, none, tree, 'auto')
    }
    expect(tree.nodes).toHaveLength(1)
  })
})
