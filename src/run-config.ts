import { z } from 'zod'
import type { Genome, JsonValue } from './candidate.ts'
import { parseResolvedConfig, type ResolvedConfig, resolvedConfigJson } from './config/resolved.ts'
import { RunStoreError } from './errors.ts'
import { decodeFloat32, encodeFloat32 } from './numerics/float-codec.ts'
import type { RunReader } from './runs/run-store.ts'
import type { Scalarization } from './scalarization.ts'
import { createSearchSpace } from './space/build-space.ts'
import type { PieceFacts } from './space/piece-space.ts'
import type { Recipe } from './space/recipe.ts'
import type { SearchSpace } from './space/search-space.ts'

/**
 * What a run's manifest holds as its config: the resolved config, and the tensor names its space was built on, so that genomes
 * can be decoded by anyone who has the run folder, models or not.
 */
const recordedSchema = z.strictObject({
  resolved: z.unknown(),
  tensors: z.array(z.string()),
  pieces: z.strictObject({ elements: z.array(z.int().min(0)), products: z.string() }).optional(),
})

export interface RecordedConfig {
  readonly resolved: ResolvedConfig
  readonly tensors: readonly string[]
  /** Where candidates are made of pieces of the models. */
  readonly pieces?: PieceFacts
}

export function recordConfig({ resolved, tensors, pieces }: RecordedConfig): JsonValue {
  return {
    resolved: resolvedConfigJson(resolved),
    tensors,
    ...(pieces && { pieces: { elements: pieces.elements, products: encodeFloat32(pieces.products) } }),
  }
}

/** A run for reading, with the search space its genomes belong to. */
export interface RunView {
  readonly run: RunReader
  readonly config: RecordedConfig
  readonly space: SearchSpace
  /** How renderings decode and compare candidates. */
  readonly options: { readonly decode: (genome: Genome) => Recipe; readonly scalarization: Scalarization }
}

/** @throws {RunStoreError | ConfigError} if the recorded config is not one this version writes. */
export function viewRun(run: RunReader): RunView {
  const recorded = recordedSchema.safeParse(run.manifest.config)
  if (!recorded.success) {
    throw new RunStoreError(`The manifest of run "${run.manifest.runId}" holds no config that this version can read.`, {
      hint: 'It was written by another version, or changed by hand.',
    })
  }
  const { tensors, pieces } = recorded.data
  const config = {
    resolved: parseResolvedConfig(recorded.data.resolved),
    tensors,
    ...(pieces && { pieces: { elements: pieces.elements, products: decodeFloat32(pieces.products) } }),
  }
  const space = spaceOf(config)
  return {
    run,
    config,
    space,
    options: { decode: genome => space.decode(genome), scalarization: scalarizationOf(config.resolved) },
  }
}

export function spaceOf({ resolved, tensors, pieces }: RecordedConfig): SearchSpace {
  return createSearchSpace(resolved.genome, tensors, resolved.models, resolved.base, pieces)
}

/** The strategy's scalarisation where it has one; winners are named by the same number. */
export function scalarizationOf(config: ResolvedConfig): Scalarization {
  const { options } = config.strategy
  return typeof options === 'object' &&
    options !== null &&
    'scalarization' in options &&
    options.scalarization === 'mean'
    ? 'mean'
    : 'worst'
}
