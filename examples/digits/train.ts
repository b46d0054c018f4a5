import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildOnnxModel, createRng, writeSafetensors } from 'amalgam'
import { encodeCsv, examplesOf, loadDigits, makeTasks, splitDigits, TASKS, type Task } from './data.ts'
import { accuracy, copyNetwork, createNetwork, type Network, train } from './network.ts'

// Re-creates everything beside it that is not source: npm run train:digits [folder]
// One base network trained on upright digits, and three experts fine-tuned from it: digits 0-4, digits 5-9, turned digits.

const SEED = 20260101
const SIZES = [64, 96, 96, 64, 48, 10]
const BASE = { steps: 200, batch: 32, rate: 1e-3 }
const EXPERTS: Readonly<Record<Task, { readonly steps: number; readonly batch: number; readonly rate: number }>> = {
  low: { steps: 300, batch: 32, rate: 3e-4 },
  high: { steps: 300, batch: 32, rate: 3e-4 },
  shifted: { steps: 500, batch: 32, rate: 5e-4 },
}

// Compiled, this file lies in dist/examples/digits; the files it makes belong beside its source.
const HOME = fileURLToPath(new URL('../../../examples/digits', import.meta.url))

function main(folder: string): void {
  mkdirSync(join(folder, 'data'), { recursive: true })
  const seed = createRng(SEED)
  const rows = splitDigits(loadDigits(join(HOME, 'data', 'digits.csv.gz')), seed.split('split'))
  const tasks = makeTasks(rows, seed.split('noise'))
  for (const task of TASKS) writeFileSync(join(folder, 'data', `${task}.csv.gz`), encodeCsv(tasks[task]))

  const base = createNetwork(SIZES, seed.split('initial weights'))
  train(base, [...examplesOf(tasks.low, 'train'), ...examplesOf(tasks.high, 'train')], BASE, seed.split('base'))
  save(folder, 'base', base, tasks)
  for (const task of TASKS) {
    const expert = copyNetwork(base)
    train(expert, examplesOf(tasks[task], 'train'), EXPERTS[task], seed.split(task))
    save(folder, task, expert, tasks)
  }
  writeFileSync(join(folder, 'network.onnx'), graph(base))
}

function save(folder: string, name: string, network: Network, tasks: ReturnType<typeof makeTasks>): void {
  const tensors = parameters(network).map(({ name: tensor, shape, data }) => {
    const bytes = new Uint8Array(data.buffer)
    return [tensor, { dtype: 'F32', shape, data: bytes }] as const
  })
  writeSafetensors(join(folder, `${name}.safetensors`), tensors)
  const scores = TASKS.map(task => `${task} ${accuracy(network, examplesOf(tasks[task], 'holdout')).toFixed(4)}`)
  console.log(`${name.padEnd(8)} holdout accuracy: ${scores.join('  ')}`)
}

/** Names as in the graph: `layers.N.weight` (outputs, inputs) and `layers.N.bias` (outputs,). */
function parameters(network: Network) {
  return network.flatMap(({ inputs, outputs, weight, bias }, n) => [
    { name: `layers.${n}.weight`, shape: [outputs, inputs], data: Float32Array.from(weight) },
    { name: `layers.${n}.bias`, shape: [outputs], data: Float32Array.from(bias) },
  ])
}

/** pixels (batch, 64) → logits (batch, 10): y = x Wᵀ + b, ReLU between layers. */
function graph(network: Network): Uint8Array {
  const last = network.length - 1
  return buildOnnxModel({
    name: 'digits',
    inputs: [{ name: 'pixels', shape: ['batch', 64] }],
    outputs: [{ name: 'logits', shape: ['batch', 10] }],
    nodes: network.flatMap((_, n) => {
      const linear = {
        op: 'Gemm',
        inputs: [n === 0 ? 'pixels' : `relu.${n - 1}`, `layers.${n}.weight`, `layers.${n}.bias`],
        outputs: [n === last ? 'logits' : `linear.${n}`],
        attributes: { transB: { int: 1 } },
      }
      return n === last ? [linear] : [linear, { op: 'Relu', inputs: [`linear.${n}`], outputs: [`relu.${n}`] }]
    }),
    initializers: parameters(network),
  })
}

main(process.argv[2] ?? HOME)
