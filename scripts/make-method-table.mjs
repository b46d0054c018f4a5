// Writes the table of merge methods. Run it after a change of an operator: npm run build && node scripts/make-method-table.mjs
import { writeFileSync } from 'node:fs'
import { methodTable } from '../dist/merge/operators/method-table.js'
import { OPERATORS } from '../dist/merge/operators/registry.js'

writeFileSync(new URL('../docs/merge-methods.md', import.meta.url), methodTable(OPERATORS.values()))
