import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildOnnxModel, type OnnxNodeSpec, type OnnxValueSpec } from 'amalgam'

// The U-Net of train.py as an ONNX graph whose weights are inputs, named as in the checkpoints: npm run graph:segmentation [FILE]
// image (batch, 1, side, side), 0..1 → logits (batch, 1, side, side) of the object. Side must be divisible by 4.

const HOME = fileURLToPath(new URL('../../../examples/segmentation', import.meta.url))
const SIDE = 32
const WIDTHS = [12, 24, 48] as const

/** Blocks 0 and 1 go down, 2 is the bottom, 3 and 4 go up beside what 1 and 0 gave. */
function unetGraph(side: number, [a, b, c]: readonly [number, number, number]): Uint8Array {
  const nodes: OnnxNodeSpec[] = []
  const weights: OnnxValueSpec[] = []

  const add = (op: string, output: string, inputs: string[], attributes: OnnxNodeSpec['attributes'] = {}): string => {
    nodes.push({ op, inputs, outputs: [output], attributes })
    return output
  }
  const weight = (name: string, ...shape: number[]): string => {
    weights.push({ name, shape })
    return name
  }
  /** Two convolutions of 3 × 3, each followed by ReLU; height and width stay. */
  const block = (number: number, x: string, inputs: number, width: number): string => {
    const at = `blocks.${number}`
    const convolve = (part: number, from: string, channels: number): string => {
      const name = `${at}.conv${part}`
      const all = [from, weight(`${name}.weight`, width, channels, 3, 3), weight(`${name}.bias`, width)]
      const attributes = { kernel_shape: { ints: [3, 3] }, pads: { ints: [1, 1, 1, 1] } }
      return add('Relu', `${name}.active`, [add('Conv', name, all, attributes)])
    }
    return convolve(2, convolve(1, x, inputs), width)
  }
  const pool = (x: string, output: string): string =>
    add('MaxPool', output, [x], { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } })
  /** Twice the height and width, half the channels, then beside them what came from the way down. */
  const up = (number: number, x: string, skipped: string, width: number): string => {
    const name = `blocks.${number}.up`
    const all = [x, weight(`${name}.weight`, 2 * width, width, 2, 2), weight(`${name}.bias`, width)]
    const attributes = { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } }
    const larger = add('ConvTranspose', name, all, attributes)
    return add('Concat', `${name}.joined`, [larger, skipped], { axis: { int: 1 } })
  }

  const first = block(0, 'image', 1, a)
  const second = block(1, pool(first, 'pool.0'), a, b)
  const bottom = block(2, pool(second, 'pool.1'), b, c)
  const third = block(3, up(3, bottom, second, b), 2 * b, b)
  const fourth = block(4, up(4, third, first, a), 2 * a, a)
  add('Conv', 'logits', [fourth, weight('head.weight', 1, a, 1, 1), weight('head.bias', 1)])

  return buildOnnxModel({
    name: 'unet',
    inputs: [{ name: 'image', shape: ['batch', 1, side, side] }, ...weights],
    outputs: [{ name: 'logits', shape: ['batch', 1, side, side] }],
    nodes,
    initializers: [],
  })
}

const file = process.argv[2] ?? join(HOME, 'unet.onnx')
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, unetGraph(SIDE, WIDTHS))
