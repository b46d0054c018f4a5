import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import {
  evaluatorFileJsonSchema,
  type JsonSchema,
  schemaText,
  searchFileJsonSchema,
} from '../../src/config/json-schema.ts'
import { STRATEGIES } from '../../src/strategies/registry.ts'

const committed = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

it.each([
  ['search-spaces/schema.json', searchFileJsonSchema],
  ['evaluators/schema.json', evaluatorFileJsonSchema],
])('%s is up to date (else: npm run build && node scripts/make-schemas.mjs)', (path, make) => {
  expect(committed(path)).toBe(schemaText(make()))
})

it('offers the names of methods and strategies, and the options of each strategy', () => {
  const text = schemaText(searchFileJsonSchema())
  expect(text).toMatch(/"enum": \[\s*"linear",\s*"slerp",/)
  expect(text).toContain('"regmean"')
  const names = Object.keys(STRATEGIES).map(kind => `\\s*"${kind}"`)
  expect(text).toMatch(new RegExp(`"enum": \\[${names.join(',')}\\s*\\]`))
  expect(text).toContain('"population_size"')
})

it('describes every key of a search space', () => {
  const bare: string[] = []
  const visit = (schema: JsonSchema, path: string): void => {
    const properties = (schema.properties ?? {}) as Record<string, JsonSchema>
    for (const [key, property] of Object.entries(properties)) {
      if (property.description === undefined) bare.push(`${path}${key}`)
      visit(property, `${path}${key}.`)
    }
    for (const branch of (schema.anyOf ?? []) as JsonSchema[]) visit(branch, path)
    if (schema.items !== undefined) visit(schema.items as JsonSchema, `${path}[].`)
  }
  const { evaluator, ...own } = searchFileJsonSchema().properties as Record<string, JsonSchema>
  visit({ properties: own }, '')
  expect(evaluator?.description).toBeTypeOf('string')
  expect(bare).toEqual([])
})

it('leaves keys with a default optional', () => {
  expect(searchFileJsonSchema().required).toEqual(['genome'])
})
