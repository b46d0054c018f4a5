import { z } from 'zod'
import { FormatError, show } from '../../../errors.ts'
import { columnOf, type Records } from '../../data/records.ts'
import { textsOf } from '../../data/template.ts'

/** What is expected of a generated text, and when it counts as right. */

export const normaliseSchema = z
  .strictObject({
    strip: z.boolean().default(true).describe('White space at both ends does not count.'),
    ignore_spaces: z.boolean().default(false).describe('Any stretch of white space counts as one space.'),
    ignore_case: z.boolean().default(false).describe('Upper and lower case are the same.'),
    ignore_punctuation: z.boolean().default(false).describe('Punctuation and symbols do not count.'),
  })
  .prefault({})
export type NormaliseOptions = z.infer<typeof normaliseSchema>

/** A text as it is compared: in the order of the options, punctuation first. Unicode NFC. */
export function normalised(text: string, options: NormaliseOptions): string {
  let result = text.normalize('NFC')
  if (options.ignore_punctuation) result = result.replace(/[\p{P}\p{S}]/gu, '')
  if (options.ignore_spaces) result = result.replace(/\s+/gu, ' ')
  if (options.ignore_case) result = result.toLowerCase()
  return options.strip ? result.trim() : result
}

/** The text up to the first place where one of the stops begins. Empty stops are not allowed. */
export function cutAtStop(text: string, stops: readonly string[]): string {
  let end = text.length
  for (const stop of stops) {
    const at = text.indexOf(stop)
    if (at >= 0) end = Math.min(end, at)
  }
  return text.slice(0, end)
}

/**
 * The right answers of every record.
 * @param option a column that holds a text, a number or a list of them; a template; or a list of columns and templates, any of which is right
 * @throws {ConfigError | FormatError}
 */
export function readExpected(records: Records, option: string | readonly string[]): readonly (readonly string[])[] {
  if (typeof option !== 'string') {
    const lists = option.map(template => textsOf(records, template))
    return Array.from({ length: records.length }, (_, i) => lists.map(list => list[i]!))
  }
  if (option.includes('{{')) return textsOf(records, option).map(text => [text])
  return columnOf(records, option).map((cell, i) => {
    const list: readonly unknown[] = Array.isArray(cell) ? cell : [cell]
    const texts = list.filter(one => ['string', 'number', 'bigint'].includes(typeof one)).map(String)
    if (list.length > 0 && texts.length === list.length) return texts
    throw new FormatError(
      `${records.where(i)}, ${show(option)}: a text, a number or a list of at least one of them is required, found ${show(cell)}.`,
    )
  })
}
