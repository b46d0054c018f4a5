import { z } from 'zod'
import type { Covariance } from './cma-es-options.ts'
import { CmaEsRun, cmaEsConstants, cmaEsRunStateSchema } from './cma-es-run.ts'
import { LimitedMemoryRun, limitedMemoryConstants, limitedMemoryRunStateSchema } from './limited-memory-run.ts'
import { SeparableRun, separableConstants, separableRunStateSchema } from './separable-run.ts'

export type CovarianceModel = Exclude<Covariance, 'auto'>

/** Largest n for which `auto` takes the full matrix: an update there costs about 10 ms a sample, nothing beside a merge and its evaluation. */
const FULL_UP_TO = 500

/** @param run index of the run, 0 before any restart. */
export function covarianceModel(covariance: Covariance, dimension: number, run: number): CovarianceModel {
  if (covariance !== 'auto') return covariance
  if (dimension <= FULL_UP_TO) return 'full'
  return run === 0 ? 'separable' : 'lm-ma'
}

export interface DistributionSettings {
  readonly populationSize: number
  readonly active: boolean
}

/** Where a run starts. */
export interface Start {
  readonly mean: Float64Array
  readonly sigma: number
  /** Start of C: shape (n, n), lower triangle read, for `full`, the diagonal (n,) for `separable`, unused by `lm-ma`. The identity unless given. */
  readonly covariance?: Float64Array
}

/** A distribution together with the form it has, for state and for what only one form can do. */
export type Model =
  | { readonly covariance: 'full'; readonly run: CmaEsRun }
  | { readonly covariance: 'separable'; readonly run: SeparableRun }
  | { readonly covariance: 'lm-ma'; readonly run: LimitedMemoryRun }

export function createModel(covariance: CovarianceModel, start: Start, settings: DistributionSettings): Model {
  const { mean, sigma } = start
  const n = mean.length
  switch (covariance) {
    case 'full': {
      const constants = cmaEsConstants(n, settings.populationSize, settings.active)
      return { covariance, run: new CmaEsRun(mean, sigma, constants, start.covariance) }
    }
    case 'separable': {
      const constants = separableConstants(n, settings.populationSize, settings.active)
      return { covariance, run: new SeparableRun(mean, sigma, constants, start.covariance) }
    }
    case 'lm-ma':
      return { covariance, run: new LimitedMemoryRun(mean, sigma, limitedMemoryConstants(n, settings.populationSize)) }
  }
}

export const modelStateSchema = z.discriminatedUnion('covariance', [
  z.strictObject({ covariance: z.literal('full'), run: cmaEsRunStateSchema }),
  z.strictObject({ covariance: z.literal('separable'), run: separableRunStateSchema }),
  z.strictObject({ covariance: z.literal('lm-ma'), run: limitedMemoryRunStateSchema }),
])
export type ModelState = z.infer<typeof modelStateSchema>

export function modelState(model: Model): ModelState {
  switch (model.covariance) {
    case 'full':
      return { covariance: model.covariance, run: model.run.snapshot() }
    case 'separable':
      return { covariance: model.covariance, run: model.run.snapshot() }
    case 'lm-ma':
      return { covariance: model.covariance, run: model.run.snapshot() }
  }
}

/** @param dimension n. */
export function restoreModel(state: ModelState, dimension: number, active: boolean): Model {
  const { populationSize } = state.run
  switch (state.covariance) {
    case 'full': {
      const constants = cmaEsConstants(dimension, populationSize, active)
      return { covariance: state.covariance, run: CmaEsRun.restore(state.run, constants) }
    }
    case 'separable': {
      const constants = separableConstants(dimension, populationSize, active)
      return { covariance: state.covariance, run: SeparableRun.restore(state.run, constants) }
    }
    case 'lm-ma': {
      const constants = limitedMemoryConstants(dimension, populationSize)
      return { covariance: state.covariance, run: LimitedMemoryRun.restore(state.run, constants) }
    }
  }
}
