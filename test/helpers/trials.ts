import type { Candidate, CandidateId, Evaluation, FailureKind, Timing, Trial } from '../../src/candidate.ts'
import type { Objective } from '../../src/objective.ts'
import type { Run, RunManifest } from '../../src/runs/run-store.ts'
import { FORMAT } from '../../src/runs/schema.ts'

const NO_TIME: Timing = { totalMs: 0, mergeMs: 0, inferenceMs: 0 }

export const scored = (values: readonly number[], exampleScores?: readonly Float32Array[]): Evaluation =>
  exampleScores === undefined
    ? { status: 'scored', values, timing: NO_TIME }
    : { status: 'scored', values, exampleScores, timing: NO_TIME }

export const failed = (kind: FailureKind, reason: string): Evaluation => ({
  status: 'failed',
  kind,
  reason,
  timing: NO_TIME,
})

export const candidate = (id: CandidateId, genome: readonly number[] = [id]): Candidate => ({
  id,
  genome: Float64Array.from(genome),
  parents: [],
  memo: null,
})

export const scoredTrial = (id: CandidateId, values: readonly number[]): Trial => ({
  ...candidate(id),
  evaluation: scored(values),
})

export const failedTrial = (id: CandidateId, kind: FailureKind, reason: string): Trial => ({
  ...candidate(id),
  evaluation: failed(kind, reason),
})

export const TWO_OBJECTIVES: readonly Objective[] = [
  { name: 'accuracy', direction: 'maximize', unit: 'accuracy, 0..1', reference: 0, ideal: 1 },
  { name: 'size', direction: 'minimize', unit: 'bytes', reference: 10, ideal: 0 },
]

export function manifest(overrides: Partial<RunManifest> = {}): RunManifest {
  return {
    format: FORMAT,
    runId: 'test-run',
    createdAt: '2026-01-02T03:04:05.000Z',
    seed: 7,
    slots: 3,
    strategy: 'fake',
    config: { strategy: { kind: 'fake' } },
    objectives: TWO_OBJECTIVES,
    geneNames: ['a', 'b'],
    digests: { 'base.onnx': 'ab'.repeat(32) },
    environment: { node: process.versions.node },
    ...overrides,
  }
}

export class Crash extends Error {}

/** The same run, whose process "dies" right after its n-th write: that write is durable, whatever comes next is lost. */
export function crashAfter(run: Run, n: number): Run {
  let writes = 0
  return new Proxy(run, {
    get(_, key) {
      const member: unknown = Reflect.get(run, key, run) // private members need the real receiver
      if (typeof member !== 'function') return member
      if (!String(key).startsWith('record')) return member.bind(run)
      return (...args: unknown[]) => {
        if (writes >= n) throw new Crash()
        const result: unknown = member.apply(run, args)
        if (++writes === n) throw new Crash()
        return result
      }
    },
  })
}
