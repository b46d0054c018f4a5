import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError, show } from '../../errors.ts'
import { exportMergekit } from '../../merge/mergekit/export.ts'
import { readExportFacts } from '../../merge/mergekit/export-facts.ts'
import { exportText, type MaskOrigin } from '../../merge/mergekit/export-text.ts'
import { findOperator } from '../../merge/operators/registry.ts'
import type { Recipe } from '../../space/recipe.ts'
import { print, printJson } from '../output.ts'
import { resolveRecipe } from '../recipe-reference.ts'

export async function exportCommand(
  what: string,
  flags: { readonly out?: string; readonly json?: boolean },
): Promise<void> {
  const { recipe, sources } = await resolveRecipe(what, { models: false })
  const facts = readExportFacts(sources)
  const exported = exportMergekit(recipe, facts)
  const text = exportText(exported, maskOrigin(recipe, facts.models))
  if (flags.out !== undefined) {
    const file = resolve(flags.out)
    if (existsSync(file)) throw new ConfigError(`${show(file)} exists.`, { hint: 'Choose another name, or remove it.' })
    writeFileSync(file, text)
  }
  if (flags.json) printJson({ v: 1, ...exported })
  else if (flags.out === undefined) print(text.trimEnd())
  else {
    for (const remark of exported.remarks) print(remark)
    print(`Wrote ${flags.out}. mergekit-yaml ${flags.out} OUT makes the model.`)
  }
}

function maskOrigin(recipe: Recipe, models: ReadonlyMap<string, string>): MaskOrigin | undefined {
  if (recipe.kind !== 'parameter-merge') return undefined
  const random = [recipe.method, ...recipe.groups.map(({ method }) => method ?? recipe.method)].some(
    name => findOperator(name).random,
  )
  if (!random) return undefined
  const ids = new Map(recipe.sources.map(id => [models.get(id)!, id]))
  return { seed: Number(recipe.parameters.seed ?? 0), ids }
}
