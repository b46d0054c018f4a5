import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { canonicalJson } from '../../space/recipe.ts'
import type { EvaluatorDefinition } from '../definition.ts'
import { InputFiles } from './data.ts'
import { type OnnxInput, type OnnxOptions, onnxOptionsSchema } from './options.ts'
import { planOnnx } from './plan.ts'

/** Changes whenever the same files and options would give other scores. Part of the digest. */
const VERSION = 'onnx evaluator 2'

export const onnxEvaluator: EvaluatorDefinition<OnnxOptions> = {
  kind: 'onnx',
  summary: 'Runs an ONNX graph with the merged weights over labelled examples: accuracy and likelihood per task.',
  options: onnxOptionsSchema,
  resolvePaths: (options, folder) => mapPaths(options, path => resolve(folder, path)),
  create: async (id, options) => {
    const files = new InputFiles()
    const plan = await planOnnx(id, options, files)
    const inputs = files.digests()
    // Contents, not places: the same data elsewhere is the same evaluator.
    const byContent = mapPaths(options, path => `sha256:${inputs[path]}`)
    const digest = createHash('sha256')
      .update(canonicalJson({ version: VERSION, options: byContent }))
      .digest('hex')
    return {
      id,
      objectives: plan.objectives,
      digest,
      inputs,
      open: async () => {
        const { openOnnxSession } = await import('./session.ts')
        return openOnnxSession(plan)
      },
    }
  },
}

/** The options with every path replaced. */
function mapPaths(options: OnnxOptions, change: (path: string) => string): OnnxOptions {
  const ofNpy = <T extends { npy?: string | undefined }>(source: T): T =>
    source.npy === undefined ? source : { ...source, npy: change(source.npy) }
  const ofInputs = (inputs: Readonly<Record<string, OnnxInput>>): Record<string, OnnxInput> =>
    Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, ofNpy(input)]))
  return {
    ...options,
    graph: change(options.graph),
    inputs: ofInputs(options.inputs),
    tasks: options.tasks.map(task => ({
      ...task,
      ...(task.data === undefined ? {} : { data: change(task.data) }),
      ...(task.inputs === undefined ? {} : { inputs: ofInputs(task.inputs) }),
      label: ofNpy(task.label),
      split: ofNpy(task.split),
    })),
  }
}
