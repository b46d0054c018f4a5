import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, extname, resolve } from 'node:path'
import { parseYamlFile } from '../../config/load.ts'
import { parseBytes } from '../../config/schema.ts'
import { ConfigError, show } from '../../errors.ts'
import { differenceFromCandidate } from '../../merge/compare.ts'
import { looksLikeMergekit, mergeMergekit } from '../../merge/mergekit/merge-config.ts'
import type { SourceReference } from '../../merge/model.ts'
import { describeNonFinite, type NonFinite } from '../../merge/non-finite.ts'
import type { MemoryNeed } from '../../merge/operators/memory-need.ts'
import { mergeToAdapter } from '../../merge/write-adapter.ts'
import { mergeToFiles } from '../../merge/write-model.ts'
import type { Recipe } from '../../space/recipe.ts'
import { print, printJson, say } from '../output.ts'
import { resolveRecipe } from '../recipe-reference.ts'

interface MergeFlags {
  readonly out: string
  readonly seed?: string
  readonly shardSize?: string
  readonly digests?: boolean
  readonly externalData?: boolean
  readonly allowNonFinite?: boolean
  readonly compare?: boolean
  readonly adapter?: boolean
  readonly json?: boolean
}

export async function mergeCommand(what: string, flags: MergeFlags): Promise<void> {
  requireUse(flags, '.onnx', flags.externalData === true, '--external-data is for .onnx files')
  const configuration = mergekitConfiguration(what)
  if (configuration !== undefined && flags.adapter) {
    throw new ConfigError('--adapter is for recipes, not for mergekit configurations.')
  }
  if (configuration !== undefined) return mergeConfiguration(what, configuration, flags)
  if (flags.digests === false) {
    throw new ConfigError(`--no-digests is for mergekit configurations, and ${show(what)} is none.`)
  }
  if (flags.seed !== undefined) {
    throw new ConfigError(`--seed is for mergekit configurations, and ${show(what)} is none.`, {
      hint: 'A recipe carries its own seed; leave the flag out.',
    })
  }
  requireUse(flags, '', flags.shardSize !== undefined, '--shard-size is for folders')
  const { recipe, sources, digests, label } = await resolveRecipe(what, { models: false })
  if (flags.adapter) return mergeAdapters(recipe, sources, label, flags)
  const shardBytes = shardSize(flags)
  const { files, bytes, nonFinite } = await mergeToFiles(recipe, sources, flags.out, {
    digests,
    ...(shardBytes === undefined ? {} : { shardBytes }),
    ...(flags.externalData ? { singleFileBytes: 0 } : {}),
    allowNonFinite: flags.allowNonFinite === true,
    onMemoryNeed: tellMemory,
  })
  const difference = flags.compare ? differenceFromCandidate(recipe, sources, resolve(flags.out)) : undefined
  if (flags.json) {
    printJson({
      v: 1,
      files,
      bytes,
      recipe,
      ...(difference === undefined ? {} : { difference }),
      nonFinite: plainNonFinite(nonFinite),
    })
    return
  }
  for (const found of nonFinite) print(`Written: ${describeNonFinite(found)}.`)
  print(`Merged ${label} (${recipe.method} of ${recipe.sources.join(', ')}): ${written(files, bytes)}`)
  if (difference !== undefined) {
    print(
      difference.relative === 0
        ? 'Equal, bit for bit in float32, to the merge as a search scores it.'
        : `Largest difference from the merge as a search scores it: ${difference.relative.toExponential(1)} of the largest weight in ${show(difference.tensor)}.`,
    )
  }
}

/** Files are merged in less than this but for what needs whole tensors. */
const EXPECTED_BYTES = 1e9

function tellMemory({ operator, tensor, bytes }: MemoryNeed): void {
  if (bytes <= EXPECTED_BYTES) return
  const gigabytes = (bytes / 1e9).toLocaleString('en', { maximumFractionDigits: 1 })
  say(`${operator} holds whole tensors: ${show(tensor)} takes at least ${gigabytes} GB of memory.`)
}

/** JSON has no NaN. */
function plainNonFinite(all: readonly NonFinite[]) {
  return all.map(found => ({ ...found, value: String(found.value) }))
}

function mergeAdapters(
  recipe: Recipe,
  sources: readonly SourceReference[],
  label: string,
  { out, json, shardSize: shard, allowNonFinite, compare }: MergeFlags,
): void {
  const idle =
    shard !== undefined ? '--shard-size' : allowNonFinite ? '--allow-non-finite' : compare ? '--compare' : undefined
  if (idle !== undefined) throw new ConfigError(`${idle} is not for adapters.`)
  const { files, bytes } = mergeToAdapter(recipe, sources, out)
  if (json) printJson({ v: 1, files, bytes, recipe })
  else print(`Merged the adapters of ${label}: ${written(files, bytes)}`)
}

/** A flag that would do nothing is an error. @param ending of the output that it is for; empty for a folder */
function requireUse({ out }: MergeFlags, ending: string, isGiven: boolean, what: string): void {
  const given = ['.safetensors', '.onnx'].find(known => known === extname(out).toLowerCase()) ?? ''
  if (isGiven && given !== ending) throw new ConfigError(`${what}, and ${show(out)} is none.`)
}

function shardSize(flags: MergeFlags): number | undefined {
  if (flags.shardSize === undefined) return undefined
  const bytes = parseBytes(flags.shardSize)
  if (bytes !== undefined) return bytes
  throw new ConfigError(`--shard-size must be a size such as "2 GB", got ${show(flags.shardSize)}.`)
}

async function mergeConfiguration(path: string, parsed: unknown, flags: MergeFlags): Promise<void> {
  const isFolder = !['.safetensors', '.onnx'].includes(extname(flags.out).toLowerCase())
  if (!isFolder)
    throw new ConfigError(`A mergekit configuration makes a folder, and ${show(flags.out)} is named like a file.`)
  if (flags.compare)
    throw new ConfigError('--compare is for recipes, which a search scores, not for mergekit configurations.')
  const shardBytes = shardSize(flags)
  const seed = flags.seed === undefined ? undefined : Number(flags.seed)
  if (seed !== undefined && !Number.isSafeInteger(seed))
    throw new ConfigError(`--seed must be a whole number, got ${show(flags.seed)}.`)
  const { files, bytes, remarks, nonFinite } = await mergeMergekit(parsed, flags.out, {
    folder: dirname(resolve(path)),
    text: readFileSync(path, 'utf8'),
    ...(seed === undefined ? {} : { seed }),
    digests: flags.digests !== false,
    ...(shardBytes === undefined ? {} : { shardBytes }),
    allowNonFinite: flags.allowNonFinite === true,
    onMemoryNeed: tellMemory,
  })
  if (flags.json) printJson({ v: 1, files, bytes, remarks, nonFinite: plainNonFinite(nonFinite) })
  else {
    for (const remark of remarks) print(remark)
    for (const found of nonFinite) print(`Written: ${describeNonFinite(found)}.`)
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
