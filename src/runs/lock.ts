import { join } from 'node:path'
import { SqlError, Sqlite } from './sqlite.ts'

/**
 * A run's write lock: an open exclusive transaction on an empty database of its own. The kernel ends it with the process that
 * holds it, however that dies, so there is no lock file that could go stale. Who holds it is said by the run's `sessions`.
 */
export const LOCK_FILE = 'lock.sqlite'

/** Long enough for a look by {@link isLocked} to pass, milliseconds. */
const PATIENCE_MS = 300

export interface Lock {
  /** Idempotent. */
  release(): void
}

/** `undefined`: another process, or another opening in this one, holds it. @throws {SqlError} if the lock cannot be had at all. */
export function takeLock(folder: string): Lock | undefined {
  // `exec` only: a connection without prepared statements gives its file descriptors back when it is closed.
  const database = new Sqlite(join(folder, LOCK_FILE), 'create', PATIENCE_MS)
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error instanceof SqlError && error.problem === 'busy') return undefined
    throw error
  }
  let held = true
  return {
    release() {
      if (!held) return
      held = false
      database.exec('ROLLBACK')
      database.close()
    },
  }
}

/** Whether someone writes to the run at this moment. Only looks: it asks for a lock that many may share. */
export function isLocked(folder: string): boolean {
  let database: Sqlite
  try {
    database = new Sqlite(join(folder, LOCK_FILE), 'read', 0)
  } catch (error) {
    if (error instanceof SqlError && error.problem === 'cannot-open') return false // never opened for writing here
    throw error
  }
  try {
    database.exec('BEGIN; SELECT 1 FROM sqlite_schema; COMMIT')
    return false
  } catch (error) {
    if (error instanceof SqlError && error.problem === 'busy') return true
    throw error
  } finally {
    database.close()
  }
}
