import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Processes that evaluators start, found again by a mark in their environment: also those that left their process group, and those
 * whose owner was killed before it could end them. On Linux, where /proc shows environments; elsewhere only process groups are ended.
 */

/** Environment variable that holds the mark: the identity of the process that started it, a dot, a number. */
export const OWNER_VARIABLE = 'AMALGAM_OWNER'

/** Passes over the process table; a process that forks while it is being killed is found in the next one. */
const KILL_PASSES = 5

/**
 * A name for a process that no later one gets: `<namespace>-<pid>-<start>`. The namespace is that of its process numbers, so that
 * containers that share a folder do not judge each other's processes; 0 where the system has none. Start: clock ticks after boot.
 * `undefined` if there is no such process.
 */
export function processIdentity(pid: number = process.pid): string | undefined {
  if (process.platform !== 'linux') return isRunning(pid) ? `0-${pid}-0` : undefined
  const start = startOf(pid)
  return start === undefined ? undefined : `${namespace()}-${pid}-${start}`
}

/** `undefined`: not to be known from here, because it belongs to another namespace or is no identity at all. */
export function isIdentityAlive(identity: string): boolean | undefined {
  const match = /^(\d+)-(\d+)-(\d+)$/.exec(identity)
  if (match === null || match[1] !== String(namespace())) return undefined
  return processIdentity(Number(match[2])) === identity
}

/** Kills everything that carries the mark, but not this process. */
export function killMarked(mark: string): void {
  if (process.platform !== 'linux') return
  for (let pass = 0; pass < KILL_PASSES; pass++) {
    const found = marked(mark)
    if (found.length === 0) return
    for (const pid of found) kill(pid)
  }
}

/** Ends a process group, if there is one. */
export function killGroup(leader: number): void {
  kill(process.platform === 'win32' ? leader : -leader)
}

/** A mark of a dot-separated path: `mark` itself, or what begins with `mark.`. Zombies have no environment. */
function marked(mark: string): number[] {
  const needle = `\0${OWNER_VARIABLE}=${mark}`
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter(name => {
      try {
        const environment = `\0${readFileSync(`/proc/${name}/environ`, 'latin1')}\0`
        const at = environment.indexOf(needle)
        return at !== -1 && '.\0'.includes(environment[at + needle.length]!)
      } catch {
        return false // gone, or somebody else's
      }
    })
    .map(Number)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // gone already
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Field 22 of /proc/<pid>/stat, which follows a name that may hold anything (proc(5)); `undefined` for a zombie too. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

function namespace(): number {
  try {
    return Number(/\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? 0)
  } catch {
    return 0
  }
}
