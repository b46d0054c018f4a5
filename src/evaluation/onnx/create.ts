import { createHash } from 'node:crypto'
import { canonicalJson } from '../../space/recipe.ts'
import { InputFiles } from '../data/files.ts'
import type { Evaluator } from '../evaluator.ts'
import type { OnnxOptions } from './options.ts'
import { mapPaths } from './paths.ts'
import { planOnnx } from './plan.ts'

/** Changes whenever the same files and options would give other scores. Part of the digest. */
const VERSION = 'onnx evaluator 2'

export async function createOnnxEvaluator(id: string, options: OnnxOptions): Promise<Evaluator> {
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
}

/** The options that may decide a score. `threads: auto` gives what one thread gives, bit by bit. */
function decisive({ threads, ...rest }: OnnxOptions): Omit<OnnxOptions, 'threads'> & { readonly threads?: number } {
  return threads === 'auto' || threads === 1 ? rest : { ...rest, threads }
}
