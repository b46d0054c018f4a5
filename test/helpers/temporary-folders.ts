import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made: string[] = []

/** An empty folder that goes when the test file is done. Also within hooks and what they call. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `amalgam-${name}-`))
  made.push(folder)
  return folder
}

/** Called by `setup-file.ts`, after each file. */
export function removeTemporaryFolders(): void {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true })
}
