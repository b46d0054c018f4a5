// `node --import <this file>` runs the project's TypeScript in a child process or worker; Node 20 cannot do that by itself.
import { readFileSync } from 'node:fs'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'

// Node loads the file a second time, for the hook below, in a thread of its own.
if (!import.meta.url.endsWith('?hook')) register(`${import.meta.url}?hook`)

let typescript

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context)
  typescript ??= (await import('typescript')).default
  const compilerOptions = { module: typescript.ModuleKind.ESNext, target: typescript.ScriptTarget.ES2023 }
  const text = readFileSync(fileURLToPath(url), 'utf8')
  const { outputText } = typescript.transpileModule(text, { compilerOptions })
  return { format: 'module', source: outputText, shortCircuit: true }
}
