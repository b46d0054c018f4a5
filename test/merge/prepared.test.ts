import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { createPreparedMemory, Prepared } from '../../src/merge/fast/prepared.ts'

const ARENA = { at: 65_536, bytes: 10 * 64 }

function memoryOf(threads = 2) {
  const memory = createPreparedMemory([ARENA], threads)
  return { memory, prepared: new Prepared(memory, 0, threads), other: new Prepared(memory, 1, threads) }
}

/** Borrows and says where, and whether it had to be built. */
function borrow(prepared: Prepared, key: string, units: number): { readonly at: number; readonly built: boolean } {
  let built = false
  const build = () => {
    built = true
  }
  return prepared.borrow(0, key, units * 64, build, at => ({ at, built }))
}

describe('prepared memory', () => {
  it('builds an entry once, for all threads', () => {
    const { prepared, other } = memoryOf()
    const first = borrow(prepared, 'a', 4)
    expect(first).toEqual({ at: ARENA.at, built: true })
    expect(borrow(prepared, 'a', 4)).toEqual({ at: ARENA.at, built: false })
    expect(borrow(other, 'a', 4)).toEqual({ at: ARENA.at, built: false })
    expect(borrow(other, 'b', 4)).toEqual({ at: ARENA.at + 4 * 64, built: true })
  })

  it('makes room by what was used least recently', () => {
    const { prepared } = memoryOf()
    borrow(prepared, 'a', 4)
    borrow(prepared, 'b', 4)
    borrow(prepared, 'a', 4)
    expect(borrow(prepared, 'c', 4)).toEqual({ at: ARENA.at + 4 * 64, built: true })
    expect(borrow(prepared, 'a', 4).built).toBe(false)
    expect(borrow(prepared, 'b', 4).built).toBe(true)
  })

  it('leaves what another thread is using where it is', () => {
    const { prepared, other } = memoryOf()
    borrow(prepared, 'a', 4)
    borrow(prepared, 'b', 4)
    const places = prepared.borrow(
      0,
      'a',
      4 * 64,
      () => {},
      at => [at, borrow(other, 'c', 5).at],
    )
    expect(places).toEqual([ARENA.at, ARENA.at + 4 * 64])
    expect(borrow(prepared, 'a', 4).built).toBe(false)
  })

  it('holds one more entry that an entry is built from, and no third', () => {
    const { prepared, other } = memoryOf()
    borrow(prepared, 'part', 3)
    const built = prepared.borrow(
      0,
      'whole',
      4 * 64,
      () => {
        const inner = () =>
          prepared.borrow(
            0,
            'part',
            3 * 64,
            () => {},
            at => {
              expect(at).toBe(ARENA.at)
              expect(borrow(other, 'c', 3).at).toBe(ARENA.at + 7 * 64) // the other 7 are in use
              expect(() => borrow(prepared, 'third', 1)).toThrow('uses 2 prepared entries at once')
              return 'built'
            },
          )
        expect(inner()).toBe('built')
      },
      at => at,
    )
    expect(built).toBe(ARENA.at + 3 * 64)
    expect(borrow(other, 'part', 3).built).toBe(false)
    expect(borrow(other, 'd', 10).built).toBe(true) // nothing is in use any more
  })

  it('forgets an entry that could not be built, and what a thread left when it died', () => {
    const { memory, prepared } = memoryOf()
    const fail = () => {
      throw new Error('no')
    }
    expect(() => prepared.borrow(0, 'a', 64, fail, () => 0)).toThrow('no')
    expect(borrow(prepared, 'a', 1).built).toBe(true)
    let again: Prepared | undefined
    prepared.borrow(
      0,
      'b',
      64,
      () => {
        again = new Prepared(memory, 0, 2) // as after the death of the thread in the middle of building
      },
      () => 0,
    )
    expect(borrow(again!, 'c', 9).built).toBe(true)
  })

  it('refuses what is larger than the arena, by size', () => {
    const { prepared } = memoryOf()
    expect(prepared.fits(0, 640)).toBe(true)
    expect(prepared.fits(0, 641)).toBe(false)
    expect(() => borrow(prepared, 'a', 11)).toThrow('takes 704 bytes, and its bank has 640')
  })

  it('gives spare room only: nothing makes way, and scratch is free again', () => {
    const { prepared, other } = memoryOf()
    const spare = (from: Prepared, key: string, units: number, scratch = 0, mayBuild = true) => {
      let built = false
      const build = () => {
        built = true
      }
      const use = (at: number) => ({ at, built })
      return from.borrowSpare(0, key, units * 64, scratch * 64, mayBuild ? build : undefined, use)
    }
    expect(spare(prepared, 'a', 2, 0, false)).toBeUndefined()
    expect(spare(prepared, 'a', 2, 9)).toBeUndefined()
    expect(spare(prepared, 'a', 2, 8)).toEqual({ at: ARENA.at, built: true })
    expect(spare(other, 'a', 2, 8, false)).toEqual({ at: ARENA.at, built: false })
    expect(borrow(prepared, 'b', 8)).toEqual({ at: ARENA.at + 2 * 64, built: true })
    expect(spare(prepared, 'c', 1)).toBeUndefined()
    expect(borrow(prepared, 'a', 2).built).toBe(false)
    expect(borrow(prepared, 'd', 8).built).toBe(true) // 'b' made way for it
    expect(spare(prepared, 'b', 8, 0, false)).toBeUndefined()
  })

  it('makes a second thread wait until the first has built', async () => {
    const { memory, prepared } = memoryOf()
    const url = new URL('../../dist/merge/fast/prepared.js', import.meta.url).href
    const code = `import { workerData, parentPort } from 'node:worker_threads'
      const { Prepared } = await import(${JSON.stringify(url)})
      const prepared = new Prepared(workerData, 1, 2)
      parentPort.postMessage('ready')
      parentPort.postMessage(prepared.borrow(0, 'a', 64, () => { throw new Error('built twice') }, () => 'found'))`
    const messages: string[] = []
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData: memory })
    const ended = new Promise<void>((resolve, reject) => {
      worker.on('message', message => messages.push(String(message)))
      worker.on('error', reject)
      worker.on('exit', () => resolve())
    })
    prepared.borrow(
      0,
      'a',
      64,
      () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300),
      () => 0,
    )
    await ended
    expect(messages).toEqual(['ready', 'found'])
  })
})
