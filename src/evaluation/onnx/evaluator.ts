import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { canonicalJson } from '../../space/recipe.ts'
import { InputFiles } from '../data/files.ts'
import type { EvaluatorDefinition } from '../definition.ts'
import { mapInputPaths } from './array-task.ts'
import { mapTextPaths } from './language/text-options.ts'
import { type OnnxOptions, onnxOptionsSchema } from './options.ts'
import { planOnnx } from './plan.ts'
import { TASKS } from './tasks/registry.ts'

/** Changes whenever the same files and options would give other scores. Part of the digest. */
const VERSION = 'onnx evaluator 2'

export const onnxEvaluator: EvaluatorDefinition<OnnxOptions> = {
  kind: 'onnx',
  summary: 'Runs an ONNX graph with the merged weights in process: classification, language models and more.',
  options: onnxOptionsSchema,
  resolvePaths: (options, folder) => mapPaths(options, path => resolve(folder, path)),
  create: async (id, options) => {
    const files = new InputFiles()
    const plan = await planOnnx(id, options, files)
    const inputs = files.digests()
    // Contents, not places: the same data elsewhere is the same evaluator.
    const byContent = mapPaths(options, path => `sha256:${inputs[path]}`)
    const digest = createHash('sha256')
      .update(canonicalJson({ version: VERSION, options: decisive(byContent), files: Object.values(inputs).sort() }))
      .digest('hex')
    return {
      id,
      objectives: plan.objectives.map(({ objective }) => objective),
      digest,
      inputs,
      ...(options.heads && { unmerged: options.heads }),
      open: async context => {
        const { openOnnxSession } = await import('./session.ts')
        return openOnnxSession(plan, context && { workers: context.workers })
      },
    }
  },
}

/** The options that may decide a score. `threads: auto` gives what one thread gives, bit by bit. */
function decisive({ threads, ...rest }: OnnxOptions): Omit<OnnxOptions, 'threads'> & { readonly threads?: number } {
  return threads === 'auto' || threads === 1 ? rest : { ...rest, threads }
}

/** The options with every path replaced. */
function mapPaths(options: OnnxOptions, change: (path: string) => string): OnnxOptions {
  return {
    ...options,
    graph: change(options.graph),
    ...(options.exported_from === undefined ? {} : { exported_from: change(options.exported_from) }),
    inputs: mapInputPaths(options.inputs, change),
    ...(options.text === undefined ? {} : { text: mapTextPaths(options.text, change) }),
    // Each task's own definition gives back what it was given, with other paths.
    tasks: options.tasks.map(
      task => TASKS.get(task.kind ?? 'classification')!.mapPaths(task, change) as OnnxOptions['tasks'][number],
    ),
  }
}
