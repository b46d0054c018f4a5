import { describe, expect, it } from 'vitest'
import {
  canRedraw,
  createPaint,
  isAsciiOnly,
  terminalWidth,
  textOptionsFor,
  usesColour,
} from '../../src/cli/terminal.ts'

const write = () => true
const terminal = { isTTY: true, columns: 100, write }
const file = { write }

describe('usesColour', () => {
  it.each([
    [terminal, {}, true],
    [file, {}, false],
    [terminal, { NO_COLOR: '1' }, false],
    [terminal, { NO_COLOR: '' }, true],
    [terminal, { TERM: 'dumb' }, false],
    [file, { FORCE_COLOR: '1' }, true],
    [file, { FORCE_COLOR: '1', NO_COLOR: '1', TERM: 'dumb' }, true],
    [terminal, { FORCE_COLOR: '0' }, false],
    [terminal, { FORCE_COLOR: 'false' }, false],
  ])('decides case %#', (stream, env, expected) => expect(usesColour(stream, env)).toBe(expected))
})

describe('createPaint', () => {
  it('paints or leaves text alone, whatever stdout is', () => {
    expect(createPaint(true)('green', 'x')).toBe('\u001b[32mx\u001b[39m')
    expect(createPaint(true)('green', '')).toBe('')
    expect(createPaint(false)('green', 'x')).toBe('x')
  })
})

describe('terminalWidth', () => {
  it('is the terminal’s, else COLUMNS, else 80, between 40 and 200', () => {
    expect(terminalWidth(terminal, { COLUMNS: '90' })).toBe(100)
    expect(terminalWidth(file, { COLUMNS: '90' })).toBe(90)
    expect(terminalWidth(file, { COLUMNS: 'wide' })).toBe(80)
    expect(terminalWidth(file, {})).toBe(80)
    expect(terminalWidth({ ...terminal, columns: 0 }, {})).toBe(80)
    expect(terminalWidth({ ...terminal, columns: 10 }, {})).toBe(40)
    expect(terminalWidth({ ...terminal, columns: 999 }, {})).toBe(200)
  })
})

describe('isAsciiOnly', () => {
  it.each([
    [{}, false],
    [{ LANG: 'C' }, true],
    [{ LANG: 'C.UTF-8' }, false],
    [{ LANG: 'de_DE.utf8' }, false],
    [{ LANG: 'de_DE.UTF-8', LC_ALL: 'POSIX' }, true],
    [{ LANG: 'de_DE.UTF-8', TERM: 'dumb' }, true],
  ])('decides %j', (env, expected) => expect(isAsciiOnly(env)).toBe(expected))
})

describe('canRedraw', () => {
  it('needs a terminal that understands escapes and no log', () => {
    expect(canRedraw(terminal, {})).toBe(true)
    expect(canRedraw(terminal, { CI: 'false' })).toBe(true)
    expect(canRedraw(terminal, { CI: '1' })).toBe(false)
    expect(canRedraw(terminal, { TERM: 'dumb' })).toBe(false)
    expect(canRedraw(file, {})).toBe(false)
  })
})

describe('textOptionsFor', () => {
  it('puts width, colour and character set together', () => {
    const { width, ascii, paint } = textOptionsFor(terminal, { LANG: 'C' })
    expect([width, ascii, paint('bold', 'x')]).toEqual([100, true, '\u001b[1mx\u001b[22m'])
  })
})
