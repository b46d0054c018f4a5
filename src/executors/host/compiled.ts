import { fileURLToPath } from 'node:url'

/**
 * Absolute path of a compiled module of this folder. A child process and a thread load plain JavaScript, also when the caller runs
 * from the TypeScript sources: `src/` maps to `dist/`.
 */
export function compiledPath(fileName: `${string}.js`, moduleUrl: string = import.meta.url): string {
  const here = moduleUrl.endsWith('.ts') ? moduleUrl.replace(/\/src\/(?!.*\/src\/)/, '/dist/') : moduleUrl
  return fileURLToPath(new URL(fileName, here))
}
