import { existsSync } from 'node:fs'
import { resolveModelPath } from './model-path.ts'

/** What {@link openModel} takes, with every part of it absolute. */
export function absoluteModelPath(folder: string, name: string): string {
  return resolveModelPath(folder, name, existsSync)
}
