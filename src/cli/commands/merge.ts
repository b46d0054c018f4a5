import { mergeToFiles } from '../../merge/write-model.ts'
import { print, printJson } from '../output.ts'
import { resolveRecipe } from '../recipe-reference.ts'

export async function mergeCommand(
  what: string,
  flags: { readonly out: string; readonly json?: boolean },
): Promise<void> {
  const { recipe, sources, label } = await resolveRecipe(what, { models: false })
  const { files, bytes } = await mergeToFiles(recipe, sources, flags.out)
  if (flags.json) printJson({ v: 1, files, bytes, recipe })
  else
    print(
      `Merged ${label} (${recipe.method} of ${recipe.sources.join(', ')}): ${bytes.toLocaleString('en')} bytes in\n${files.map(file => `  ${file}`).join('\n')}`,
    )
}
