import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { FormatError, show } from '../../errors.ts'
import type { Records } from './records.ts'

const ENDINGS = /\.(png|jpe?g|webp|gif|tiff?|avif)$/i
const FILE_LIMIT = 1_000_000
const SPLIT_FOLDERS: ReadonlySet<string> = new Set(['search', 'select', 'holdout', 'train'])

/**
 * Images in one folder per class, or in one folder per split that holds one per class. Columns: `image` (its path), `class` (the folder's
 * name), `label` (the position of that name in the sorted names, from 0) and, where there are folders of splits, `split`.
 * @throws {FormatError} on a folder without images
 */
export async function readImageFolder(folder: string): Promise<Records> {
  const found: { readonly image: string; readonly class: string; readonly split: string }[] = []
  const addClasses = async (parent: string, split: string): Promise<void> => {
    for (const name of await folders(parent))
      for (const file of (await readdir(join(parent, name))).sort()) {
        if (!ENDINGS.test(file)) continue
        if (found.length === FILE_LIMIT) throw new FormatError(`${folder} has more than ${FILE_LIMIT} images.`)
        found.push({ image: join(parent, name, file), class: name, split })
      }
  }
  const top = await folders(folder)
  const hasSplits = top.length > 0 && top.every(name => SPLIT_FOLDERS.has(name))
  if (hasSplits) for (const split of top) await addClasses(join(folder, split), split)
  else await addClasses(folder, '')
  if (found.length === 0)
    throw new FormatError(`${folder} has no images; one folder per class is required, found ${show(top.join(', '))}.`)
  const classes = [...new Set(found.map(record => record.class))].sort()
  const columns = new Map<string, readonly unknown[]>([
    ['image', found.map(({ image }) => image)],
    ['class', found.map(record => record.class)],
    ['label', found.map(record => classes.indexOf(record.class))],
    ...(hasSplits ? [['split', found.map(({ split }) => split)] as const] : []),
  ])
  return { file: folder, length: found.length, columns, where: record => found[record]!.image }
}

async function folders(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { withFileTypes: true })
  return entries
    .filter(entry => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
}
