/**
 * Text from outside (names of models, objectives, genes; failure reasons) made harmless and measurable. Names come from files of strangers:
 * a control character in one can move the cursor, rewrite earlier lines, or set a terminal's title.
 */

/** A name longer than this is cut where it is shown among others. */
export const NAME_LIMIT = 60

// C0, DEL, C1; line and paragraph separators; marks, overrides and isolates of the bidirectional algorithm, which reorder what stands beside
// them; zero-width characters and the byte order mark, which make different names look equal; lone surrogates.
const UNPRINTABLE =
  /[\p{Cc}\u2028\u2029\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]|\p{Surrogate}/gu

/** One printable line: what is not printable becomes U+FFFD. At most `limit` characters, the last an ellipsis when cut. */
export function printable(text: string, limit = NAME_LIMIT): string {
  const clean = text.replace(UNPRINTABLE, '\u{fffd}')
  const characters = [...clean]
  return characters.length <= limit ? clean : `${characters.slice(0, limit - 1).join('')}…`
}

/** East Asian wide and fullwidth forms, and emoji: two columns. Approximate by design; terminals disagree about the rest. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const COMBINING = /\p{M}/u

/** Terminal columns that printable text takes. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) width += COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  return width
}

/** Cut to at most `width` ≥ 1 columns, with an ellipsis when cut. */
export function truncate(text: string, width: number, ellipsis = '…'): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let used = displayWidth(ellipsis)
  if (used > width) return ''
  for (const character of text) {
    used += displayWidth(character)
    if (used > width) break
    kept += character
  }
  return kept + ellipsis
}

export function pad(text: string, width: number, align: 'left' | 'right'): string {
  const fill = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return align === 'left' ? text + fill : fill + text
}

/** Breaks a sentence at spaces into lines of at most `width` columns; a longer word is cut. */
export function wrap(text: string, width: number, indent = ''): string[] {
  const room = Math.max(1, width - displayWidth(indent))
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ').map(word => truncate(word, room))) {
    if (line !== '' && displayWidth(line) + 1 + displayWidth(word) > room) {
      lines.push(indent + line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, indent + line]
}
