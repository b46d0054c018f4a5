import { createRequire } from 'node:module'

let loaded: typeof import('ml-matrix') | undefined

/**
 * ml-matrix, from the first call on: it takes a while to load, and most commands only read what merge methods say of themselves. Synchronous, as
 * merging is.
 */
export function mlMatrix(): typeof import('ml-matrix') {
  loaded ??= createRequire(import.meta.url)('ml-matrix') as typeof import('ml-matrix')
  return loaded
}
