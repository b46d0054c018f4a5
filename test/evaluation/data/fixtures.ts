import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../../helpers/temporary-folders.ts'

/** Files that `generate.py` there made, and what the Python libraries read in them. */
export const FOLDER = fileURLToPath(new URL('../../fixtures/data/', import.meta.url))

interface Golden {
  readonly table: Readonly<Record<string, readonly unknown[]>>
  readonly images: Readonly<Record<string, Readonly<Record<'rgb' | 'grey' | 'resized' | 'shorter', string>>>>
  readonly normal: readonly number[]
  readonly palette: string
  readonly texts: readonly string[]
  readonly tokenizers: Readonly<
    Record<
      string,
      {
        readonly size: number
        readonly plain: readonly number[][]
        readonly special: readonly number[][]
        readonly decoded: readonly string[]
      }
    >
  >
}

export const golden = JSON.parse(readFileSync(join(FOLDER, 'golden.json'), 'utf8')) as Golden

/** A plain view, as {@link InputFiles} gives it. */
export function fixture(name: string): Uint8Array {
  return Uint8Array.from(readFileSync(join(FOLDER, name)))
}

/** Bytes that `generate.py` wrote as base64. */
export function decoded(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'base64'))
}

/** A new folder with a file in it. */
export async function written(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(temporaryFolder('data'), name)
  await writeFile(path, content)
  return path
}
