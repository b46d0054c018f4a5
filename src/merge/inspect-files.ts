import { existsSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { MergeError } from '../errors.ts'
import { estimatePrepared, type PreparedEstimate } from './fast/prepared-estimate.ts'
import { type CommonTensors, type NamedCheckpoint, requireCommonTensors } from './inspect.ts'
import { elementsOf, type ModelFacts, modelFacts } from './inspect-model.ts'
import { type VectorFacts, vectorFacts } from './inspect-vectors.ts'
import { layOutBanks } from './layout.ts'
import { matchSources } from './match-sources.ts'
import type { SourceReference } from './model.ts'
import { modelFolder, openModel } from './open-model.ts'

/** What can be known of models before a search: the rim that opens them. */

export interface Inspection {
  readonly models: readonly (ModelFacts & { readonly id: string })[]
  /** Against the first model; empty for a single one. */
  readonly differences: readonly ModelDifference[]
  /** Why they cannot be merged as they are; undefined: they can. */
  readonly obstacle: { readonly message: string; readonly hint: string | undefined } | undefined
  /** Only with a base, and where nothing is in the way. */
  readonly vectors: VectorFacts | undefined
  readonly estimate: SearchEstimate | undefined
}

export interface ModelDifference {
  readonly ids: readonly [string, string]
  readonly onlyFirst: readonly string[]
  readonly onlySecond: readonly string[]
  /** Of other shape or type. */
  readonly differing: readonly { readonly name: string; readonly first: string; readonly second: string }[]
}

/** Of a search that holds all models in memory, as `amalgam search` does. */
export interface SearchEstimate {
  readonly workers: number
  /** Weights of all models as float32, once per machine; and the merged weights of each worker. */
  readonly sharedBytes: number
  readonly bytesPerWorker: number
  /** What comes on top, once per machine, with one model as the base: by method; `linear` and `task_arithmetic` prepare nothing. */
  readonly prepared: PreparedEstimate
  /** Of a merged model as files. */
  readonly diskBytes: number
  /** One candidate's merge by one worker, from the copy bandwidth that was measured just now; without its evaluation. */
  readonly mergeSeconds: number
  readonly bytesPerSecond: number
}

/**
 * @param base id of the model that the others were tuned from
 * @param readWeights false: headers only
 * @throws {ConfigError | FormatError} where a model cannot be read
 */
export function inspectModels(
  references: readonly SourceReference[],
  base: string | undefined,
  readWeights: boolean,
): Inspection {
  const sources: NamedCheckpoint[] = []
  try {
    for (const { id, path } of references) sources.push({ id, checkpoint: openModel(path) })
    const models = sources.map(({ id, checkpoint }, s) => ({
      id,
      ...modelFacts(checkpoint, readConfig(modelFolder(references[s]!.path))),
      path: references[s]!.path,
    }))
    const [first, ...rest] = sources
    const differences = rest.map(other => differenceOf(first!, other))
    let common: CommonTensors
    let matched: NamedCheckpoint[]
    try {
      matched = matchSources(sources)
      common = requireCommonTensors(matched)
    } catch (error) {
      if (!(error instanceof MergeError)) throw error
      const obstacle = { message: error.message, hint: error.hint }
      return { models, differences, obstacle, vectors: undefined, estimate: undefined }
    }
    const ancestor = matched.find(({ id }) => id === base)
    const vectors =
      ancestor === undefined || !readWeights
        ? undefined
        : vectorFacts(
            ancestor,
            matched.filter(source => source !== ancestor),
            common.weights,
          )
    const estimate = sources.length > 1 ? estimateOf(common, models) : undefined
    return { models, differences, obstacle: undefined, vectors, estimate }
  } finally {
    for (const { checkpoint } of sources) checkpoint.close()
  }
}

function differenceOf(a: NamedCheckpoint, b: NamedCheckpoint): ModelDifference {
  const [x, y] = [a.checkpoint.tensors, b.checkpoint.tensors]
  return {
    ids: [a.id, b.id],
    onlyFirst: [...x.keys()].filter(name => !y.has(name)),
    onlySecond: [...y.keys()].filter(name => !x.has(name)),
    differing: [...x.values()].flatMap(tensor => {
      const other = y.get(tensor.name)
      if (other === undefined) return []
      const [first, second] = [tensor, other].map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`)
      return first === second ? [] : [{ name: tensor.name, first: first!, second: second! }]
    }),
  }
}

function estimateOf({ weights }: CommonTensors, models: Inspection['models']): SearchEstimate {
  const workers = availableParallelism()
  const bytesPerWorker = weights.reduce((sum, tensor) => sum + elementsOf(tensor) * 4, 0)
  const bytesPerSecond = copyBandwidth()
  const layout = layOutBanks(weights, models.length, workers)
  return {
    workers,
    sharedBytes: layout.arenas.reduce((sum, { at }) => sum + at, 0),
    prepared: estimatePrepared(weights, models.length - 1, layout),
    bytesPerWorker,
    diskBytes: models[0]!.bytes,
    // Every source is read and the result written once; a copy reads and writes each byte.
    mergeSeconds: (bytesPerWorker * (models.length + 1)) / (2 * bytesPerSecond),
    bytesPerSecond,
  }
}

/** Bytes copied per second by one thread, the best of a few tries: memory of its own, larger than caches. */
function copyBandwidth(): number {
  const [from, to] = [new Float32Array(1 << 24).fill(1), new Float32Array(1 << 24)]
  let best = 0
  for (let k = 0; k < 4; k++) {
    const started = performance.now()
    to.set(from)
    best = Math.max(best, from.byteLength / ((performance.now() - started) / 1000))
  }
  return best
}

function readConfig(folder: string): Readonly<Record<string, unknown>> | undefined {
  const file = join(folder, 'config.json')
  if (!statSync(folder).isDirectory() || !existsSync(file)) return undefined
  try {
    const config: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return typeof config === 'object' && config !== null ? (config as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined // the weights can be looked at all the same
  }
}
