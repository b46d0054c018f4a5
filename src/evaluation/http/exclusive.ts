import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A lock among the threads and processes of a machine, for a server that serves one candidate at a time. It is a listening socket, so
 * that the system frees it when its holder dies; who waits is connected to it, and so hears when it is free.
 */

export interface Lock {
  release(): Promise<void>
}

/** @param name what is locked: an address */
export async function acquireLock(name: string): Promise<Lock> {
  const path = lockPath(name)
  for (;;) {
    const server = await listen(path)
    if (server !== undefined) return held(server)
    await untilReleased(path)
  }
}

function lockPath(name: string): string {
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 32)
  if (process.platform === 'linux') return `\0amalgam-lock-${digest}` // abstract: no file, nothing to go stale
  if (process.platform === 'win32') return `\\\\.\\pipe\\amalgam-lock-${digest}`
  return join(tmpdir(), `amalgam-lock-${digest}`)
}

interface Held extends Server {
  readonly waiting: Set<{ destroy(): void }>
}

function listen(path: string): Promise<Held | undefined> {
  return new Promise((resolve, reject) => {
    const waiting = new Set<{ destroy(): void }>()
    const server = createServer(socket => {
      waiting.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => waiting.delete(socket))
    })
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(path, () => resolve(Object.assign(server, { waiting })))
  })
}

function held(server: Held): Lock {
  return {
    release: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of server.waiting) socket.destroy()
      }),
  }
}

/** Where a lock is a file, one whose holder is gone refuses connections, and is removed. */
function untilReleased(path: string): Promise<void> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' && !path.startsWith('\0')) rmSync(path, { force: true })
    })
    socket.on('close', () => setTimeout(resolve, 1))
    socket.resume()
  })
}
