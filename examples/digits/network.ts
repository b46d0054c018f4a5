import type { Rng } from 'amalgam'

/** A multilayer perceptron with ReLU between its layers, trained with Adam on softmax cross-entropy, in float64. */

export interface Layer {
  readonly inputs: number
  readonly outputs: number
  readonly weight: Float64Array // (outputs, inputs), row-major
  readonly bias: Float64Array // (outputs,)
}
export type Network = readonly Layer[]

export interface Example {
  readonly x: Float64Array // (64,), 0..1
  readonly y: number // 0..9
}

/** He initialisation (K. He et al., 2015): weights N(0, 2 / inputs), biases 0. */
export function createNetwork(sizes: readonly number[], rng: Rng): Network {
  return sizes.slice(1).map((outputs, l) => {
    const inputs = sizes[l]!
    const weight = Float64Array.from({ length: outputs * inputs }, () => Math.sqrt(2 / inputs) * rng.normal())
    return { inputs, outputs, weight, bias: new Float64Array(outputs) }
  })
}

export function copyNetwork(network: Network): Network {
  return network.map(layer => ({ ...layer, weight: layer.weight.slice(), bias: layer.bias.slice() }))
}

/** Activations of every layer, the input first, the logits last. */
export function forward(network: Network, x: Float64Array): readonly Float64Array[] {
  const activations = [x]
  network.forEach(({ inputs, outputs, weight, bias }, l) => {
    const h = activations[l]!
    const z = new Float64Array(outputs)
    for (let i = 0; i < outputs; i++) {
      let sum = bias[i]!
      for (let j = 0; j < inputs; j++) sum += weight[i * inputs + j]! * h[j]!
      z[i] = l < network.length - 1 ? Math.max(0, sum) : sum
    }
    activations.push(z)
  })
  return activations
}

export interface Training {
  readonly steps: number
  readonly batch: number
  /** Adam's step size; falls along a cosine to a tenth of it. */
  readonly rate: number
}

/** Trains in place. D. P. Kingma, J. Ba, "Adam", 2015, with its default β₁ = 0.9, β₂ = 0.999, ε = 1e-8. */
export function train(
  network: Network,
  examples: readonly Example[],
  { steps, batch, rate }: Training,
  rng: Rng,
): void {
  const parameters = network.flatMap(layer => [layer.weight, layer.bias])
  const gradients = parameters.map(p => new Float64Array(p.length))
  const first = parameters.map(p => new Float64Array(p.length))
  const second = parameters.map(p => new Float64Array(p.length))
  let order: number[] = []
  for (let step = 1; step <= steps; step++) {
    for (const gradient of gradients) gradient.fill(0)
    for (let k = 0; k < batch; k++) {
      if (order.length === 0) order = shuffled(examples.length, rng)
      backward(network, examples[order.pop()!]!, gradients)
    }
    const eta = rate * (0.1 + 0.45 * (1 + Math.cos((Math.PI * step) / steps)))
    const correction1 = 1 - 0.9 ** step
    const correction2 = 1 - 0.999 ** step
    parameters.forEach((parameter, p) => {
      const [g, m, v] = [gradients[p]!, first[p]!, second[p]!]
      for (let i = 0; i < parameter.length; i++) {
        const gradient = g[i]! / batch
        m[i] = 0.9 * m[i]! + 0.1 * gradient
        v[i] = 0.999 * v[i]! + 0.001 * gradient * gradient
        parameter[i]! -= (eta * (m[i]! / correction1)) / (Math.sqrt(v[i]! / correction2) + 1e-8)
      }
    })
  }
}

/** Adds one example's gradient of the cross-entropy. `gradients`: weight and bias of each layer in turn. */
function backward(network: Network, { x, y }: Example, gradients: readonly Float64Array[]): void {
  const activations = forward(network, x)
  const logits = activations.at(-1)!
  const largest = Math.max(...logits)
  const exponentials = logits.map(logit => Math.exp(logit - largest))
  const sum = exponentials.reduce((total, e) => total + e, 0)
  let delta: Float64Array = exponentials.map((e, i) => e / sum - (i === y ? 1 : 0))
  for (let l = network.length - 1; l >= 0; l--) {
    const { inputs, outputs, weight } = network[l]!
    const h = activations[l]!
    const [weightGradient, biasGradient] = [gradients[2 * l]!, gradients[2 * l + 1]!]
    const below = new Float64Array(inputs)
    for (let i = 0; i < outputs; i++) {
      const d = delta[i]!
      biasGradient[i]! += d
      for (let j = 0; j < inputs; j++) {
        weightGradient[i * inputs + j]! += d * h[j]!
        if (h[j]! > 0) below[j]! += d * weight[i * inputs + j]! // ReLU passes where it was open
      }
    }
    delta = below
  }
}

/** Share of the examples whose largest logit is the label's. */
export function accuracy(network: Network, examples: readonly Example[]): number {
  const right = examples.filter(({ x, y }) => {
    const logits = forward(network, x).at(-1)!
    return logits.indexOf(Math.max(...logits)) === y
  })
  return right.length / examples.length
}

/** 0 .. count - 1 in random order (Fisher-Yates). */
export function shuffled(count: number, rng: Rng): number[] {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = rng.integer(0, i + 1)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}
