import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../errors.ts'
import type { RunFacts } from './facts.ts'
import { renderHtml } from './html.ts'
import { renderMarkdown } from './markdown.ts'

/**
 * Writes `report.html` and `report.md` into a run's folder; returns their paths. A reader sees the old file or the whole new one.
 * @throws {ConfigError} when the folder cannot be written to.
 */
export function writeReport(folder: string, facts: RunFacts): readonly string[] {
  const files: readonly (readonly [name: string, text: string])[] = [
    ['report.html', renderHtml(facts)],
    ['report.md', renderMarkdown(facts)],
  ]
  return files.map(([name, text]) => {
    const path = join(folder, name)
    replaceFile(path, text)
    return path
  })
}

/** A link planted under the final name is replaced, not followed; one under the temporary name makes the open fail. */
function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    rmSync(temporary, { force: true })
    const descriptor = openSync(temporary, 'wx')
    try {
      writeFileSync(descriptor, text)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(temporary, path)
  } catch (cause) {
    rmSync(temporary, { force: true })
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'
    throw new ConfigError(`${path} cannot be written (${code}).`, {
      hint: 'Check that the folder exists, that you may write to it, and that the disk has room.',
      cause,
    })
  }
}
