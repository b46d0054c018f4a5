import type { Mix } from '../operators/operator.ts'

// As in `assembly/mix.ts`.
const MIXINGS = { sum: 0, elect: 1, erase: 3, consensus: 4, limit: 5, unique: 6 } as const
const NORMALIZED = 2

/** How the kernel is told to mix: its kind, the scale of what is added, and what bounds it. */
export function mixArguments(mix: Mix): { readonly mixing: number; readonly scale: number; readonly bound: number } {
  const mixing = MIXINGS[mix.kind]
  switch (mix.kind) {
    case 'sum':
      return { mixing, scale: mix.scale, bound: 0 }
    case 'elect':
      return { mixing: mix.normalize ? NORMALIZED : mixing, scale: mix.lambda, bound: 0 }
    case 'erase':
      return { mixing, scale: 1, bound: 0 }
    case 'consensus':
      return { mixing, scale: mix.alpha, bound: mix.tasks }
    case 'limit':
      return { mixing, scale: mix.limit, bound: 0 }
    case 'unique':
      return { mixing, scale: 1, bound: below(mix.epsilon) }
  }
}

/** The largest float32 that is not above: float32 magnitudes above it are those above the number. */
export function below(value: number): number {
  const nearest = Math.fround(value)
  if (nearest <= value) return nearest
  const bits = new Uint32Array(Float32Array.of(nearest).buffer)
  bits[0]! -= 1
  return new Float32Array(bits.buffer)[0]!
}
