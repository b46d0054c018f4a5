import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createProgress, type ProgressState, renderProgress } from '../../src/cli/progress.ts'
import { displayWidth } from '../../src/report/plain-text.ts'

const state: ProgressState = {
  done: 137,
  total: 300,
  failed: 2,
  best: 0.03125,
  hypervolume: 0.8312,
  fresh: 137,
  elapsedMs: 44_000,
}

describe('renderProgress', () => {
  it('shows count, share, best, hypervolume, failures, rate and what is left', () => {
    expect(renderProgress(state, 120)).toBe(
      '▕██████████▉             ▏  137/300  45 %  best 0.0313  hypervolume 0.8312  2 failed  3.1/s  52.4 s left',
    )
    expect(renderProgress(state, 120, { ascii: true })).toBe(
      '[##########..............]  137/300  45 %  best 0.0313  hypervolume 0.8312  2 failed  3.1/s  52.4 s left',
    )
  })

  it('fits any width and drops the least important first', () => {
    for (let width = 7; width <= 200; width++) {
      expect(displayWidth(renderProgress(state, width))).toBeLessThanOrEqual(width)
      expect(renderProgress(state, width)).toContain('137/300')
    }
    expect(renderProgress(state, 40)).toBe('137/300  45 %  best 0.0313  52.4 s left')
  })

  it('claims no remaining time before it can know, nor when all is done', () => {
    expect(renderProgress({ ...state, fresh: 2 }, 120)).not.toContain('left')
    expect(renderProgress({ ...state, done: 300 }, 120)).not.toContain('left')
  })

  it('computes the rate from what this process evaluated', () => {
    expect(renderProgress({ ...state, fresh: 44 }, 120)).toContain('1.0/s  2 min 43 s left')
    expect(renderProgress({ ...state, fresh: 3, elapsedMs: 3_600_000 }, 120)).toContain('3.0/h')
  })

  it('is whole before the first evaluation', () => {
    const first = { done: 0, total: 300, failed: 0, fresh: 0, elapsedMs: 0 }
    expect(renderProgress(first, 120, { ascii: true })).toBe(`[${'.'.repeat(24)}]  0/300  0 %`)
  })
})

class Screen {
  readonly isTTY: boolean
  readonly columns = 80
  text = ''

  constructor(isTTY: boolean) {
    this.isTTY = isTTY
  }

  write(text: string): void {
    this.text += text
  }

  /** The text without the live lines that were overwritten. */
  lines(): string[] {
    return this.text.split('\n').map(line => line.split('\r').at(-1)!.replace('\u001b[K', ''))
  }
}

const update = (done: number) => ({ done, total: 300, failed: 0 })

describe('createProgress', () => {
  beforeEach(
    () =>
      void vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'] }),
  )
  afterEach(() => void vi.useRealTimers())

  it('redraws at most ten times a second and shows the latest state', () => {
    const screen = new Screen(true)
    const progress = createProgress(screen, { enabled: true, env: {} })
    for (let done = 1; done <= 200; done++) {
      progress.update(update(done))
      vi.advanceTimersByTime(5)
    }
    vi.advanceTimersByTime(100)
    const draws = screen.text.split('\r').length - 1
    expect(draws).toBeGreaterThanOrEqual(10)
    expect(draws).toBeLessThanOrEqual(13)
    expect(screen.lines().at(-1)).toContain('200/300')
    expect(screen.text).not.toContain('\n')
  })

  it('leaves nothing behind when it stops, and writes nothing afterwards', () => {
    const screen = new Screen(true)
    const progress = createProgress(screen, { enabled: true, env: {} })
    progress.update(update(1))
    progress.stop()
    const text = screen.text
    expect(text.endsWith('\r\u001b[K')).toBe(true)
    progress.update(update(2))
    progress.stop()
    vi.advanceTimersByTime(5000)
    expect(screen.text).toBe(text)
  })

  it('keeps its clock going while no evaluation ends', () => {
    const screen = new Screen(true)
    const progress = createProgress(screen, { enabled: true, env: {} })
    progress.update(update(10))
    const before = screen.lines().at(-1)
    vi.advanceTimersByTime(20_000)
    expect(screen.lines().at(-1)).not.toBe(before)
    progress.stop()
  })

  it('prints messages above the live line', () => {
    const screen = new Screen(true)
    const progress = createProgress(screen, { enabled: true, env: {} })
    progress.print('before')
    progress.update(update(1))
    progress.print('the worker host was restarted')
    expect(screen.lines().slice(0, 2)).toEqual(['before', 'the worker host was restarted'])
    expect(screen.lines()[2]).toContain('1/300')
    progress.stop()
  })

  it('writes a plain line every 5 % where there is no terminal', () => {
    const screen = new Screen(false)
    const progress = createProgress(screen, { enabled: true, env: {} })
    for (let done = 1; done <= 300; done++) progress.update(update(done))
    progress.stop()
    const lines = screen.lines().slice(0, -1)
    expect(lines).toHaveLength(20)
    expect(lines[0]).toBe('15/300  5 %')
    expect(lines.at(-1)).toBe('300/300  100 %')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is the point.
    expect(screen.text).not.toMatch(/[\r\u001b]/)
  })

  it('writes a plain line every 30 s where evaluations are slow, and the last state at the end', () => {
    const screen = new Screen(false)
    const progress = createProgress(screen, { enabled: true, env: {}, done: 100 })
    for (let done = 101; done <= 104; done++) {
      vi.advanceTimersByTime(12_000)
      progress.update(update(done))
    }
    progress.stop()
    expect(screen.lines().map(line => line.slice(0, 7))).toEqual(['103/300', '104/300', ''])
  })

  it.each([{ TERM: 'dumb' }, { CI: 'true' }])('does not redraw under %j', env => {
    const screen = new Screen(true)
    const progress = createProgress(screen, { enabled: true, env })
    progress.update(update(1))
    progress.stop()
    expect(screen.text).not.toContain('\r')
  })

  it('is silent when disabled, but still passes messages on', () => {
    const screen = new Screen(true)
    const progress = createProgress(screen, { enabled: false, env: {} })
    progress.update(update(1))
    vi.advanceTimersByTime(60_000)
    progress.stop()
    expect(screen.text).toBe('')
    progress.print('message')
    expect(screen.text).toBe('message\n')
  })
})
