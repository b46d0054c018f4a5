import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, extname, resolve } from 'node:path'
import { parseYamlFile } from '../../config/load.ts'
import { parseBytes } from '../../config/schema.ts'
import { ConfigError, show } from '../../errors.ts'
import { looksLikeMergekit, mergeMergekit } from '../../merge/mergekit/merge-config.ts'
import { mergeToFiles } from '../../merge/write-model.ts'
import { print, printJson } from '../output.ts'
import { resolveRecipe } from '../recipe-reference.ts'

interface MergeFlags {
  readonly out: string
  readonly seed?: string
  readonly shardSize?: string
  readonly json?: boolean
}

export async function mergeCommand(what: string, flags: MergeFlags): Promise<void> {
  const configuration = mergekitConfiguration(what)
  if (configuration !== undefined) return mergeConfiguration(what, configuration, flags)
  const idle = flags.seed !== undefined ? '--seed' : flags.shardSize !== undefined ? '--shard-size' : undefined
  if (idle !== undefined) {
    throw new ConfigError(`${idle} is for mergekit configurations, and ${show(what)} is none.`, {
      hint: 'A recipe carries its own seed; leave the flag out.',
    })
  }
  const { recipe, sources, label } = await resolveRecipe(what, { models: false })
  const { files, bytes } = await mergeToFiles(recipe, sources, flags.out)
  if (flags.json) printJson({ v: 1, files, bytes, recipe })
  else print(`Merged ${label} (${recipe.method} of ${recipe.sources.join(', ')}): ${written(files, bytes)}`)
}

async function mergeConfiguration(path: string, parsed: unknown, flags: MergeFlags): Promise<void> {
  const shardBytes = flags.shardSize === undefined ? undefined : parseBytes(flags.shardSize)
  if (flags.shardSize !== undefined && shardBytes === undefined) {
    throw new ConfigError(`--shard-size must be a size such as "2 GB", got ${show(flags.shardSize)}.`)
  }
  const seed = flags.seed === undefined ? 0 : Number(flags.seed)
  if (!Number.isSafeInteger(seed)) throw new ConfigError(`--seed must be a whole number, got ${show(flags.seed)}.`)
  const { files, bytes, remarks } = await mergeMergekit(parsed, flags.out, {
    folder: dirname(resolve(path)),
    text: readFileSync(path, 'utf8'),
    seed,
    ...(shardBytes === undefined ? {} : { shardBytes }),
  })
  if (flags.json) printJson({ v: 1, files, bytes, remarks })
  else {
    for (const remark of remarks) print(remark)
    print(`Merged ${path}: ${written(files, bytes)}`)
  }
}

function mergekitConfiguration(path: string): unknown {
  if (!existsSync(path) || !statSync(path).isFile() || !['.yaml', '.yml', '.json'].includes(extname(path)))
    return undefined
  const parsed = parseYamlFile(path)
  return looksLikeMergekit(parsed) ? parsed : undefined
}

function written(files: readonly string[], bytes: number): string {
  return `${bytes.toLocaleString('en')} bytes in\n${files.map(file => `  ${file}`).join('\n')}`
}
