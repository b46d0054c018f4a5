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
  let database: Sqlite | undefined
  try {
    database = new Sqlite(join(folder, LOCK_FILE), 'create', PATIENCE_MS)
    database.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    if (error instanceof SqlError && error.problem === 'busy') return undefined
    throw error
  }
  const holding = database
  let held = true
  return {
    release() {
      if (!held) return
      held = false
      holding.exec('ROLLBACK')
      holding.close()
    },
  }
}

/** Whether someone writes to the run at this moment. Only looks: it asks for a lock that many may share. */
export function isLocked(folder: string): boolean {
  let database: Sqlite | undefined
  try {
    database = new Sqlite(join(folder, LOCK_FILE), 'read', 0)
    database.exec('SELECT 1 FROM run.sqlite_schema')
    return false
  } catch (error) {
    if (error instanceof SqlError && error.problem === 'busy') return true
    if (error instanceof SqlError && error.problem === 'cannot-open') return false // never opened for writing here
    throw error
  } finally {
    database?.close()
  }
}
