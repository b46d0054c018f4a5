import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { loadSearchConfig } from '../../src/config/load.ts'
import { parseYaml } from '../../src/config/yaml.ts'
import { ConfigError } from '../../src/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'amalgam-fuzz-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs it; anything thrown must be an expected error whose every line names the file. */
function expectTyped(file: string, act: () => unknown): void {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    for (const line of (error as Error).message.split('\n')) expect(line.startsWith(file)).toBe(true)
  }
}

it('answers any text with data or with lines that name the file', () => {
  const token = fc.constantFrom(
    ...'[]{}:,-?&*!|>%@`"\'#ab1 \n\t',
    '- ',
    ': ',
    '? ',
    '---\n',
    '...\n',
    '&x ',
    '*x',
    '!!str ',
    '<<: ',
    '\r',
    '\0',
    '\u{1f600}',
    '\ud800',
  )
  fc.assert(
    fc.property(fc.array(token, { maxLength: 40 }), tokens => {
      expectTyped('x.yaml:', () => parseYaml(tokens.join(''), 'x.yaml'))
    }),
    { numRuns: 3000 },
  )
})

it('answers any damage to a config with a config or with lines that name the file', () => {
  const text = readFileSync(fileURLToPath(new URL('../fixtures/config/full.yaml', import.meta.url)), 'utf8')
  const path = join(folder, 'damaged.yaml')
  const piece = fc.constantFrom(
    '',
    ' ',
    '\n',
    '[',
    '{',
    '}',
    ': ',
    '- ',
    'null',
    '-1',
    '1e999',
    '.nan',
    '"',
    '*x',
    '__proto__: 1\n',
  )
  const change = fc.record({ at: fc.nat(text.length), drop: fc.nat(30), piece })
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), changes => {
      let damaged = text
      for (const { at, drop, piece: insert } of changes)
        damaged = damaged.slice(0, at) + insert + damaged.slice(at + drop)
      writeFileSync(path, damaged)
      expectTyped(path, () => loadSearchConfig(path))
    }),
    { numRuns: 300 },
  )
})
