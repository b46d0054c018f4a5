import { readCsv } from './csv.ts'
import type { Records } from './records.ts'

/** @throws {FormatError} as `readCsv` */
export function csvRecords(bytes: Uint8Array, file: string): Records {
  const columns = new Map<string, (string | number)[]>()
  let length = 0
  readCsv(bytes, file, names => {
    const lists = names.map((): (string | number)[] => [])
    for (const [i, name] of names.entries()) columns.set(name, lists[i]!)
    return cells => {
      for (const [i, cell] of cells.entries()) lists[i]!.push(plainNumber(cell))
      length++
    }
  })
  return { file, length, columns, where: record => `${file}: row ${record + 2}` }
}

/** A number where its text is the shortest that gives it, so that nothing of the cell is lost; columns of these are small. */
function plainNumber(cell: string): string | number {
  const first = cell.charCodeAt(0)
  if (!(first === 45 || (first >= 48 && first <= 57)) || cell.length > 24) return cell
  const value = Number(cell)
  return String(value) === cell ? value : cell
}
