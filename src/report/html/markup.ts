import { printable } from '../plain-text.ts'

/** Text that is HTML already. Only {@link markup} makes it from strings, and escapes them: nothing unescaped gets in by oversight. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Child = Markup | string | number | readonly Child[] | undefined | false

/** Template tag: literal parts are HTML; strings put in are made printable and escaped, in text and in quoted attributes alike. */
export function markup(literals: TemplateStringsArray, ...children: readonly Child[]): Markup {
  return new Markup(literals.reduce((text, literal, i) => text + render(children[i - 1]) + literal))
}

function render(child: Child): string {
  if (child === undefined || child === false) return ''
  if (child instanceof Markup) return child.text
  if (typeof child === 'number') return `${child}`
  if (typeof child === 'string') return escapeHtml(child)
  return child.map(render).join('')
}

export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return printable(text, Infinity).replace(/[&<>"']/g, character => entities[character]!)
}

/** The report's own style sheet, as it is: its hash is part of the page's policy. */
export function styleElement(sheet: string): Markup {
  return new Markup(`<style>${sheet}</style>`)
}

/** A name from outside: isolated, so that right-to-left letters in it cannot reorder what stands beside it. */
export function name(text: string): Markup {
  return markup`<bdi>${printable(text)}</bdi>`
}

/** A coordinate: a tenth of a unit is finer than a screen. */
export function px(value: number): string {
  return `${Math.round(value * 10) / 10 + 0}`
}
