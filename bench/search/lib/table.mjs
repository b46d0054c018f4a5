// Markdown tables, readable as text too.

/** @param {string[]} head @param {(string | number)[][]} rows first column left, others right */
export function table(head, rows) {
  const cells = [head, ...rows.map(row => row.map(String))]
  const width = head.map((_, i) => Math.max(3, ...cells.map(row => row[i].length)))
  const line = row =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(width[i]) : cell.padStart(width[i]))).join(' | ')} |`
  const rule = `| ${width.map((w, i) => (i === 0 ? '-'.repeat(w) : `${'-'.repeat(w - 1)}:`)).join(' | ')} |`
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n')
}

/** Three significant digits. */
export function brief(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? '—' : '∞'
  const size = Math.abs(value)
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(1)
  if (size >= 100) return String(Math.round(value))
  return String(Number(value.toPrecision(3)))
}
