// An evaluator of one's own: how evenly a model spreads its weights. It needs no data and no runtime, so all of it is here.
//
// Types come from the package and leave no trace at run time.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Evaluator, JsonValue, MergedModel } from 'amalgam'

interface Options {
  /** A weight counts as an outlier from so many standard deviations of its tensor on. */
  readonly deviations: number
}

export function createEvaluator(id: string, options: JsonValue): Evaluator {
  const { deviations } = checked(options)
  const self = fileURLToPath(import.meta.url)
  const digest = createHash('sha256').update(readFileSync(self)).digest('hex')
  return {
    id,
    objectives: [
      { name: 'outliers', direction: 'minimize', unit: 'share of weights', reference: 1, ideal: 0 },
      { name: 'rms', direction: 'minimize', unit: 'root mean square of the weights', reference: 1000, ideal: 0 },
    ],
    // Other code or other options are another evaluator: results are never mixed up.
    digest: `${digest}/${deviations}`,
    inputs: { [self]: digest },
    // Runs in every worker: data and runtimes would be loaded here, not above.
    async open() {
      return {
        exampleCount: () => [0, 0], // these objectives have no examples
        async score(model) {
          const start = performance.now()
          const values = [outliers(model, deviations), rms(model)]
          return {
            values,
            exampleScores: values.map(() => new Float32Array(0)),
            inferenceMs: performance.now() - start,
          }
        },
        async close() {},
      }
    },
  }
}

function checked(options: JsonValue): Options {
  const deviations = typeof options === 'object' && options !== null && 'deviations' in options ? options.deviations : 3
  if (typeof deviations === 'number' && deviations > 0) return { deviations }
  throw new Error(`deviations must be a number above 0, got ${JSON.stringify(deviations)}`)
}

function rms(model: MergedModel): number {
  let [sum, count] = [0, 0]
  for (const { data } of model.tensors.values()) {
    for (const weight of data) sum += weight * weight
    count += data.length
  }
  return Math.sqrt(sum / count)
}

function outliers(model: MergedModel, deviations: number): number {
  let [found, count] = [0, 0]
  for (const { data } of model.tensors.values()) {
    const limit = deviations * Math.sqrt(data.reduce((sum, weight) => sum + weight * weight, 0) / data.length)
    for (const weight of data) if (!(Math.abs(weight) <= limit)) found++ // a NaN is one, too
    count += data.length
  }
  return found / count
}
