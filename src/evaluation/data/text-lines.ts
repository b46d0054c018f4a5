import { FormatError } from '../../errors.ts'
import type { Records } from './records.ts'

/**
 * Reads UTF-8 text, one record a line that is not empty, in the column `text`.
 * @throws {FormatError} on text that is no UTF-8, or a file without records
 */
export function readTextLines(bytes: Uint8Array, file: string): Records {
  let content: string
  try {
    content = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new FormatError(`${file} is not UTF-8 text.`, { cause })
  }
  const texts: string[] = []
  const lines: number[] = []
  for (const [i, line] of content.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue
    texts.push(line)
    lines.push(i + 1)
  }
  if (texts.length === 0) throw new FormatError(`${file} is empty.`)
  return { file, length: texts.length, columns: new Map([['text', texts]]), where: i => `${file}: line ${lines[i]}` }
}
