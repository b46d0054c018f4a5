import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Candidate, Evaluation, JsonValue } from '../../src/candidate.ts'
import { ConfigError, RunLockedError, RunStoreError } from '../../src/errors.ts'
import type { Run, RunManifest, RunReader } from '../../src/runs/run-store.ts'
import type { Recipe } from '../../src/space/recipe.ts'
import { tempFolder } from '../helpers/temp-run.ts'
import { failed, manifest, scored } from '../helpers/trials.ts'

export interface RunStore {
  create(folder: string, manifest: RunManifest, options: { readonly budget: number }): Run
  open(folder: string): Run
  read(folder: string): RunReader
}

const candidate = (id: number, overrides: Partial<Candidate> = {}): Candidate => ({
  id,
  genome: Float64Array.from([id, -id]),
  parents: [],
  memo: null,
  ...overrides,
})

const recipe: Recipe = {
  kind: 'parameter-merge',
  method: 'linear',
  base: undefined,
  sources: ['a', 'b'],
  parameters: { normalize: true },
  groups: [{ layers: 'all', coefficients: { a: { weight: 0.1 }, b: { weight: -0 } } }],
}

/** `-0` included, which JSON and SQLite numbers lose. */
const anyDouble = fc.double({ noNaN: true, noDefaultInfinity: true })
/** Characters that files of text trip over. */
const anyText = fc.string({ unit: fc.constantFrom('a', '\0', '\n', '"', "'", '\ud800', '\udc00', '😀', '\u001b', '%') })
const anyJson = fc.letrec<{ value: JsonValue }>(tie => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.boolean(),
    anyDouble,
    fc.string(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value

/** What every run store must do, whatever keeps it. */
export function runStoreContract(name: string, store: RunStore): void {
  /** A run with three candidates asked, two scored, one told. */
  const begun = (folder: string): Run => {
    const run = store.create(folder, manifest(), { budget: 10 })
    run.recordAsked(3, [candidate(0), candidate(1, { parents: [0], memo: { sigma: 0.5 } }), candidate(2)])
    run.recordEvaluation(1, failed('timeout', 'took longer than 5 s'))
    run.recordEvaluation(0, scored([0.5, 3]))
    run.recordTold([0])
    return run
  }

  describe(`${name} keeps the run store contract`, () => {
    it('gives back the manifest and the budget', () => {
      const folder = tempFolder()
      const written = manifest({ objectives: [{ name: 'loss', direction: 'minimize', unit: 'nats', reference: 4 }] })
      store.create(folder, written, { budget: 10 }).close()
      const run = store.read(folder)
      expect(run.manifest).toEqual(written)
      expect(run.budget).toBe(10)
      expect(run.events()).toEqual([])
      expect(run.stopReason()).toBeUndefined()
      expect(run.latestSnapshot()).toBeUndefined()
      run.close()
    })

    it('gives back asks and tells in their order, with sequence numbers from 1', () => {
      const folder = tempFolder()
      const run = begun(folder)
      const expected = [
        { seq: 1, type: 'asked', requested: 3, ids: [0, 1, 2] },
        { seq: 2, type: 'told', ids: [0] },
      ]
      expect(run.events()).toEqual(expected)
      expect(run.recordAsked(2, [candidate(3)])).toBe(3)
      expect(run.recordTold([1])).toBe(4)
      run.close()
      const reader = store.read(folder)
      expect(reader.events(2)).toEqual([
        { seq: 3, type: 'asked', requested: 2, ids: [3] },
        { seq: 4, type: 'told', ids: [1] },
      ])
      expect(reader.events(0).slice(0, 2)).toEqual(expected)
      reader.close()
    })

    it('keeps the order of ids inside a tell, which need not ascend', () => {
      const run = begun(tempFolder())
      run.recordEvaluation(2, scored([1, 1]))
      run.recordTold([2, 1])
      expect(run.events(2)).toEqual([{ seq: 3, type: 'told', ids: [2, 1] }])
      run.close()
    })

    it('lists candidates and trials by id, trials only once their evaluation is recorded', () => {
      const run = begun(tempFolder())
      expect(run.candidates().map(c => c.id)).toEqual([0, 1, 2])
      expect(run.candidate(1)).toEqual(candidate(1, { parents: [0], memo: { sigma: 0.5 } }))
      expect(run.candidate(3)).toBeUndefined()
      expect(run.trials().map(t => [t.id, t.evaluation.status])).toEqual([
        [0, 'scored'],
        [1, 'failed'],
      ])
      expect(run.evaluation(1)).toEqual(failed('timeout', 'took longer than 5 s'))
      expect(run.evaluation(2)).toBeUndefined()
      run.close()
    })

    it('keeps the first evaluation of a candidate and ignores a second', () => {
      const run = begun(tempFolder())
      run.recordEvaluation(0, scored([0.9, 9]))
      expect(run.evaluation(0)).toEqual(scored([0.5, 3]))
      run.close()
    })

    it('gives every number back bit by bit: genomes, values, example scores, memos, snapshots, facts', () => {
      fc.assert(
        fc.property(
          fc.tuple(anyDouble, anyDouble),
          fc.tuple(anyDouble, anyDouble),
          fc.array(fc.float(), { maxLength: 5 }),
          anyJson,
          (genome, values, examples, json) => {
            const folder = tempFolder()
            const run = store.create(folder, manifest(), { budget: 1 })
            const written = candidate(0, { genome: Float64Array.from(genome), memo: json })
            const evaluation: Evaluation = {
              status: 'scored',
              values,
              exampleScores: [Float32Array.from(examples), new Float32Array()],
              timing: { totalMs: 1.5, mergeMs: 0.1, inferenceMs: 1e-7 },
            }
            const seq = run.recordAsked(1, [written])
            run.recordEvaluation(0, evaluation)
            run.recordTold([0])
            run.recordSnapshot(seq, { kind: 'fake', version: 3, state: json })
            run.recordFact('winner', json)
            run.recordAssessment({ subject: 'candidate:0', split: 'holdout', recipe, evaluation })
            run.close()

            const reader = store.read(folder)
            expect(reader.trials()).toStrictEqual([{ ...written, evaluation }]) // toStrictEqual tells -0 from 0
            expect(reader.evaluation(0)).toStrictEqual(evaluation)
            expect(reader.candidate(0)).toStrictEqual(written)
            expect(reader.latestSnapshot()).toStrictEqual({ seq, snapshot: { kind: 'fake', version: 3, state: json } })
            expect(reader.fact('winner')).toStrictEqual(json)
            expect(reader.assessments()).toStrictEqual([
              { subject: 'candidate:0', split: 'holdout', recipe, evaluation },
            ])
            reader.close()
          },
        ),
        { numRuns: 25, examples: [[[0, -0], [1, 2], [], JSON.parse('{"__proto__": {"a": 1}}')]] },
      )
    })

    it('takes any text as a reason, and cuts a very long one', () => {
      fc.assert(
        fc.property(anyText, text => {
          const run = store.create(tempFolder(), manifest(), { budget: 1 })
          run.recordAsked(1, [candidate(0)])
          run.recordEvaluation(0, failed('threw', text))
          const read = run.evaluation(0)
          expect(read?.status === 'failed' && read.reason).toBe(
            Buffer.from(text).toString().replaceAll('\0', '\u{fffd}'),
          )
          run.recordStopped({ criterion: 'budget', detail: text })
          expect(run.stopReason()?.criterion).toBe('budget')
          run.close()
        }),
        { numRuns: 20 },
      )
      const run = store.create(tempFolder(), manifest(), { budget: 1 })
      run.recordAsked(1, [candidate(0)])
      run.recordEvaluation(0, failed('threw', 'x'.repeat(1_000_000)))
      const read = run.evaluation(0)
      expect(read?.status === 'failed' && read.reason).toBe(`${'x'.repeat(4000)}…`)
      run.close()
    })

    it('lets a reader follow while the writer goes on', () => {
      const folder = tempFolder()
      const run = begun(folder)
      const reader = store.read(folder)
      expect(reader.trials()).toHaveLength(2)
      run.recordEvaluation(2, scored([1, 1]))
      expect(reader.trials()).toHaveLength(3)
      run.raiseBudget(20)
      expect(reader.budget).toBe(20)
      reader.close()
      run.close()
    })

    it('lets a new writer go on where the last one stopped', () => {
      const folder = tempFolder()
      begun(folder).close()
      const run = store.open(folder)
      expect(run.recordAsked(1, [candidate(3)])).toBe(3)
      run.recordStopped({ criterion: 'budget', detail: '4 evaluations' })
      run.close()
      const reader = store.read(folder)
      expect(reader.stopReason()).toEqual({ criterion: 'budget', detail: '4 evaluations' })
      reader.close()
    })

    it('forgets a reason to stop when the search goes on after it', () => {
      const run = begun(tempFolder())
      run.recordStopped({ criterion: 'budget', detail: '3 evaluations' })
      run.recordAsked(1, [candidate(3)])
      expect(run.stopReason()).toBeUndefined()
      run.close()
    })

    it('refuses a second writer, and says who the first one is', () => {
      const folder = tempFolder()
      const run = begun(folder)
      expect(() => store.open(folder)).toThrow(RunLockedError)
      expect(() => store.open(folder)).toThrow(`is being written by process ${process.pid} on host `)
      run.close()
      store.open(folder).close()
    })

    it('refuses to make a run where there is one', () => {
      const folder = tempFolder()
      begun(folder).close()
      expect(() => store.create(folder, manifest(), { budget: 1 })).toThrow(RunStoreError)
      expect(() => store.create(folder, manifest(), { budget: 1 })).toThrow('already holds a run.')
    })

    it('refuses to open what is not there', () => {
      const folder = tempFolder()
      expect(() => store.open(folder)).toThrow(RunStoreError)
      expect(() => store.read(folder)).toThrow('There is no run at ')
      expect(() => store.read(`${folder}/none`)).toThrow('no such folder.')
    })

    it('only ever raises the budget', () => {
      const run = begun(tempFolder())
      run.raiseBudget(10)
      run.raiseBudget(15)
      expect(run.budget).toBe(15)
      expect(() => run.raiseBudget(12)).toThrow(ConfigError)
      expect(() => run.raiseBudget(12)).toThrow('is 15 evaluations; it cannot become 12.')
      expect(() => run.raiseBudget(15.5)).toThrow('it cannot become 15.5.')
      run.close()
    })

    it('refuses what cannot be replayed: gaps in ids, tells without an evaluation, tells twice', () => {
      const run = begun(tempFolder())
      expect(() => run.recordAsked(1, [candidate(7)])).toThrow('Expected candidate 3 next, got 7.')
      expect(() => run.recordTold([2])).toThrow() // not evaluated
      expect(() => run.recordTold([0])).toThrow() // told before
      expect(() => run.recordEvaluation(9, scored([1, 1]))).toThrow() // never asked
      expect(run.events()).toHaveLength(2) // and nothing of it is left
      expect(run.candidates()).toHaveLength(3)
      run.close()
    })

    it('refuses genomes and values of another shape', () => {
      const run = begun(tempFolder())
      expect(() => run.recordAsked(1, [candidate(3, { genome: Float64Array.of(1) })])).toThrow(
        'Expected candidate 3 to have 2 genes, got 1.',
      )
      expect(() => run.recordEvaluation(2, scored([1]))).toThrow('Expected 2 values, got 1.')
      expect(() => run.recordEvaluation(2, scored([1, Number.NaN]))).toThrow('JSON has no NaN.')
      expect(() => run.recordEvaluation(2, scored([1, 2], [new Float32Array(3)]))).toThrow(
        'Expected example scores for 2 objectives, got 1.',
      )
      run.close()
    })

    it('keeps the newest snapshot', () => {
      const run = begun(tempFolder())
      run.recordSnapshot(1, { kind: 'fake', version: 1, state: 'old' })
      run.recordSnapshot(2, { kind: 'fake', version: 1, state: 'new' })
      expect(run.latestSnapshot()).toEqual({ seq: 2, snapshot: { kind: 'fake', version: 1, state: 'new' } })
      run.close()
    })

    it('lists assessments by split and subject, whatever the order of arrival, and keeps the first of each', () => {
      const run = begun(tempFolder())
      const assess = (subject: string, split: 'search' | 'select' | 'holdout', value = 1) =>
        run.recordAssessment({ subject, split, recipe, evaluation: scored([value, 0]) })
      assess('candidate:10', 'select')
      assess('random:1', 'search')
      assess('candidate:2', 'holdout')
      assess('candidate:2', 'select')
      assess('baseline:uniform', 'search')
      assess('candidate:2', 'select', 2)
      expect(run.assessments().map(a => `${a.split} ${a.subject}`)).toEqual([
        'search baseline:uniform',
        'search random:1',
        'select candidate:2',
        'select candidate:10',
        'holdout candidate:2',
      ])
      expect(run.assessments().map(a => a.evaluation.status === 'scored' && a.evaluation.values[0])).toEqual([
        1, 1, 1, 1, 1,
      ])
      run.close()
    })

    it('overwrites a fact by its name', () => {
      const run = begun(tempFolder())
      run.recordFact('winner', { id: 1 })
      run.recordFact('winner', { id: 2 })
      expect(run.fact('winner')).toEqual({ id: 2 })
      expect(run.fact('none')).toBeUndefined()
      run.close()
    })

    it('can be closed twice', () => {
      const run = begun(tempFolder())
      run.close()
      run.close()
    })
  })
}
