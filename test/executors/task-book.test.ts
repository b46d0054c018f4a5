import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Evaluation } from '../../src/candidate.ts'
import { type HostEnd, type Task, TaskBook } from '../../src/executors/host/task-book.ts'
import { jobWith } from './support.ts'

const scored: Evaluation = { status: 'scored', values: [1], timing: { totalMs: 1, mergeMs: 0, inferenceMs: 0 } }

function died(signal: NodeJS.Signals | null, output = '', outOfMemory = false): HostEnd {
  return { type: 'died', death: { code: signal === null ? 134 : null, signal, outOfMemory }, output }
}

class Scene {
  readonly book: TaskBook
  readonly answers = new Map<Task, Evaluation | Error>()
  readonly tasks: Task[]

  constructor(workers: number, count: number) {
    this.book = new TaskBook(workers)
    this.tasks = Array.from({ length: count }, (_, i) => {
      const task: Task = this.book.add(jobWith(i), outcome => {
        if (this.answers.has(task)) throw new Error('answered twice')
        this.answers.set(task, outcome)
      })
      return task
    })
  }

  /** Sends what may be sent, and returns the ids. */
  send(hostJobs = 0): number[] {
    const step = this.book.next(hostJobs)
    if (step.type === 'fresh-host') throw new Error('wants a fresh host')
    for (const task of step.tasks) this.book.sent(task)
    return step.tasks.map(task => task.id)
  }

  start(...ids: number[]): void {
    for (const id of ids) this.book.started(this.tasks[id]!)
  }

  finish(id: number): void {
    this.book.settle(this.tasks[id]!, scored)
    this.book.returned(this.tasks[id]!)
  }

  answer(id: number): Evaluation | Error | undefined {
    return this.answers.get(this.tasks[id]!)
  }
}

describe('TaskBook', () => {
  test('sends in submission order, two per thread, and one more for each that is done', () => {
    const scene = new Scene(2, 7)
    expect(scene.send()).toEqual([0, 1, 2, 3])
    expect(scene.send()).toEqual([])
    scene.start(0, 1)
    scene.finish(1)
    expect(scene.send()).toEqual([4])
  })

  test('after a death the running ones go alone, one by one, then all others follow in order', () => {
    const scene = new Scene(2, 5)
    scene.send()
    scene.start(0, 1)
    scene.book.hostEnded(died('SIGSEGV'))
    expect(scene.send()).toEqual([0])
    expect(scene.send()).toEqual([])
    scene.finish(0)
    expect(scene.send()).toEqual([1])
    scene.finish(1)
    expect(scene.send()).toEqual([2, 3, 4])
  })

  test('a suspect waits until the host has finished what it holds', () => {
    const scene = new Scene(2, 4)
    scene.send()
    scene.start(0, 1)
    scene.book.returned(scene.tasks[0]!)
    scene.book.threadDied(scene.tasks[0]!, { kind: 'crashed', reason: 'Its thread exited with code 5.' })
    expect(scene.send()).toEqual([])
    for (const id of [1, 2, 3]) scene.finish(id)
    expect(scene.send()).toEqual([0])
  })

  test('two deaths of its own while alone convict; the first one, in company, does not count', () => {
    const scene = new Scene(1, 1)
    for (let life = 0; life < 3; life++) {
      expect(scene.answer(0)).toBeUndefined()
      expect(scene.send()).toEqual([0])
      scene.start(0)
      scene.book.hostEnded(died(life === 1 ? null : 'SIGABRT', 'out\nof words'))
    }
    expect(scene.answer(0)).toMatchObject({
      kind: 'crashed',
      reason:
        'Its process ended 2 times while nothing else ran in it, last with signal SIGABRT. Last output: out of words',
    })
    expect(scene.book.size).toBe(0)
  })

  test('twenty-five kills from outside while alone convict, twenty-four do not', () => {
    const scene = new Scene(1, 2)
    for (let life = 0; life < 25; life++) {
      scene.send()
      scene.start(0)
      scene.book.hostEnded(died('SIGKILL'))
    }
    expect(scene.answer(0)).toBeUndefined()
    scene.send()
    scene.start(0)
    scene.book.hostEnded(died('SIGKILL'))
    expect(scene.answer(0)).toMatchObject({ kind: 'crashed' })
    expect(scene.send()).toEqual([1])
  })

  test('killed by the kernel for its memory: convicted like one that crashes, each time alone in a fresh process', () => {
    const scene = new Scene(1, 2)
    scene.send()
    for (let life = 0; life < 3; life++) {
      expect(scene.answer(0)).toBeUndefined()
      if (life > 0) expect(scene.book.next(1)).toMatchObject({ type: 'fresh-host' })
      if (life > 0) expect(scene.send()).toEqual([0])
      scene.start(0)
      scene.book.hostEnded(died('SIGKILL', '', true))
    }
    expect(scene.answer(0)).toMatchObject({
      kind: 'memory',
      reason:
        'Its process ended 2 times while nothing else ran in it, last with SIGKILL by the kernel, because memory was full.',
    })
  })

  test('a death before any start was heard of makes the first ones suspect: a crash at once cannot repeat for ever', () => {
    const scene = new Scene(2, 4)
    scene.send()
    scene.book.hostEnded(died('SIGSEGV'))
    expect(scene.send()).toEqual([0])
  })

  test('a host that was killed for a known reason makes nobody suspect', () => {
    const scene = new Scene(2, 4)
    scene.send()
    scene.start(0, 1)
    scene.book.fail(scene.tasks[0]!, 'timeout', 'No result within its time limit of 5 ms.')
    scene.book.hostEnded({ type: 'killed' })
    expect(scene.answer(0)).toMatchObject({ kind: 'timeout' })
    expect(scene.send()).toEqual([1, 2, 3])
  })

  test('too much memory: each of those that ran gets a fresh process, and fails when it is too much again', () => {
    const scene = new Scene(2, 3)
    scene.send()
    scene.start(0, 1)
    scene.book.hostEnded({ type: 'over-memory', reason: 'The process grew to 9 MiB, past its limit of 8 MiB.' })
    expect(scene.book.next(1)).toEqual({ type: 'fresh-host', task: scene.tasks[0] })
    expect(scene.send()).toEqual([0])
    scene.start(0)
    scene.book.hostEnded({ type: 'over-memory', reason: 'The process grew to 9 MiB, past its limit of 8 MiB.' })
    expect(scene.answer(0)).toMatchObject({
      kind: 'memory',
      reason: 'Alone in a fresh process: The process grew to 9 MiB, past its limit of 8 MiB.',
    })
    expect(scene.send()).toEqual([1])
    scene.finish(1)
    expect(scene.book.next(1)).toEqual({ type: 'send', tasks: [scene.tasks[2]] })
  })

  test('one that was given up is never sent again', () => {
    const scene = new Scene(2, 3)
    scene.send()
    scene.start(0, 1)
    scene.book.settle(scene.tasks[0]!, new DOMException('given up', 'AbortError'))
    scene.book.hostEnded(died('SIGSEGV'))
    expect(scene.send()).toEqual([1])
    scene.finish(1)
    expect(scene.send()).toEqual([2])
  })

  test('whatever dies and when, everyone is answered once, and only those that kill are convicted', () => {
    const kinds = fc.constantFrom<'fine' | 'segfault' | 'exit'>('fine', 'fine', 'fine', 'segfault', 'exit')
    const world = fc.record({
      workers: fc.integer({ min: 1, max: 3 }),
      kinds: fc.array(kinds, { minLength: 1, maxLength: 12 }),
      // Before which steps an operator kills the host.
      kills: fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 20 }),
      pick: fc.infiniteStream(fc.nat()),
    })
    fc.assert(
      fc.property(world, ({ workers, kinds: kind, kills, pick }) => {
        const scene = new Scene(workers, kind.length)
        let inHost: number[] = []
        for (let step = 0; scene.book.size > 0; step++) {
          if (step > 500) throw new Error('no end')
          inHost.push(...scene.send())
          const running = inHost.slice(0, workers)
          scene.start(...running.filter(id => scene.tasks[id]!.state === 'sent'))
          if (kills.includes(step)) {
            scene.book.hostEnded(died('SIGKILL'))
            inHost = []
            continue
          }
          const id = running[pick.next().value % running.length]!
          if (kind[id] === 'segfault') {
            scene.book.hostEnded(died('SIGSEGV'))
            inHost = []
            continue
          }
          inHost = inHost.filter(other => other !== id)
          if (kind[id] === 'fine') scene.finish(id)
          else {
            scene.book.returned(scene.tasks[id]!)
            scene.book.threadDied(scene.tasks[id]!, { kind: 'crashed', reason: 'Its thread exited with code 5.' })
          }
        }
        kind.forEach((k, id) => {
          expect(scene.answer(id)).toMatchObject({ status: k === 'fine' ? 'scored' : 'failed' })
        })
        expect(scene.book.inHost).toBe(0)
      }),
      { numRuns: 300 },
    )
  })
})
