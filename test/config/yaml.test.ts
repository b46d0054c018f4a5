import { describe, expect, it } from 'vitest'
import { decodeText, parseYaml } from '../../src/config/yaml.ts'
import { ConfigError } from '../../src/errors.ts'

const messageOf = (text: string): string => {
  try {
    parseYaml(text, 'x.yaml')
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  throw new Error('Expected an error.')
}

describe('parseYaml', () => {
  it('reads YAML 1.2: "no" is a word, and JSON is YAML', () => {
    expect(parseYaml('a: no\nb: [1, 2.5, true, null]\nc: "x"\n', 'x.yaml').value).toEqual({
      a: 'no',
      b: [1, 2.5, true, null],
      c: 'x',
    })
    expect(parseYaml('{"a": {"b": [1]}}', 'x.json').value).toEqual({ a: { b: [1] } })
    expect(parseYaml('', 'x.yaml').value).toBeNull()
    expect(parseYaml('a: &x [1]\nb: *x\n', 'x.yaml').value).toEqual({ a: [1], b: [1] })
  })

  it('locates keys, values, items, and the enclosing thing of what is missing', () => {
    const source = parseYaml('# note\na:\n  b: 1\n  list:\n    - x: 1\n    - [5, 6]\n', 'x.yaml')
    const at = (...args: Parameters<typeof source.position>) => Object.values(source.position(...args))
    expect(at(['a', 'b'])).toEqual([3, 6])
    expect(at(['a', 'b'], 'key')).toEqual([3, 3])
    expect(at(['a'])).toEqual([2, 1])
    expect(at(['a', 'missing', 'deeper'])).toEqual([2, 1])
    expect(at(['a', 'list', 0, 'x'])).toEqual([5, 10])
    expect(at(['a', 'list', 1, 1])).toEqual([6, 11])
    expect(at([])).toEqual([2, 1])
    expect(parseYaml('', 'x.yaml').position(['a'])).toEqual({ line: 1, column: 1 })
  })

  it('locates through aliases', () => {
    expect(parseYaml('a: &x\n  b: 1\nc: *x\n', 'x.yaml').position(['c', 'b'])).toEqual({ line: 2, column: 6 })
  })

  it.each([
    ['a: 1\na: 2\n', 'x.yaml:2:1: this key stands twice in the same map; keep one'],
    ['a: 1\n---\nb: 2\n', 'x.yaml:2:1: expected one document, but "---" begins a second one here'],
    ['a: !secret x\n', 'x.yaml:1:12: tags such as "!name" are not read; drop the tag'],
    ['a: !!binary aGk=\n', 'x.yaml:1:13: tags such as "!name" are not read; drop the tag'],
    ['a: !!js/function "f"\n', 'x.yaml:1:18: tags such as "!name" are not read; drop the tag'],
    ['%YAML 1.1\n---\na: no\n', 'x.yaml:1:1: lines that begin with "%" are not read; drop this one'],
    ['b: &x {q: 1}\nc:\n  <<: *x\n', 'x.yaml:3:3: merge keys ("<<") are not read; write the keys out'],
    ['a:\n  __proto__: 1\n', 'x.yaml:2:3: "__proto__" cannot be a key'],
    [
      'a: [{constructor: 1}]\nprototype: 2\n',
      'x.yaml:2:1: "prototype" cannot be a key\nx.yaml:1:6: "constructor" cannot be a key',
    ],
    ['a: [1, 2\nb: 3\n', 'x.yaml:2:1: not valid YAML: '],
    ['a: *nobody\n', 'x.yaml:1:4: "*nobody" stands for nothing; no "&nobody" comes before it'],
    ['a: "x\n', 'x.yaml:'],
  ])('refuses %j', (text, message) => {
    expect(messageOf(text)).toContain(message)
    if (!message.endsWith(' ') && !message.endsWith(':')) expect(messageOf(text)).toBe(message)
  })

  it('refuses keys that are not words', () => {
    expect(messageOf('? [1, 2]\n: 3\n')).toMatch(/^x\.yaml:1:3: not valid YAML: /)
  })

  it('refuses aliases that multiply', () => {
    const laughs = ['a: &a [l, l, l, l, l, l, l, l, l]']
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg'])
      laughs.push(`${to}: &${to} [${`*${from}, `.repeat(9)}]`)
    expect(messageOf(laughs.join('\n'))).toBe(
      'x.yaml:1:1: aliases ("*name") expand to more than 50 copies; write the values out',
    )
  })

  it('refuses a map with too many keys, quickly', () => {
    expect(messageOf(Array.from({ length: 6000 }, (_, i) => `k${i}: 1`).join('\n'))).toBe(
      'x.yaml:1:1: a map has more than 5000 keys',
    )
    expect(messageOf(`a: {${Array.from({ length: 6000 }, (_, i) => `k${i}: 1`).join(', ')}}`)).toBe(
      'x.yaml:1:4: a map has more than 5000 keys',
    )
    expect(parseYaml(`[${'1, '.repeat(6000)}]`, 'x.yaml').value).toHaveLength(6000)
  })

  it('refuses more text than a config has', () => {
    expect(messageOf(`a: "${'x'.repeat(1 << 20)}"`)).toBe(
      'x.yaml:1:1: expected at most 1048576 characters, got 1048581',
    )
  })

  const DEEP: Record<string, string> = {
    'flow lists': '['.repeat(100_000),
    'flow maps': '{a: '.repeat(50_000),
    'compact lists': '- '.repeat(100_000),
    'explicit keys': '? '.repeat(50_000),
    'indented maps': Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    'brackets that comments seem to close': '[ # ]\n'.repeat(50_000),
    'brackets that strings seem to close': '[ "\n]\n", '.repeat(50_000),
    'brackets after words with an apostrophe': "[it's, ".repeat(50_000),
  }
  it.each(Object.entries(DEEP))('refuses deep %s', (_, text) => {
    expect(messageOf(text)).toMatch(/^x\.yaml:\d+:\d+: nested more than 60 levels deep$/)
  })

  it('allows the depth that configs need', () => {
    const depth = 25
    expect(() => parseYaml(`${'{a: '.repeat(depth)}1${'}'.repeat(depth)}`, 'x.yaml')).not.toThrow()
  })

  it('survives many deep documents in one process: the second would abort it, were the depth not checked first', () => {
    const texts = [...Object.values(DEEP), ...Object.values(DEEP)]
    for (const text of texts) expect(messageOf(text)).toContain('nested more than 60 levels deep')
  })
})

describe('decodeText', () => {
  it('drops a byte order mark', () => {
    expect(decodeText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61), 'x.yaml')).toBe('a')
  })

  it('refuses what is not UTF-8, and what is too long', () => {
    expect(() => decodeText(Uint8Array.of(0xff, 0xfe), 'x.yaml')).toThrow(
      'x.yaml: expected UTF-8 text, but the bytes are not.',
    )
    expect(() => decodeText(new Uint8Array((1 << 20) + 1), 'x.yaml')).toThrow(
      'x.yaml: expected a config of at most 1048576 bytes, got 1048577.',
    )
  })
})
