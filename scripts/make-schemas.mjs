// Writes the JSON Schemas that editors use for config files. Run it after a change of a config key: node scripts/make-schemas.mjs
import { writeFileSync } from 'node:fs'
import { evaluatorFileJsonSchema, schemaText, searchFileJsonSchema } from '../dist/config/json-schema.js'

const write = (path, schema) => writeFileSync(new URL(`../${path}`, import.meta.url), schemaText(schema))
write('search-spaces/schema.json', searchFileJsonSchema())
write('evaluators/schema.json', evaluatorFileJsonSchema())
