import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** This package's version, from its package.json. */
export function version(): string {
  const manifest: unknown = require('../package.json')
  return hasVersion(manifest) ? manifest.version : 'unknown'
}

/** The version of an installed dependency, without loading it; `unknown` where it does not say. */
export function dependencyVersion(name: string): string {
  try {
    const manifest: unknown = require(`${name}/package.json`)
    return hasVersion(manifest) ? manifest.version : 'unknown'
  } catch {
    return 'unknown'
  }
}

function hasVersion(value: unknown): value is { version: string } {
  return typeof value === 'object' && value !== null && 'version' in value && typeof value.version === 'string'
}
