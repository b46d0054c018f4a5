import { ConfigError, FormatError, show } from '../../errors.ts'
import { columnOf, type Records } from './records.ts'

const PLACE = /\{\{\s*([^{}]+?)\s*\}\}/g

/**
 * Text of every record: a column's name, or a template in which `{{column}}` stands for the record's cell.
 * @throws {ConfigError} on an unknown column, {@link FormatError} on a cell that is neither text nor number
 */
export function textsOf(records: Records, template: string): readonly string[] {
  if (!template.includes('{{'))
    return columnOf(records, template).map((cell, i) => cellText(cell, records, i, template))
  const parts: (string | { readonly column: string; readonly cells: readonly unknown[] })[] = []
  let from = 0
  for (const match of template.matchAll(PLACE)) {
    parts.push(template.slice(from, match.index), { column: match[1]!, cells: columnOf(records, match[1]!) })
    from = match.index + match[0].length
  }
  parts.push(template.slice(from))
  if (parts.length === 1) throw new ConfigError(`${show(template)} has "{{" but no place of the form {{column}}.`)
  return Array.from({ length: records.length }, (_, i) =>
    parts.map(part => (typeof part === 'string' ? part : cellText(part.cells[i], records, i, part.column))).join(''),
  )
}

function cellText(cell: unknown, records: Records, record: number, column: string): string {
  if (typeof cell === 'string') return cell
  if (typeof cell === 'number' || typeof cell === 'bigint') return String(cell)
  throw new FormatError(`${records.where(record)}, ${show(column)}: text is required, found ${show(cell)}.`)
}
