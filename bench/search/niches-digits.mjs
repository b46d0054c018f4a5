// The classifier of the natural-niches experiment: 64 -> 256 -> 10 on the 8x8 digits, 19,210 weights in one flat vector.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import * as ort from 'onnxruntime-node'
import { buildOnnxModel } from '../../dist/formats/onnx-build.js'

const [INPUTS, HIDDEN, CLASSES] = [64, 256, 10]
/** Parts of the flat vector, in order: name, shape. Kernels are (inputs, outputs), row-major. */
export const PARTS = [
  ['hidden.kernel', [INPUTS, HIDDEN]],
  ['hidden.offset', [HIDDEN]],
  ['output.kernel', [HIDDEN, CLASSES]],
  ['output.offset', [CLASSES]],
]
const size = shape => shape.reduce((product, n) => product * n, 1)
export const PARAMETERS = PARTS.reduce((sum, [, shape]) => sum + size(shape), 0)

/** Views of the parts of a flat vector. */
export function partsOf(flat) {
  let at = 0
  return PARTS.map(([name, shape]) => {
    const data = flat.subarray(at, at + size(shape))
    at += size(shape)
    return { name, shape, data }
  })
}

/** The images in their original order: the first 80 % are for training, the rest for testing. Pixels are 0..16. */
export function loadDigits() {
  const file = fileURLToPath(new URL('../../examples/digits/data/digits.csv.gz', import.meta.url))
  const rows = gunzipSync(readFileSync(file))
    .toString()
    .trim()
    .split('\n')
    .map(line => line.split(',').map(Number))
  const cut = Math.trunc(rows.length * 0.8)
  const part = some => ({
    n: some.length,
    x: Float32Array.from(some.flatMap(row => row.slice(0, INPUTS))),
    y: Uint8Array.from(some, row => row[INPUTS]),
  })
  return { train: part(rows.slice(0, cut)), test: part(rows.slice(cut)) }
}

/** The images of some classes. */
export function onlyClasses({ x, y }, wanted) {
  const rows = [...y.keys()].filter(i => wanted.includes(y[i]))
  const images = new Float32Array(rows.length * INPUTS)
  for (const [i, row] of rows.entries()) images.set(x.subarray(row * INPUTS, (row + 1) * INPUTS), i * INPUTS)
  return { n: rows.length, x: images, y: Uint8Array.from(rows, row => y[row]) }
}

/** @returns flat vector -> 1 for each image that is classified rightly, else 0, shape (n,) */
export async function createScorer({ n, x, y }, threads) {
  const model = buildOnnxModel({
    inputs: PARTS.map(([name, shape]) => ({ name, shape })),
    outputs: [{ name: 'logits', shape: [n, CLASSES] }],
    nodes: [
      { op: 'Gemm', inputs: ['pixels', 'hidden.kernel', 'hidden.offset'], outputs: ['sum'] },
      { op: 'Relu', inputs: ['sum'], outputs: ['hidden'] },
      { op: 'Gemm', inputs: ['hidden', 'output.kernel', 'output.offset'], outputs: ['logits'] },
    ],
    initializers: [{ name: 'pixels', shape: [n, INPUTS], data: x }],
  })
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
  })
  return async flat => {
    const feeds = Object.fromEntries(
      partsOf(flat).map(({ name, shape, data }) => [name, new ort.Tensor('float32', data, shape)]),
    )
    const { data } = (await session.run(feeds)).logits
    const right = new Float64Array(n)
    for (let i = 0, at = 0; i < n; i++, at += CLASSES) {
      let best = 0
      for (let c = 1; c < CLASSES; c++) if (data[at + c] > data[at + best]) best = c
      right[i] = best === y[i] ? 1 : 0
    }
    return right
  }
}

export const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length

/** Adam on softmax cross-entropy over all images at once, in float64 (D. P. Kingma, J. Ba, 2015, defaults but for the rate). */
export function train(start, { n, x, y }, { rate = 0.003, steps = 10 } = {}) {
  const weights = Float64Array.from(start)
  const [first, second] = [new Float64Array(PARAMETERS), new Float64Array(PARAMETERS)]
  for (let t = 1; t <= steps; t++) {
    const gradient = new Float64Array(PARAMETERS)
    const [{ data: W }, { data: b }, { data: V }, { data: c }] = partsOf(weights)
    const [{ data: dW }, { data: db }, { data: dV }, { data: dc }] = partsOf(gradient)
    const [h, dh, p] = [new Float64Array(HIDDEN), new Float64Array(HIDDEN), new Float64Array(CLASSES)]
    for (let i = 0; i < n; i++) {
      h.set(b)
      for (let k = 0; k < INPUTS; k++) {
        const pixel = x[i * INPUTS + k]
        if (pixel !== 0) for (let u = 0; u < HIDDEN; u++) h[u] += pixel * W[k * HIDDEN + u]
      }
      p.set(c)
      for (let u = 0; u < HIDDEN; u++) {
        h[u] = Math.max(0, h[u])
        for (let o = 0; o < CLASSES; o++) p[o] += h[u] * V[u * CLASSES + o]
      }
      const top = Math.max(...p)
      let total = 0
      for (let o = 0; o < CLASSES; o++) total += p[o] = Math.exp(p[o] - top)
      for (let o = 0; o < CLASSES; o++) p[o] = (p[o] / total - (o === y[i] ? 1 : 0)) / n
      for (let u = 0; u < HIDDEN; u++) {
        dh[u] = 0
        for (let o = 0; o < CLASSES; o++) {
          dV[u * CLASSES + o] += h[u] * p[o]
          if (h[u] > 0) dh[u] += V[u * CLASSES + o] * p[o]
        }
        db[u] += dh[u]
      }
      for (let o = 0; o < CLASSES; o++) dc[o] += p[o]
      for (let k = 0; k < INPUTS; k++) {
        const pixel = x[i * INPUTS + k]
        if (pixel !== 0) for (let u = 0; u < HIDDEN; u++) dW[k * HIDDEN + u] += pixel * dh[u]
      }
    }
    for (let j = 0; j < PARAMETERS; j++) {
      first[j] = 0.9 * first[j] + 0.1 * gradient[j]
      second[j] = 0.999 * second[j] + 0.001 * gradient[j] ** 2
      weights[j] -= (rate * (first[j] / (1 - 0.9 ** t))) / (Math.sqrt(second[j] / (1 - 0.999 ** t)) + 1e-8)
    }
  }
  return Float32Array.from(weights)
}
