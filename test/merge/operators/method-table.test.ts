import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { methodTable } from '../../../src/merge/operators/method-table.ts'
import { OPERATORS } from '../../../src/merge/operators/registry.ts'

it('docs/merge-methods.md is up to date (else: npm run build && node scripts/make-method-table.mjs)', () => {
  const committed = readFileSync(new URL('../../../docs/merge-methods.md', import.meta.url), 'utf8')
  expect(committed).toBe(methodTable(OPERATORS.values()))
})

it('says default, range, limits and kind of every parameter', () => {
  const text = methodTable([OPERATORS.get('consensus')!, OPERATORS.get('dare_ties')!, OPERATORS.get('slerp')!])
  expect(text).toContain('| `k` | parameter | 2 | 1 to 3 [0, 256], whole |')
  expect(text).toContain('| `mask_lambda` | coefficient | 0.4 | 0.2 to 0.6 [0, ∞] |')
  expect(text).toContain('| `rescale` | parameter | true | true, false |')
  expect(text).toContain('| `flavor` | parameter | mergekit | mergekit, paper |')
  expect(text).toContain('| `t` | parameter | none | 0 to 1 |')
  expect(text).toMatch(/^\| \[`slerp`\]\(#slerp\) \| Spherical interpolation \| required \| 1 \| \[Shoemake 1985/m)
})
