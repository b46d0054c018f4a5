import type { SessionChoice } from '../evaluator.ts'

/**
 * Two ways to give a graph its weights. `inputs`: the initializers are promoted to graph inputs, one session serves all candidates, and
 * merged buffers are fed as they are. `initializers`: the weights are written into the model's bytes and every candidate gets a
 * session, which lets the runtime pack constant weights and lay convolution kernels out in blocks.
 */
export type WeightsMode = 'inputs' | 'initializers'

/** Which way, and why. */
export interface WeightsChoice extends SessionChoice {
  readonly option: 'weights'
  readonly value: WeightsMode
}

/** What a comparison of the two ways found. */
export interface WeightsTrial {
  /** Estimated milliseconds per candidate. */
  readonly inputsMs: number
  readonly initializersMs: number
  /** Whether all outputs were equal, bit by bit. */
  readonly isEqual: boolean
}

/**
 * `initializers` must be faster and must give the same bits: workers measure for themselves, and must never disagree in more than
 * speed. (They often differ: what is packed or blocked is summed in another order.)
 */
export function chooseWeightsMode({ inputsMs, initializersMs, isEqual }: WeightsTrial): WeightsChoice {
  const times = `about ${inputsMs.toFixed(1)} ms as inputs, ${initializersMs.toFixed(1)} ms as initializers per candidate`
  if (inputsMs <= initializersMs) return { option: 'weights', value: 'inputs', reason: `Faster: ${times}.` }
  if (isEqual) return { option: 'weights', value: 'initializers', reason: `Faster: ${times}.` }
  return {
    option: 'weights',
    value: 'inputs',
    reason: `Slower (${times}), but the two ways differ in the last bits: set "weights: initializers" to take the faster in every worker.`,
  }
}
