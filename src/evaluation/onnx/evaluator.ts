import { resolve } from 'node:path'
import type { EvaluatorDefinition } from '../definition.ts'
import { type OnnxOptions, onnxOptionsSchema } from './options.ts'
import { mapPaths } from './paths.ts'

export const onnxEvaluator: EvaluatorDefinition<OnnxOptions> = {
  kind: 'onnx',
  summary: 'Runs an ONNX graph with the merged weights in process: classification, language models and more.',
  options: onnxOptionsSchema,
  resolvePaths: (options, folder) => mapPaths(options, path => resolve(folder, path)),
  create: async (id, options) => (await import('./create.ts')).createOnnxEvaluator(id, options),
}
