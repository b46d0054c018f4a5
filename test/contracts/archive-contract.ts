import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Archive } from '../../src/archive/archive.ts'
import { dominates } from '../../src/archive/dominance.ts'
import { hypervolume } from '../../src/archive/hypervolume.ts'
import type { Trial } from '../../src/candidate.ts'
import { lossesOf, type Objective, referencePoint } from '../../src/objective.ts'
import { failedTrial, scoredTrial } from '../helpers/trials.ts'

/** Objectives of mixed directions: a flipped sign anywhere shows. Values on a small grid make ties and duplicates common. */
export function gridObjectives(m: number): Objective[] {
  return Array.from({ length: m }, (_, i) =>
    i % 2 === 0
      ? { name: `cost ${i}`, direction: 'minimize', unit: 'grid', reference: 7 }
      : { name: `gain ${i}`, direction: 'maximize', unit: 'grid', reference: -1 },
  )
}

const trialsOn = (m: number) =>
  fc
    .array(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: m, maxLength: m }), { maxLength: 40 })
    .map(rows => rows.map((values, id) => scoredTrial(id, values)))

/** What every archive must do, whatever keeps it. */
export function archiveContract(name: string, create: (objectives: readonly Objective[]) => Archive): void {
  const losses = (trial: Trial, m: number) => lossesOf(trial.evaluation, gridObjectives(m))!

  describe(`${name} keeps the archive contract`, () => {
    for (const m of [1, 2, 3, 4]) {
      it(`holds exactly the trials that no other dominates, one of each set of equals, for ${m} objectives`, () => {
        fc.assert(
          fc.property(trialsOn(m), trials => {
            const archive = create(gridObjectives(m))
            for (const trial of trials) archive.add(trial)
            const expected = trials.filter(
              t =>
                !trials.some(
                  o =>
                    dominates(losses(o, m), losses(t, m)) ||
                    (o.id < t.id && losses(o, m).every((loss, i) => loss === losses(t, m)[i])),
                ),
            )
            expect([...archive].map(t => t.id).sort((a, b) => a - b)).toEqual(expected.map(t => t.id))
            expect(archive.size).toBe(expected.length)
          }),
        )
      })

      it(`lists the same trials in the same order whatever the order of adds, for ${m} objectives`, () => {
        fc.assert(
          fc.property(
            trialsOn(m).chain(trials =>
              fc.tuple(
                fc.constant(trials),
                fc.shuffledSubarray(trials, { minLength: trials.length, maxLength: trials.length }),
              ),
            ),
            ([trials, shuffled]) => {
              const [one, other] = [create(gridObjectives(m)), create(gridObjectives(m))]
              for (const trial of trials) one.add(trial)
              for (const trial of shuffled) other.add(trial)
              expect([...other]).toEqual([...one])
              expect(other.hypervolume()).toBe(one.hypervolume())
            },
          ),
        )
      })

      it(`never loses hypervolume by an add, and says truly what each add did, for ${m} objectives`, () => {
        fc.assert(
          fc.property(trialsOn(m), trials => {
            const archive = create(gridObjectives(m))
            for (const trial of trials) {
              const before = new Map([...archive].map(t => [t.id, t]))
              const volume = archive.hypervolume()
              const result = archive.add(trial)
              const after = new Set([...archive].map(t => t.id))
              expect(archive.hypervolume()).toBeGreaterThanOrEqual(volume)
              const points = [...archive].map(t => losses(t, m))
              expect(archive.hypervolume()).toBe(hypervolume(points, referencePoint(gridObjectives(m))))
              if (result.status === 'added') {
                expect(after.has(trial.id)).toBe(true)
                expect([...before.keys()].filter(id => !after.has(id)).sort((a, b) => a - b)).toEqual(result.evicted)
              } else {
                expect(after).toEqual(new Set(before.keys()))
                if (result.status === 'dominated')
                  expect(dominates(losses(before.get(result.by)!, m), losses(trial, m))).toBe(true)
                if (result.status === 'duplicate') expect(losses(before.get(result.by)!, m)).toEqual(losses(trial, m))
              }
            }
          }),
        )
      })
    }

    it('takes no failed trial, and says why', () => {
      const archive = create(gridObjectives(2))
      expect(archive.add(failedTrial(0, 'threw', 'no such tensor'))).toEqual({
        status: 'ineligible',
        reason: 'its evaluation failed (threw): no such tensor',
      })
      expect(archive.size).toBe(0)
      expect(archive.hypervolume()).toBe(0)
    })

    it('takes no value that is not finite, and names the objective', () => {
      const archive = create(gridObjectives(2))
      for (const value of [Number.NaN, Infinity, -Infinity])
        expect(archive.add(scoredTrial(0, [1, value]))).toEqual({
          status: 'ineligible',
          reason: `its gain 1 is ${value}`,
        })
      expect(archive.size).toBe(0)
    })

    it('takes no trial with another number of values', () => {
      expect(create(gridObjectives(2)).add(scoredTrial(0, [1]))).toEqual({
        status: 'ineligible',
        reason: 'it has 1 values for 2 objectives',
      })
    })

    it('keeps a trial that is worse than the reference, which adds nothing to the hypervolume', () => {
      const archive = create(gridObjectives(2))
      archive.add(scoredTrial(0, [8, 5]))
      expect(archive.size).toBe(1)
      expect(archive.hypervolume()).toBe(0)
    })

    it('measures in loss space: a gain counts upwards from its reference', () => {
      const archive = create(gridObjectives(2)) // references: cost 7, gain -1
      archive.add(scoredTrial(0, [4, 3]))
      archive.add(scoredTrial(1, [5, 5]))
      expect(archive.hypervolume()).toBe(3 * 4 + 2 * 2)
    })
  })
}
