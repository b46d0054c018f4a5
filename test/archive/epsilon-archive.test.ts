import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEpsilonArchive } from '../../src/archive/epsilon-archive.ts'
import { lossesOf } from '../../src/objective.ts'
import { createRng } from '../../src/rng.ts'
import { gridObjectives } from '../contracts/archive-contract.ts'
import { failedTrial, scoredTrial } from '../helpers/trials.ts'

const rows = fc.array(fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 3, maxLength: 3 }), { maxLength: 40 })

describe('The epsilon archive', () => {
  it('holds for every trial ever added one that is worse by less than a box width everywhere', () => {
    fc.assert(
      fc.property(rows, values => {
        const objectives = gridObjectives(3)
        const archive = createEpsilonArchive(objectives, [5, 5, 5])
        for (const [id, row] of values.entries()) archive.add(scoredTrial(id, row))
        const held = [...archive].map(trial => lossesOf(trial.evaluation, objectives)!)
        for (const row of values) {
          const losses = lossesOf(scoredTrial(0, row).evaluation, objectives)!
          expect(held.some(h => h.every((loss, i) => loss < losses[i]! + 5))).toBe(true)
        }
        const boxes = held.map(losses => losses.map(loss => Math.floor(loss / 5)).join())
        expect(new Set(boxes).size).toBe(boxes.length)
      }),
    )
  })

  it('says truly what each add did, also when the boxes grow', () => {
    fc.assert(
      fc.property(rows, values => {
        const archive = createEpsilonArchive(gridObjectives(3), [1, 1, 1], 4)
        for (const [id, row] of values.entries()) {
          const before = [...archive].map(trial => trial.id)
          const result = archive.add(scoredTrial(id, row))
          const after = [...archive].map(trial => trial.id)
          expect(archive.size).toBe(after.length)
          expect(archive.size).toBeLessThanOrEqual(4)
          const gone = result.status === 'added' ? result.evicted : []
          const expected = result.status === 'added' ? [...before, id].filter(i => !gone.includes(i)) : before
          expect(after.sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b))
        }
      }),
    )
  })

  it('keeps to its capacity by doubling its boxes', () => {
    const archive = createEpsilonArchive(gridObjectives(3), [1e-6, 1e-6, 1e-6])
    const rng = createRng(1)
    for (let id = 0; id < 3000; id++) {
      const raw = [Math.abs(rng.normal()), Math.abs(rng.normal()), Math.abs(rng.normal())]
      const length = Math.hypot(...raw)
      archive.add(scoredTrial(id, [raw[0]! / length, -raw[1]! / length, raw[2]! / length]))
    }
    expect(archive.size).toBeLessThanOrEqual(1000)
    expect(archive.size).toBeGreaterThan(200)
    expect(Math.log2(archive.widths[0]! / 1e-6) % 1).toBeCloseTo(0)
    expect(archive.widths[0]).toBeGreaterThan(1e-6)
  })

  it('prefers the trial nearer to the best corner of a box, then the lower id', () => {
    const archive = createEpsilonArchive(gridObjectives(2), [10, 10]) // losses: cost, minus gain
    archive.add(scoredTrial(5, [4, -4]))
    expect(archive.add(scoredTrial(6, [1, -6]))).toEqual({ status: 'dominated', by: 5 })
    expect(archive.add(scoredTrial(7, [1, -5]))).toEqual({ status: 'added', evicted: [5] })
    expect(archive.add(scoredTrial(8, [1, -5]))).toEqual({ status: 'duplicate', by: 7 })
    expect(archive.add(scoredTrial(2, [1, -5]))).toEqual({ status: 'added', evicted: [7] })
    expect(archive.hypervolume()).toBe(0)
  })

  it('takes no failed trial and no value that is not finite, and refuses impossible widths', () => {
    const archive = createEpsilonArchive(gridObjectives(2), [1, 1])
    expect(archive.add(failedTrial(0, 'threw', 'no'))).toMatchObject({ status: 'ineligible' })
    expect(archive.add(scoredTrial(0, [1, Number.NaN]))).toEqual({ status: 'ineligible', reason: 'its gain 1 is NaN' })
    expect(() => createEpsilonArchive(gridObjectives(2), [1])).toThrow('Expected 2 positive box widths, got [1].')
    expect(() => createEpsilonArchive(gridObjectives(1), [1], 0)).toThrow('Expected a capacity of at least 1, got 0.')
    expect(() => createEpsilonArchive([], [])).toThrow('Expected at least one objective, got none.')
  })
})
