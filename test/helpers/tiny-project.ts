import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildOnnxModel } from '../../src/formats/onnx-build.ts'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import { createRng } from '../../src/rng.ts'

/** A whole project in a temporary folder: two linear classifiers over two inputs, each blind to one of them, their base, data, files. */
export interface TinyProject {
  readonly folder: string
  readonly space: string // path of the search-space file
  path(...parts: string[]): string
  write(name: string, text: string | Uint8Array): string
  /** Runs the command line in the folder. */
  amalgam(...args: string[]): Promise<CommandResult>
  remove(): void
}

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export const SPACE = `genome:
  merge_method: task_arithmetic
  base_model: models/base.safetensors
  models: [models/left.safetensors, models/right.safetensors]
  layer_granularity: 1
evaluator: evaluators/sides.yaml
strategy: cma-es
budget: 24
seed: 5
`

export const EVALUATOR = `kind: onnx
id: sides
graph: ../models/network.onnx
inputs:
  x: { columns: [a, b] }
output: logits
tasks:
  - { name: left, data: ../data.csv, label: { column: left }, split: { column: split } }
  - { name: right, data: ../data.csv, label: { column: right }, split: { column: split } }
objectives:
  - { name: left, task: left, metric: accuracy }
  - { name: right_nll, task: right, metric: negative_log_likelihood }
`

export function createTinyProject(): TinyProject {
  const folder = mkdtempSync(join(tmpdir(), 'amalgam-project-'))
  const path = (...parts: string[]): string => join(folder, ...parts)
  const write = (name: string, text: string | Uint8Array): string => {
    writeFileSync(path(name), text)
    return path(name)
  }
  for (const name of ['models', 'evaluators']) mkdirSync(path(name))

  // logits = second(first(x)): class 1 when its input is positive. "left" answers for input a, "right" for input b.
  const weights = (a: number, b: number): Record<string, { shape: number[]; data: Float32Array }> => ({
    'layers.0.weight': { shape: [2, 2], data: Float32Array.of(1 + a, 0, 0, 1 + b) },
    'layers.1.weight': { shape: [2, 2], data: Float32Array.of(-a, -b, a, b) },
  })
  const save = (name: string, tensors: ReturnType<typeof weights>): void =>
    writeSafetensors(
      path('models', `${name}.safetensors`),
      Object.entries(tensors).map(([key, { shape, data }]) => [
        key,
        { dtype: 'F32' as const, shape, data: new Uint8Array(data.buffer) },
      ]),
    )
  save('base', weights(0.1, 0.1))
  save('left', weights(1, 0))
  save('right', weights(0, 1))
  write(
    'models/network.onnx',
    buildOnnxModel({
      inputs: [{ name: 'x', shape: ['batch', 2] }],
      outputs: [{ name: 'logits', shape: ['batch', 2] }],
      nodes: [
        { op: 'Gemm', inputs: ['x', 'layers.0.weight'], outputs: ['h'], attributes: { transB: { int: 1 } } },
        { op: 'Gemm', inputs: ['h', 'layers.1.weight'], outputs: ['logits'], attributes: { transB: { int: 1 } } },
      ],
      initializers: Object.entries(weights(0.1, 0.1)).map(([name, tensor]) => ({ name, ...tensor })),
    }),
  )
  const rng = createRng(1)
  const splits = ['search', 'select', 'holdout']
  const rows = Array.from({ length: 120 }, (_, i) => {
    const [a, b] = [rng.normal(), rng.normal()]
    return [a.toFixed(4), b.toFixed(4), a > 0 ? 1 : 0, b > 0 ? 1 : 0, splits[i % 3]].join(',')
  })
  write('data.csv', `a,b,left,right,split\n${rows.join('\n')}\n`)
  write('evaluators/sides.yaml', EVALUATOR)
  return {
    folder,
    space: write('space.yaml', SPACE),
    path,
    write,
    amalgam: (...args) => runAmalgam(folder, args),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

const LAUNCHER = fileURLToPath(new URL('../../bin/amalgam.js', import.meta.url))

/** The built command line, as a person starts it. */
export function runAmalgam(folder: string, args: readonly string[]): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [LAUNCHER, ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', COLUMNS: '120' },
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', code => resolve({ code, stdout, stderr }))
  })
}
