import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Evaluation, JsonValue } from '../../src/candidate.ts'
import type { EvaluationJob, WorkerSetup } from '../../src/evaluation/job.ts'

/** One source with one tensor, `code` = [1]: the weight of a recipe is the number the evaluator finds. */
export class Workbench {
  readonly folder = mkdtempSync(join(tmpdir(), 'amalgam-executor-'))
  readonly sourcePath = join(this.folder, 'one.safetensors')

  constructor() {
    const header = JSON.stringify({ code: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }).padEnd(64)
    const bytes = Buffer.alloc(8 + header.length + 4)
    bytes.writeBigUInt64LE(BigInt(header.length), 0)
    bytes.write(header, 8)
    bytes.writeFloatLE(1, 8 + header.length)
    writeFileSync(this.sourcePath, bytes)
  }

  /** `options` go to `fixtures/evaluators/faulty.mjs`. */
  setup(options: JsonValue = null): WorkerSetup {
    return {
      sources: [{ id: 'one', path: this.sourcePath }],
      evaluator: { kind: 'module', id: 'faulty', options: { path: FAULTY, options } },
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export const FAULTY = fileURLToPath(new URL('../fixtures/evaluators/faulty.mjs', import.meta.url))

export function jobWith(code: number): EvaluationJob {
  return {
    label: `code ${code}`,
    split: 'search',
    recipe: {
      kind: 'parameter-merge',
      method: 'linear',
      base: undefined,
      sources: ['one'],
      parameters: { normalize: false },
      groups: [{ layers: 'all', coefficients: { one: { weight: code } } }],
    },
  }
}

/** An evaluation without its times and, for a failure, without its words. */
export function outcome(evaluation: Evaluation): unknown {
  return evaluation.status === 'scored'
    ? { values: evaluation.values, exampleScores: evaluation.exampleScores }
    : { kind: evaluation.kind }
}

/** What `faulty.mjs` answers to an innocent code. */
export function scoredAs(code: number): unknown {
  const merged = Math.fround(code)
  return {
    values: [merged * merged, merged],
    exampleScores: [Float32Array.of(merged, -merged), new Float32Array(0)],
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

export async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  for (const end = performance.now() + limitMs; performance.now() < end; await sleep(10)) if (condition()) return true
  return condition()
}

/** A zombie counts as dead: it only waits for whoever adopted it to look. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}
