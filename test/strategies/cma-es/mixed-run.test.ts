import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Gene } from '../../../src/candidate.ts'
import { decodeFloat64 } from '../../../src/numerics/float-codec.ts'
import { CmaEsRun } from '../../../src/strategies/cma-es/cma-es-run.ts'
import { Genotype } from '../../../src/strategies/cma-es/genotype.ts'
import { MixedRun } from '../../../src/strategies/cma-es/mixed-run.ts'
import { cmaesConstants, fixtureNumbers } from './reference.ts'

const fixture = z
  .object({
    states: z.array(
      z.object({
        generation: z.number(),
        mean: z.array(z.number()),
        sigma: z.number(),
        covariance: z.array(z.array(z.number())),
        scales: z.array(z.number()),
        probabilities: z.array(z.array(z.number())),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL('../../fixtures/cma-es/catcmawm.json', import.meta.url), 'utf8')))

describe('MixedRun', () => {
  it('goes through the same states as CatCMAwM of cmaes on integer and categorical genes given the same samples', () => {
    const lambda = 8
    const cells = 41
    const choices = [3, 4]
    const genes: readonly Gene[] = [
      ...['a', 'b', 'c'].map((name): Gene => ({ kind: 'integer', name, low: -20, high: 20, initial: 0 })),
      { kind: 'categorical', name: 'd', choices: ['0', '1', '2'], initial: 0 },
      { kind: 'categorical', name: 'e', choices: ['0', '1', '2', '3'], initial: 0 },
    ]
    const genotype = new Genotype({ genes, initial: new Float64Array(5) }, 'transform')
    const start = Float64Array.of(-2, 5, 10).map(v => (v + 20.5) / cells)
    const run = new CmaEsRun(start, 1.5 / cells, cmaesConstants(3, lambda))
    const settings = { active: true, sampling: 'independent', boundary: 'transform' } as const
    const mixed = new MixedRun(genotype, { covariance: 'full', run }, settings)
    const loss = (x: Float64Array): number =>
      [3, -7, 1].reduce((sum, best, i) => sum + 10 ** i * (x[i]! - best) ** 2, 0) +
      1.5 * ((x[3]! - 2) ** 2 + (x[4]! - 1) ** 2) +
      0.01 * (x[3]! + x[0]!)

    const draw = fixtureNumbers()
    const expected = new Map(fixture.states.map(state => [state.generation, state]))
    for (let generation = 1; generation <= 40; generation++) {
      const axes = Array.from({ length: 3 }, (_, k) => {
        const axis = run.axis(k)
        return axis.map(v => v / Math.hypot(...axis))
      })
      const samples = Array.from({ length: lambda }, () => {
        const symmetric = Float64Array.from({ length: 3 }, () => draw.next().value)
        const chosen = choices.map(count => Math.floor((count * (draw.next().value + 3.5)) / 7))
        const rotated = Float64Array.from(axes, axis => axis.reduce((sum, v, i) => sum + v * symmetric[i]!, 0))
        return { z: rotated, choices: chosen, injected: false }
      })
      mixed.learn(
        samples,
        samples.map(sample => loss(mixed.genome(sample))),
        0,
      )
      const state = expected.get(generation)
      if (state === undefined) continue
      expected.delete(generation)
      const view = mixed.view()
      const snapshot = mixed.snapshot()
      const close = (actual: number, wanted: number): void =>
        expect(Math.abs(actual - wanted), `generation ${generation}, ${actual} for ${wanted}`).toBeLessThan(
          1e-9 * Math.max(1, Math.abs(wanted)),
        )
      close(view.sigma * cells, state.sigma)
      const scales = decodeFloat64(snapshot.margin!.scales)
      for (let i = 0; i < 3; i++) {
        close(view.mean[i]! * cells - 20.5, state.mean[i]!)
        close(scales[i]!, state.scales[i]!)
        close(view.deviation(i) * cells, state.sigma * state.scales[i]! * Math.sqrt(state.covariance[i]![i]!))
      }
      for (const [i, wanted] of state.probabilities.entries()) {
        const q = decodeFloat64(snapshot.categories!.probabilities[i]!)
        for (const [k, p] of wanted.entries()) close(q[k]!, p)
      }
    }
    expect(expected.size).toBe(0)
  })
})
