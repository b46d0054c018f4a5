import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { loadSearchConfig } from '../../src/config/load.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { spaceOf } from '../../src/run-config.ts'

const folder = fileURLToPath(new URL('../../search-spaces/', import.meta.url))
const readme = readFileSync(join(folder, 'README.md'), 'utf8')

it.each(readdirSync(folder).filter(name => name.endsWith('.yaml')))('%s has the genes that the README says', name => {
  const resolved = loadSearchConfig(join(folder, name))
  const checkpoint = openCheckpoint(resolved.sources[0]!.path)
  const tensors = [...checkpoint.tensors.keys()]
  checkpoint.close()
  const row = readme.split('\n').find(line => line.startsWith(`| \`${name}\` |`))
  expect(row?.split('|').at(-2)?.trim()).toBe(`${spaceOf({ resolved, tensors }).genes.length}`)
})
