// Many normal numbers in a short time: for mutations that move every weight of a network.

const LAYERS = 256
/** Where the tail begins and the area of a layer, for 256 layers (G. Marsaglia, W. W. Tsang, "The Ziggurat Method", JSS 5(8), 2000). */
const [TAIL, AREA] = [3.6541528853610088, 0.00492867323399]
const density = x => Math.exp(-0.5 * x * x)
/** Right edges of the layers, the outermost first; heights at the edges. */
const edge = new Float64Array(LAYERS + 1)
edge[0] = AREA / density(TAIL)
edge[1] = TAIL
for (let i = 2; i < LAYERS; i++) edge[i] = Math.sqrt(-2 * Math.log(AREA / edge[i - 1] + density(edge[i - 1])))
const height = edge.map(density)

/** @param rng seeds a generator of its own (sfc32: C. Doty-Humphrey, PractRand). @returns adds N(0, deviation²) to every element */
export function createNoise(rng) {
  const state = Int32Array.from({ length: 4 }, () => rng.uniform() * 2 ** 32) // an array: numbers in closures are boxed
  const next = () => {
    const t = (((state[0] + state[1]) | 0) + state[3]) | 0
    state[3] = (state[3] + 1) | 0
    state[0] = state[1] ^ (state[1] >>> 9)
    state[1] = (state[2] + (state[2] << 3)) | 0
    state[2] = (((state[2] << 21) | (state[2] >>> 11)) + t) | 0
    return t
  }
  const uniform = () => ((next() >>> 0) + 0.5) / 2 ** 32
  for (let i = 0; i < 12; i++) next()
  /** Ziggurat: 8 bits choose the layer, 24 bits and a sign the place in it. */
  const normal = () => {
    for (;;) {
      const layer = next() & 255
      const signed = next() / 2 ** 31
      const x = signed * edge[layer]
      if (Math.abs(x) < edge[layer + 1]) return x
      if (layer === 0) {
        for (;;) {
          const beyond = -Math.log(uniform()) / TAIL
          if (-2 * Math.log(uniform()) > beyond * beyond) return signed < 0 ? -TAIL - beyond : TAIL + beyond
        }
      }
      if (height[layer] + uniform() * (height[layer + 1] - height[layer]) < density(x)) return x
    }
  }
  return (target, deviation) => {
    for (let i = 0; i < target.length; i++) target[i] += deviation * normal()
  }
}
