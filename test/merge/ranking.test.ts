import { expect, it } from 'vitest'
import type { PreparedMemory } from '../../src/merge/fast/prepared.ts'
import { createMerger } from '../../src/merge/merge.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'
import { bits, gen, saveModels, temporaryFolders, tensor } from './fixture.ts'

const newFolder = temporaryFolders()
const ELEMENTS = (1 << 18) + 21
const ROUNDS = 7

/** Many equal magnitudes, so that positions decide at the bounds. */
const base = gen(1, ELEMENTS)
const models = Object.fromEntries(
  ['base', 'a', 'b'].map((id, m) => {
    const delta = gen(10 + m, ELEMENTS).map(value => (m === 0 ? 0 : Math.round(value * 4096) / 65_536))
    return [
      id,
      {
        w: tensor(
          base.map((own, i) => own + delta[i]!),
          [ELEMENTS],
        ),
      },
    ]
  }),
)

const recipe = (method: string, round: number): ParameterMerge => ({
  kind: 'parameter-merge',
  method,
  base: 'base',
  sources: ['a', 'b'],
  parameters: { rescale: true },
  groups: [
    {
      layers: 'all',
      coefficients: Object.fromEntries(
        ['a', 'b'].map((id, m) => [
          id,
          {
            weight: 0.5 + 0.1 * m,
            density: 0.3 + 0.05 * round + 0.02 * m,
            ...(method.startsWith('breadcrumbs') && { gamma: 0.01 * (1 + round) }),
          },
        ]),
      ),
    },
  ],
})

/** How many entries of the directory are ready, see `fast/prepared.ts`. */
function readyEntries({ directory }: PreparedMemory): number {
  const [words, fields] = [new Int32Array(directory), 10]
  const first = words.length - 2 ** 16 * fields
  return Array.from({ length: words[3]! }, (_, e) => words[first + e * fields]).filter(state => state === 2).length
}

it.each(['ties', 'breadcrumbs', 'breadcrumbs_ties', 'dare_linear', 'dare_ties'])(
  '%s: what is kept ready does not change a candidate',
  method => {
    const references = saveModels(newFolder(), models)
    const kept = loadSharedSources(references, { threads: 1 })
    const fresh = loadSharedSources(references, { threads: 1 })
    const merger = createMerger(kept, 0)
    for (let round = 0; round < ROUNDS; round++) {
      const found = merger.merge(recipe(method, round)).tensors.get('w')!.data
      // A merger of its own has asked for nothing before.
      const expected = createMerger(fresh, 0).merge(recipe(method, round)).tensors.get('w')!.data
      const own = bits(expected)
      expect(
        bits(found).every((word, i) => word === own[i]),
        `round ${round}`,
      ).toBe(true)
    }
    // The last rounds were read off: positions or sums of both models, and the random numbers.
    expect(readyEntries(kept.prepared)).toBe(method.startsWith('dare') ? 3 : 2)
  },
)
