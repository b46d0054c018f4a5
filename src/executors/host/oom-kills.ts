import { readFileSync } from 'node:fs'

/**
 * How many processes the kernel has killed since boot because memory was full, or `undefined` where it does not say (not Linux, or
 * before 4.13). A SIGKILL does not tell who sent it; that this number has grown does.
 */
export function countOomKills(): number | undefined {
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'latin1'))?.[1]
    return count === undefined ? undefined : Number(count)
  } catch {
    return undefined
  }
}
