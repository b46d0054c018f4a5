import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Evaluator,
  type EvaluatorSession,
  type Scores,
  SPLITS,
  type Split,
} from '../../src/evaluation/evaluator.ts'
import type { MergedModel } from '../../src/merge/model.ts'

/** What an evaluator's tests bring along. */
export interface EvaluatorSubject {
  /** A fresh evaluator, as every worker makes its own. */
  create(): Promise<Evaluator>
  /** Models of the right shapes; different seeds give models with different scores. Buffers of their own. */
  model(seed: number): MergedModel
  /** A model that knows nothing, and what each objective must give for it. Shape (m,). */
  readonly chance: { readonly model: MergedModel; values(split: Split): readonly number[] }
  /** Objectives whose value is the mean of their example scores. */
  readonly means: readonly number[]
  /** Objectives that have no examples: properties of the model. */
  readonly withoutExamples?: readonly number[]
  /** A model and an objective that give every example of the data another score. */
  readonly separating: { readonly model: MergedModel; readonly objective: number }
}

/** What every evaluator promises, whatever it runs. Call it from a test file. */
export function describeEvaluator(name: string, make: () => Promise<EvaluatorSubject>): void {
  describe(`${name} keeps the evaluator contract`, () => {
    let subject: EvaluatorSubject
    let evaluator: Evaluator
    let session: EvaluatorSession
    beforeAll(async () => {
      subject = await make()
      evaluator = await subject.create()
      session = await evaluator.open()
    })
    afterAll(() => session.close())

    const bits = (scores: Scores): unknown => ({
      values: scores.values.map(value => Buffer.from(Float64Array.of(value).buffer).toString('hex')),
      exampleScores: scores.exampleScores.map(list =>
        Buffer.from(list.buffer, list.byteOffset, list.byteLength).toString('hex'),
      ),
    })

    it('declares objectives with distinct names, a finite reference, and an ideal that is better', () => {
      expect(evaluator.objectives.length).toBeGreaterThan(0)
      expect(new Set(evaluator.objectives.map(objective => objective.name)).size).toBe(evaluator.objectives.length)
      for (const { direction, reference, ideal } of evaluator.objectives) {
        expect(Number.isFinite(reference)).toBe(true)
        if (ideal !== undefined) expect(direction === 'maximize' ? ideal > reference : ideal < reference).toBe(true)
      }
    })

    it('is described by plain data that is the same in every worker', async () => {
      const other = await subject.create()
      const facts = ({ id, objectives, digest, inputs }: Evaluator): unknown =>
        JSON.parse(JSON.stringify({ id, objectives, digest, inputs }))
      expect(facts(other)).toEqual(facts(evaluator))
      expect(facts(evaluator)).toEqual({
        id: evaluator.id,
        objectives: evaluator.objectives,
        digest: evaluator.digest,
        inputs: evaluator.inputs,
      })
      expect(evaluator.digest).not.toBe('')
    })

    it('has examples in every split, as many as it announces', async () => {
      for (const split of SPLITS) {
        const counts = session.exampleCount(split)
        expect(counts.length).toBe(evaluator.objectives.length)
        counts.forEach((count, objective) => {
          if (subject.withoutExamples?.includes(objective)) expect(count).toBe(0)
          else expect(count).toBeGreaterThan(0)
        })
        const { values, exampleScores } = await session.score(subject.model(1), split)
        expect(values.length).toBe(evaluator.objectives.length)
        exampleScores.forEach((scores, objective) => {
          expect(scores).toBeInstanceOf(Float32Array)
          expect([0, counts[objective]]).toContain(scores.length)
        })
      }
    })

    it('has no example in two splits', async () => {
      const seen = new Set<number>()
      let count = 0
      for (const split of SPLITS) {
        const { exampleScores } = await session.score(subject.separating.model, split)
        for (const score of exampleScores[subject.separating.objective]!) {
          seen.add(score)
          count++
        }
      }
      expect(seen.size).toBe(count)
    })

    it('gives equal weights equal bits: again, in between others, and in another worker', async () => {
      const first = bits(await session.score(subject.model(1), 'search'))
      expect(bits(await session.score(subject.model(1), 'search'))).toEqual(first)
      const second = bits(await session.score(subject.model(2), 'select'))
      expect(bits(await session.score(subject.model(1), 'search'))).toEqual(first)
      const worker = await (await subject.create()).open()
      expect(bits(await worker.score(subject.model(2), 'select'))).toEqual(second)
      expect(bits(await worker.score(subject.model(1), 'search'))).toEqual(first)
      await worker.close()
    })

    it('reads weights when it is asked, because the buffers hold the next candidate soon', async () => {
      const model = subject.model(1)
      const first = bits(await session.score(model, 'search'))
      const next = subject.model(2)
      for (const [tensor, { data }] of model.tensors) data.set(next.tensors.get(tensor)!.data)
      const second = bits(await session.score(model, 'search'))
      expect(second).toEqual(bits(await session.score(subject.model(2), 'search')))
      expect(second).not.toEqual(first)
    })

    it('keeps scores of a candidate when the next one is scored', async () => {
      const scores = await session.score(subject.model(1), 'search')
      const before = bits(scores)
      await session.score(subject.model(2), 'search')
      expect(bits(scores)).toEqual(before)
    })

    it('leaves the weights as they are', async () => {
      const [model, twin] = [subject.model(3), subject.model(3)]
      await session.score(model, 'search')
      for (const [tensor, { data }] of model.tensors) expect(data).toEqual(twin.tensors.get(tensor)!.data)
    })

    it('gives the mean of the example scores as the value', async () => {
      for (const split of SPLITS) {
        const { values, exampleScores } = await session.score(subject.model(4), split)
        for (const objective of subject.means) {
          const scores = exampleScores[objective]!
          expect(values[objective]).toBe(scores.reduce((sum, score) => sum + score, 0) / scores.length)
        }
      }
    })

    it('says of which objectives a part of the examples tells something, and how far scores reach', async () => {
      evaluator.objectives.forEach(({ perExample }, objective) => {
        if (perExample !== undefined) expect(subject.means).toContain(objective)
      })
      for (const split of SPLITS) {
        const { exampleScores } = await session.score(subject.model(5), split)
        evaluator.objectives.forEach(({ perExample }, objective) => {
          for (const score of exampleScores[objective]!) {
            expect(score).toBeGreaterThanOrEqual(perExample?.low ?? Number.NEGATIVE_INFINITY)
            expect(score).toBeLessThanOrEqual(perExample?.high ?? Number.POSITIVE_INFINITY)
          }
        })
      }
    })

    it('scores any range of the examples as it scores all of them, bit by bit', async () => {
      for (const split of SPLITS) {
        const counts = session.exampleCount(split)
        const model = subject.model(6)
        const { exampleScores: all } = await session.score(model, split)
        for (const [from, to] of [
          [0, 0.2],
          [0.2, 0.6],
          [0.6, 1],
          [0, 1],
        ] as const) {
          const ranges = counts.map(count => ({ begin: Math.floor(from * count), end: Math.floor(to * count) }))
          const scores = await session.score(model, split, ranges)
          expect(bits({ ...scores, values: [] })).toEqual(
            bits({
              values: [],
              exampleScores: all.map((list, i) => list.slice(ranges[i]!.begin, ranges[i]!.end)),
              inferenceMs: 0,
            }),
          )
          for (const objective of subject.means) {
            const part = scores.exampleScores[objective]!
            if (part.length > 0)
              expect(scores.values[objective]).toBe(part.reduce((sum, score) => sum + score, 0) / part.length)
          }
        }
      }
    })

    it('scores each objective on examples of its own, none included', async () => {
      const counts = session.exampleCount('search')
      const model = subject.model(6)
      const { exampleScores: all } = await session.score(model, 'search')
      for (let own = 0; own < counts.length; own++) {
        if (counts[own] === 0) continue
        const ranges = counts.map((count, i) => (i === own ? { begin: 1, end: count } : { begin: 0, end: 0 }))
        const { exampleScores } = await session.score(model, 'search', ranges)
        exampleScores.forEach((scores, i) => {
          expect(scores).toEqual(i === own ? all[i]!.slice(1) : new Float32Array(0))
        })
      }
    })

    it('refuses ranges that it has no examples for', async () => {
      const counts = session.exampleCount('search')
      const model = subject.model(6)
      for (const [begin, end] of [
        [0, counts[0]! + 1],
        [-1, 1],
        [2, 1],
        [0, 0.5],
      ] as const) {
        const ranges = counts.map((_, i) => (i === 0 ? { begin, end } : { begin: 0, end: 0 }))
        await expect(session.score(model, 'search', ranges)).rejects.toThrow(/range/)
      }
      await expect(
        session.score(model, 'search', [...counts.map(() => ({ begin: 0, end: 0 })), { begin: 0, end: 0 }]),
      ).rejects.toThrow(/range/)
    })

    it('scores a model that knows nothing at chance', async () => {
      for (const split of SPLITS) {
        const { values } = await session.score(subject.chance.model, split)
        subject.chance.values(split).forEach((value, objective) => {
          expect(values[objective]).toBeCloseTo(value, 6)
        })
      }
    })

    it('answers a broken model with NaN, not with a wrong answer', async () => {
      const model = subject.model(1)
      for (const { data } of model.tensors.values()) data.fill(Number.NaN)
      const { values } = await session.score(model, 'search')
      expect(values.every(Number.isNaN)).toBe(true)
    })

    it('closes more than once', async () => {
      const extra = await evaluator.open()
      await extra.score(subject.model(1), 'search')
      await extra.close()
      await extra.close()
    })
  })
}
