import type { Evaluation } from '../../src/candidate.ts'
import type { EvaluationJob } from '../../src/evaluation/job.ts'
import type { Executor } from '../../src/executors/executor.ts'

export interface FakeExecutor extends Executor {
  /** Jobs in the order in which they were submitted. */
  readonly jobs: readonly EvaluationJob[]
  /** The most jobs that were submitted and not done at one time. */
  readonly mostOpen: number
}

export interface FakeExecutorOptions {
  readonly score: (job: EvaluationJob) => Evaluation
  /** Milliseconds until the n-th job is done; 0: in a later turn of the event loop. Default 0. */
  readonly delayMs?: (n: number) => number
  /** Jobs that run at once; the others wait. Default: all. */
  readonly workers?: number
  /** Examples per objective in every split. Default: none. */
  readonly exampleCount?: readonly number[]
}

/** Scores by a function after a while, and keeps an executor's promises about abort. */
export function fakeExecutor({
  score,
  delayMs = () => 0,
  workers = Infinity,
  exampleCount = [],
}: FakeExecutorOptions): FakeExecutor {
  const jobs: EvaluationJob[] = []
  const waiting: (() => void)[] = []
  let running = 0
  let open = 0
  let mostOpen = 0
  const closing = new AbortController()

  const startNext = (): void => {
    while (running < workers && waiting.length > 0) {
      running++
      waiting.shift()!()
    }
  }
  return {
    jobs,
    get mostOpen() {
      return mostOpen
    },
    submit(job, signal) {
      const n = jobs.length
      jobs.push(job)
      mostOpen = Math.max(mostOpen, ++open)
      const stop = AbortSignal.any([closing.signal, ...(signal === undefined ? [] : [signal])])
      return new Promise<Evaluation>((resolve, reject) => {
        let timer: NodeJS.Timeout | undefined
        const giveUp = (): void => {
          clearTimeout(timer)
          reject(new DOMException('given up', 'AbortError'))
        }
        if (stop.aborted) return giveUp()
        stop.addEventListener('abort', giveUp, { once: true })
        waiting.push(() => {
          const finish = (): void => {
            running--
            open--
            stop.removeEventListener('abort', giveUp)
            try {
              resolve(score(job))
            } catch (error) {
              reject(error)
            }
            startNext()
          }
          const delay = delayMs(n)
          if (delay === 0) setImmediate(finish)
          else timer = setTimeout(finish, delay)
        })
        startNext()
      })
    },
    exampleCount: () => exampleCount,
    diagnostics: () => ({ restarts: 0, choices: [] }),
    async close() {
      closing.abort()
    },
  }
}
