import { resolve } from 'node:path'

/**
 * How models are named: a path, or `model+adapter`, mergekit's way to write a model with a low-rank adapter applied. Several adapters are
 * applied from left to right.
 */

/**
 * The parts of a name, the model first.
 * @param exists whether a part is there
 * @returns undefined where neither the whole name nor all parts of it are
 */
export function splitModelPath(name: string, exists: (part: string) => boolean): readonly string[] | undefined {
  if (exists(name)) return [name]
  for (let at = name.lastIndexOf('+'); at > 0; at = name.lastIndexOf('+', at - 1)) {
    const adapter = name.slice(at + 1)
    if (adapter === '' || !exists(adapter)) continue
    const rest = splitModelPath(name.slice(0, at), exists)
    if (rest !== undefined) return [...rest, adapter]
  }
  return undefined
}

/** Every part made absolute; a name of nothing that is there is taken for one path. */
export function resolveModelPath(folder: string, name: string, exists: (path: string) => boolean): string {
  const parts = splitModelPath(name, part => exists(resolve(folder, part))) ?? [name]
  return parts.map(part => resolve(folder, part)).join('+')
}
