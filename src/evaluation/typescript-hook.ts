import { readFileSync } from 'node:fs'
import { createRequire, type LoadHook } from 'node:module'
import { fileURLToPath } from 'node:url'

/**
 * A hook for Node versions that cannot read TypeScript by themselves (before 22.18): types are taken out by the `typescript` package, found from
 * the file that is loaded, as that file would find it. Registered by `module.ts`; runs in a thread of Node's own.
 */
export const load: LoadHook = async (url, context, next) => {
  if (!url.startsWith('file:') || !/\.m?ts$/.test(new URL(url).pathname)) return next(url, context)
  const path = fileURLToPath(url)
  const typescript: typeof import('typescript') = createRequire(path)('typescript')
  const { outputText } = typescript.transpileModule(readFileSync(path, 'utf8'), {
    compilerOptions: { module: typescript.ModuleKind.ESNext, target: typescript.ScriptTarget.ES2023 },
  })
  return { format: 'module', source: outputText, shortCircuit: true }
}
