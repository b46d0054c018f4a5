import { describe, expect, it } from 'vitest'
import { settingsOf } from '../../../src/merge/operators/apply.ts'
import { findOperator } from '../../../src/merge/operators/registry.ts'
import { frameMemoryBytes, TILE_SIZES } from '../../../src/merge/stream/tile-frame.ts'
import { define, relativeDifference, stream } from './fixture.ts'

const ROWS = 4_000
const COLUMNS = 256

function problem(name: string, rows: number) {
  const operator = findOperator(name)
  const based = operator.base !== 'none'
  const own = { weight: 0.5, density: 0.4, epsilon: 0.1, gamma: 0.02 }
  const values = (seed: number) =>
    Float32Array.from({ length: rows * COLUMNS }, (_, i) => Math.fround(Math.sin(i * seed) + (i % 977) / 977))
  const models = operator.models[1] === 1 ? [values(1.3)] : [values(1.3), values(2.7)]
  const coefficients = models.map(() =>
    Object.fromEntries(operator.coefficients.map(({ name: key }) => [key, own[key as keyof typeof own]])),
  )
  const known = operator.parameters.map(parameter => parameter.name)
  const parameters = Object.fromEntries(
    Object.entries({ t: 0.3, select_topk: 0.5 }).filter(([key]) => known.includes(key)),
  )
  return {
    operator,
    settings: settingsOf(operator, { parameters, coefficients, seed: 5 }, based, 'a test'),
    shape: [rows, COLUMNS],
    base: based ? values(0.9) : undefined,
    models,
    dtypes: ['BF16', 'BF16', 'BF16'] as const,
    written: 'BF16' as const,
  }
}

describe('the memory that a tensor is merged in', () => {
  it.each([
    ...['linear', 'task_arithmetic', 'slerp', 'ties', 'dare_ties', 'breadcrumbs', 'della'],
    ...['nearswap', 'ram', 'ramplus_tl', 'consensus', 'sce', 'arcee_fusion'],
  ])('%s: does not grow with the tensor, and is a few megabytes', name => {
    expect(stream(problem(name, ROWS / 8))!.merged).toBe(true)
    const before = frameMemoryBytes()
    const large = stream(problem(name, ROWS))!
    expect(large.merged).toBe(true)
    expect(frameMemoryBytes()).toBe(before)
    expect(before).toBeLessThan(8 << 20)
    expect(large.largestTransfer).toBeLessThanOrEqual(TILE_SIZES.tile * 2)
  })

  it('holds rows of any length, of which there may be one', () => {
    const { operator, settings } = problem('della', 1)
    for (const columns of [1, 5, 4_097]) {
      const [base, x] = [1, 2].map(seed =>
        Float32Array.from({ length: columns }, (_, i) => Math.fround(Math.sin(i * seed))),
      )
      const given = {
        operator,
        settings,
        shape: [1, columns],
        base: base!,
        models: [x!, x!],
        dtypes: ['F32', 'F32', 'F32'] as const,
      }
      expect(relativeDifference(stream(given)!.values, define(given))).toBeLessThan(1e-6)
    }
  })
})
