import { expect, it } from 'vitest'
import { createParetoArchive } from '../../src/archive/pareto-archive.ts'
import { createRng } from '../../src/rng.ts'
import { archiveContract, gridObjectives } from '../contracts/archive-contract.ts'
import { scoredTrial } from '../helpers/trials.ts'

archiveContract('The Pareto archive', createParetoArchive)

it('holds 100,000 trials of which none dominates another', () => {
  const n = 100_000
  const archive = createParetoArchive(gridObjectives(2))
  const rng = createRng(1)
  for (let id = 0; id < n; id++) {
    const x = rng.uniform()
    archive.add(scoredTrial(id, [x, x])) // cost x, gain x: a straight front
  }
  expect(archive.size).toBe(n)
  expect(archive.check()).toBeUndefined()
})

it('keeps the lowest id of trials with equal losses, and evicts a later one that came first', () => {
  const archive = createParetoArchive(gridObjectives(2))
  archive.add(scoredTrial(5, [1, 1]))
  expect(archive.add(scoredTrial(3, [1, 1]))).toEqual({ status: 'added', evicted: [5] })
  expect(archive.add(scoredTrial(4, [1, 1]))).toEqual({ status: 'duplicate', by: 3 })
})

it('can be changed while it is listed', () => {
  const archive = createParetoArchive(gridObjectives(2))
  archive.add(scoredTrial(0, [1, 1]))
  archive.add(scoredTrial(1, [2, 2]))
  const ids: number[] = []
  for (const trial of archive) {
    ids.push(trial.id)
    archive.add(scoredTrial(2, [0, 9]))
  }
  expect(ids).toEqual([0, 1])
})

it('refuses to be made without objectives', () => {
  expect(() => createParetoArchive([])).toThrow('Expected at least one objective, got none.')
})
