import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Gives the whole run a temporary folder of its own, and takes it away at the end.
 * @throws {Error} (at the end) if tests have left folders of theirs in it
 */
export default function setUpRun(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'amalgam-tests-'))
  for (const name of ['TMPDIR', 'TMP', 'TEMP']) process.env[name] = folder // what os.tmpdir() reads, in the workers too
  return () => {
    const left = readdirSync(folder).filter(name => name.startsWith('amalgam-'))
    rmSync(folder, { recursive: true, force: true })
    if (left.length === 0) return
    process.exitCode = 1 // of an error at this point vitest only says that there was one
    throw new Error(`Tests must remove their temporary folders; ${left.length} were left: ${left.join(', ')}.`)
  }
}
