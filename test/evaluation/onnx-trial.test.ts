import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ExampleRange } from '../../src/evaluation/example-range.ts'
import type { OnnxPlan } from '../../src/evaluation/onnx/plan.ts'
import type { TimedFacts, Way } from '../../src/evaluation/onnx/task-runner.ts'
import { compareWays, type TrialRunner } from '../../src/evaluation/onnx/trial.ts'

/** What one way takes, in milliseconds of a clock that only runs with the work. */
interface Speed {
  readonly example: number
  readonly weights?: number
}

interface Machine {
  readonly counts: readonly number[]
  readonly batchSize?: number
  readonly first: Speed
  readonly second: Speed
  /** Factor of each run's time, in the order of runs. */
  readonly load?: (run: number) => number
  /** Whether the second way gives other bits for the example when it is run among so many. */
  readonly differs?: (task: number, position: number, together: number) => boolean
}

type Run = readonly [way: 'first' | 'second', task: number, begin: number, end: number]

const ways: readonly [Way, Way] = [
  { graphs: [], weights: 'inputs', threads: 1 },
  { graphs: [], weights: 'inputs', threads: 2 },
]

async function compare({ counts, batchSize = 10, first, second, load = () => 1, differs = () => false }: Machine) {
  let spentMs = 0
  const runs: Run[] = []
  const runner: TrialRunner = {
    measureEach: async (_, way, task, __, sets): Promise<TimedFacts> => {
      const [name, speed] = way === ways[0] ? (['first', first] as const) : (['second', second] as const)
      const factor = load(runs.length)
      const examples = sets.flat().reduce((sum, { begin, end }) => sum + end - begin, 0)
      const weightsMs = factor * (speed.weights ?? 0)
      const runMs = factor * examples * speed.example
      spentMs += weightsMs + runMs
      const facts = sets.map(([range]) => {
        const { begin, end } = range as ExampleRange
        runs.push([name, task, begin, end])
        const examples = Int32Array.from({ length: end - begin }, (_, i) => begin + i)
        const other = (position: number) => name === 'second' && differs(task, position, end - begin)
        return { examples, width: 1, values: Float32Array.from(examples, x => (other(x) ? x + 1e-3 : x)) }
      })
      return { facts, weightsMs, runMs }
    },
  }
  const plan = {
    batchSize,
    tasks: counts.map(search => ({ task: { counts: { search, select: 0, holdout: 0 } } })),
    objectives: counts.map((_, task) => ({ task })),
  } as unknown as OnnxPlan
  const result = await compareWays(runner, plan, { tensors: new Map() }, 'search', ways)
  return { ...result, spentMs, runs }
}

const perCandidate = ({ counts }: Machine, { example, weights = 0 }: Speed): number =>
  counts.reduce((sum, count) => sum + (count === 0 ? 0 : weights + count * example), 0)

describe('a trial of two ways', () => {
  it('estimates what a candidate takes, weights and examples apart', async () => {
    const machine = { counts: [400, 37, 0], first: { example: 2, weights: 30 }, second: { example: 1, weights: 90 } }
    const { firstMs, secondMs, isEqual } = await compare(machine)
    expect(firstMs).toBeCloseTo(perCandidate(machine, machine.first), 9)
    expect(secondMs).toBeCloseTo(perCandidate(machine, machine.second), 9)
    expect(isEqual).toBe(true)
  })

  it('takes little longer than a candidate where a candidate takes seconds, whichever way is faster', async () => {
    for (const [first, second] of [
      [20, 11],
      [20, 19.9],
      [20, 20],
      [20, 40],
    ] as const) {
      const machine = { counts: [640, 640, 640], first: { example: first }, second: { example: second } }
      const { spentMs } = await compare(machine)
      expect(spentMs).toBeLessThan(1.1 * perCandidate(machine, machine.first))
    }
  })

  it('takes no more than two candidates and their small runs where all examples are one batch', async () => {
    const machine = { counts: [64], batchSize: 64, first: { example: 30 }, second: { example: 20 } }
    const { spentMs, runs } = await compare(machine)
    expect(spentMs).toBe(64 * 50 + 28 * 50)
    expect(runs.filter(([, , , end]) => end === 64)).toHaveLength(2)
  })

  it('goes no further than its first round with a way that takes ten times as long', async () => {
    const machine = { counts: [64, 64, 64], batchSize: 16, first: { example: 10 }, second: { example: 100 } }
    const { runs, spentMs } = await compare(machine)
    expect(runs).toHaveLength(6)
    expect(spentMs).toBe(3 * 16 * 110)
  })

  it('takes no longer than a candidate or a fifth of a second, the round that is under way and small runs apart', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 3 }),
        fc.double({ min: 0.001, max: 10, noNaN: true }),
        fc.double({ min: 0.5, max: 2, noNaN: true }),
        loads(),
        async (counts, example, ratio, load) => {
          const machine = { counts, first: { example }, second: { example: example * ratio }, load }
          const { spentMs } = await compare(machine)
          const candidateMs = 3 * perCandidate(machine, machine.first)
          // At most 4 batches of 10 both ways; the small runs and a last batch of up to 9.
          const beside = counts.length * (40 + 28 + 9) * 3 * example * (1 + ratio)
          expect(spentMs).toBeLessThanOrEqual(Math.max(200, candidateMs) + beside)
        },
      ),
    )
  })

  it('ends after two rounds that agree, and takes more where they do not', async () => {
    const machine = { counts: [20], first: { example: 1 }, second: { example: 2 } }
    expect((await compare(machine)).runs).toHaveLength(6)
    // In one round a neighbour makes the faster way the slower one.
    const disturbed = await compare({ ...machine, load: run => (run === 3 ? 3 : 1) })
    expect(disturbed.runs).toHaveLength(12)
    expect(disturbed).toMatchObject({ firstMs: 20, secondMs: 40 })
  })

  it('lets the ways take turns in going first', async () => {
    const { runs } = await compare({ counts: [20], first: { example: 1 }, second: { example: 2 } })
    expect(runs.map(([way]) => way)).toEqual(['first', 'second', 'second', 'first', 'first', 'second'])
  })

  it('is not taken in by a neighbour that holds the processor for a run', async () => {
    for (let slow = 0; slow < 4; slow++) {
      const { firstMs, secondMs } = await compare({
        counts: [40],
        first: { example: 1 },
        second: { example: 0.7 },
        load: run => (run === slow ? 9 : 1),
      })
      expect([firstMs, secondMs].map(ms => Number(ms.toFixed(6)))).toEqual([40, 28])
    }
  })

  const faster = { counts: [57, 40], first: { example: 1 }, second: { example: 0.5 } }
  it.each([
    ['a full batch', (_: number, __: number, together: number) => together === 10],
    ['a single example', (_: number, __: number, together: number) => together === 1],
    ['17 examples of the second task', (task: number, _: number, together: number) => task === 1 && together === 17],
    ['the last example of the last batch', (_: number, position: number) => position === 56],
  ])('finds other bits of %s', async (_, differs) => {
    expect((await compare({ ...faster, differs })).isEqual).toBe(false)
    expect((await compare(faster)).isEqual).toBe(true)
  })

  it('compares the same outputs however the clock runs, where the second way is the faster one', async () => {
    const compared = (runs: readonly Run[]): unknown => [...new Set(runs.map(run => run.join(' ')))].sort()
    const expected = compared((await compare(faster)).runs)
    await fc.assert(
      fc.asyncProperty(loads(), fc.double({ min: 0.001, max: 100, noNaN: true }), async (load, scale) => {
        const [first, second] = [{ example: 4 * scale }, { example: scale }]
        expect(compared((await compare({ ...faster, first, second, load })).runs)).toEqual(expected)
      }),
    )
  })

  it('does not ask for more outputs where the second way is slower: it is not taken', async () => {
    const { runs, isEqual } = await compare({ ...faster, second: { example: 2 } })
    expect(runs.every(([, , begin, end]) => begin === 0 && end === 10)).toBe(true)
    expect(isEqual).toBe(true)
  })

  it('has nothing to say where there are no examples', async () => {
    const { firstMs, secondMs, isEqual, runs } = await compare({ ...faster, counts: [0, 0] })
    expect({ firstMs, secondMs, isEqual, runs }).toEqual({ firstMs: 0, secondMs: 0, isEqual: true, runs: [] })
  })
})

/** What neighbours make of a run's time. */
function loads(): fc.Arbitrary<(run: number) => number> {
  const factors = fc.array(fc.double({ min: 1, max: 3, noNaN: true }), { minLength: 40, maxLength: 40 })
  return factors.map(all => run => all[run % all.length]!)
}
