import { FormatError, show } from '../errors.ts'

/**
 * JSON (RFC 8259) for hostile files. Unlike `JSON.parse` it refuses duplicate keys, nesting beyond a limit, bytes that are not
 * UTF-8 and lone surrogates; it keeps objects as `Map`s, so `__proto__` is a name like any other, and numbers as they were
 * written, so that the caller decides which spellings it takes.
 */
export type StrictJson = string | boolean | null | JsonNumber | readonly StrictJson[] | StrictJsonObject

export type StrictJsonObject = ReadonlyMap<string, StrictJson>

/** A number as it was written. */
export class JsonNumber {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  /** The value of a plain non-negative integer such as `42`; undefined for `-0`, `1.0`, `1e2` and what float64 cannot hold. */
  get count(): number | undefined {
    if (!/^(0|[1-9][0-9]{0,15})$/.test(this.text)) return undefined
    const value = Number(this.text)
    return Number.isSafeInteger(value) ? value : undefined
  }
}

export interface StrictJsonOptions {
  /** What is read, for messages: `/models/a.safetensors: header`. */
  readonly where: string
  /** Arrays and objects may nest this deep. */
  readonly depth: number
  /** Most members of one object, and most values inside one member of the outermost. */
  readonly members: number
  /** Is given the members of the outermost object one by one, which are then not kept: for files with more of them than should be in memory. */
  readonly each?: (name: string, value: StrictJson) => void
}

/** @throws {FormatError} with the byte position, on anything but one JSON value, with spaces around it allowed. */
export function parseStrictJson(bytes: Uint8Array, options: StrictJsonOptions): StrictJson {
  let text: string
  try {
    // ignoreBOM keeps a byte order mark in the text, where it is then refused as any other stray character.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new FormatError(`${options.where} is not valid UTF-8.`, { cause })
  }
  return new Scanner(text, options).document()
}

const SPACE = /[ \t\n\r]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these in strings.
const STRING_END = /["\\\u0000-\u001f]/g
const WORD = /true|false|null/y

class Scanner {
  readonly #text: string
  readonly #options: StrictJsonOptions
  #at = 0
  /** Since the last member of the outermost object. */
  #values = 0

  constructor(text: string, options: StrictJsonOptions) {
    this.#text = text
    this.#options = options
  }

  document(): StrictJson {
    this.#space()
    const value = this.#value(0)
    this.#space()
    if (this.#at < this.#text.length) this.#fail(`ends in ${this.#found()} after its value`)
    return value
  }

  #value(depth: number): StrictJson {
    if (++this.#values > this.#options.members) {
      this.#fail(`has more than ${this.#options.members} values in one member`)
    }
    const first = this.#text[this.#at]
    if (first === '{') return this.#object(depth + 1)
    if (first === '[') return this.#array(depth + 1)
    if (first === '"') return this.#string()
    const word = this.#match(WORD)
    if (word !== undefined) return word === 'null' ? null : word === 'true'
    const number = this.#match(NUMBER)
    if (number !== undefined && number !== '') return new JsonNumber(number)
    return this.#fail(`needs a value, not ${this.#found()}`)
  }

  #object(depth: number): StrictJsonObject {
    this.#enter(depth)
    const members = new Map<string, StrictJson>()
    const each = depth === 1 ? this.#options.each : undefined
    if (this.#closes('}')) return members
    for (;;) {
      if (this.#text[this.#at] !== '"') this.#fail(`needs a name in quotes, not ${this.#found()}`)
      const name = this.#string()
      if (members.has(name)) this.#fail(`has the name ${show(name)} twice in one object`)
      if (members.size === this.#options.members) {
        this.#fail(`has more than ${this.#options.members} members in one object`)
      }
      this.#space()
      if (this.#text[this.#at] !== ':') this.#fail(`needs ":" after a name, not ${this.#found()}`)
      this.#at++
      this.#space()
      if (depth === 1) this.#values = 0
      const value = this.#value(depth)
      each?.(name, value)
      members.set(name, each === undefined ? value : null)
      if (this.#ends('}')) return members
    }
  }

  #array(depth: number): readonly StrictJson[] {
    this.#enter(depth)
    const items: StrictJson[] = []
    if (this.#closes(']')) return items
    for (;;) {
      items.push(this.#value(depth))
      if (this.#ends(']')) return items
    }
  }

  #enter(depth: number): void {
    if (depth > this.#options.depth) this.#fail(`nests deeper than ${this.#options.depth} levels`)
    this.#at++
    this.#space()
  }

  /** True right before the closing bracket of something empty. */
  #closes(bracket: string): boolean {
    if (this.#text[this.#at] !== bracket) return false
    this.#at++
    return true
  }

  /** After an item: true at the closing bracket, false after a comma. */
  #ends(bracket: string): boolean {
    this.#space()
    if (this.#closes(bracket)) return true
    if (this.#text[this.#at] !== ',') this.#fail(`needs "," or "${bracket}", not ${this.#found()}`)
    this.#at++
    this.#space()
    return false
  }

  #string(): string {
    const start = this.#at
    STRING_END.lastIndex = start + 1
    for (;;) {
      const stop = STRING_END.exec(this.#text)
      if (stop === null) this.#fail('ends inside a string')
      if (stop[0] === '"') break
      if (stop[0] !== '\\') this.#fail('has a control character in a string')
      STRING_END.lastIndex = stop.index + 2
    }
    this.#at = STRING_END.lastIndex
    const token = this.#text.slice(start, this.#at)
    let value: string
    try {
      value = JSON.parse(token)
    } catch {
      return this.#fail(`has a malformed string ${show(token)}`)
    }
    if (/\p{Surrogate}/u.test(value)) this.#fail(`has half a surrogate pair in ${show(token)}`)
    return value
  }

  #space(): void {
    this.#match(SPACE)
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #found(): string {
    return this.#at < this.#text.length ? show(this.#text[this.#at]) : 'its end'
  }

  #fail(what: string): never {
    throw new FormatError(`${this.#options.where} ${what} (character ${this.#at}).`)
  }
}
