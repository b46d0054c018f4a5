import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  Parser,
  parseDocument,
} from 'yaml'
import { ConfigError, show } from '../errors.ts'

/** Configs are written by people: a megabyte of text is another kind of file. Also bounds the parser's work. */
export const MAX_BYTES = 1 << 20
/**
 * Open maps, lists and pairs at once. The parser builds the tree by recursion and a regular expression that overflows inside it ends
 * the process, so depth is measured on the token stream, which needs no recursion, before the tree is built.
 */
export const MAX_DEPTH = 60
/** Keys in one map: comparing each with all others takes quadratic time. */
export const MAX_KEYS = 5000
/** `&name` / `*name`: an alias of aliases doubles what it stands for ("billion laughs"). */
export const MAX_ALIASES = 50
/** Names that mean something to JavaScript objects. No config has use for them. */
const FORBIDDEN_KEYS = ['__proto__', 'constructor', 'prototype']

const CORE_TAGS = /^tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq)$/
const NO_TAGS = 'tags such as "!name" are not read; drop the tag'

export interface Position {
  readonly line: number
  readonly column: number
}

export type Path = readonly (string | number)[]

/** A parsed file that remembers where everything stood. */
export interface YamlSource {
  /** As it is named in messages. */
  readonly file: string
  /** Plain data. */
  readonly value: unknown
  /** Where a key or value stands, or the nearest thing that encloses it. Lines and columns count from 1. */
  position(path: Path, target?: 'key' | 'value'): Position
}

/**
 * YAML 1.2 text → plain data; JSON is YAML too. One document, no directives, no tags beyond the core ones, no merge keys, no duplicate
 * keys. The text may be hostile: its size, depth, width and aliases are bounded before anything expensive happens.
 * @throws {ConfigError} one line per problem, each beginning with `file:line:column`.
 */
export function parseYaml(text: string, file: string): YamlSource {
  const lines = new LineCounter()
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(Math.max(0, offset))
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const at = (offset: number) => {
    const { line, column } = positionOf(offset)
    return `${file}:${line}:${column}`
  }
  checkShape(text, file)

  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    uniqueKeys: true,
    strict: true,
    prettyErrors: false,
    stringKeys: true,
    logLevel: 'error',
    lineCounter: lines,
  })
  // Warnings are about tags, which the walk below refuses too, built-in ones included.
  const findings = document.errors.map(finding => {
    const [offset] = finding.pos
    if (finding.code === 'MULTIPLE_DOCS')
      return `${at(offset)}: expected one document, but "---" begins a second one here`
    if (finding.code === 'DUPLICATE_KEY') return `${at(offset)}: this key stands twice in the same map; keep one`
    return `${at(offset)}: not valid YAML: ${firstSentence(finding.message)}`
  })
  findings.push(...refusals(document, at))
  if (findings.length > 0) throw new ConfigError(findings.slice(0, 20).join('\n'))

  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES })
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error
    throw new ConfigError(
      `${file}:1:1: aliases ("*name") expand to more than ${MAX_ALIASES} copies; write the values out`,
      { cause: error },
    )
  }
  return {
    file,
    value,
    position: (path, target = 'value') => positionOf(offsetOf(document, path, target)),
  }
}

/** Bytes → text. @throws {ConfigError} if they are too many or not UTF-8. */
export function decodeText(bytes: Uint8Array, file: string): string {
  if (bytes.length > MAX_BYTES) {
    throw new ConfigError(`${file}: expected a config of at most ${MAX_BYTES} bytes, got ${bytes.length}.`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new ConfigError(`${file}: expected UTF-8 text, but the bytes are not.`, { cause: error })
  }
}

/** Size, depth, width and directives, from the token stream. */
function checkShape(text: string, file: string): void {
  const lines = new LineCounter()
  const refuse = (offset: number, message: string): never => {
    const { line, col } = lines.linePos(offset)
    throw new ConfigError(`${file}:${Math.max(1, line)}:${Math.max(1, col)}: ${message}`)
  }
  // UTF-16 units never outnumber UTF-8 bytes, so text from `decodeText` always passes.
  if (text.length > MAX_BYTES) refuse(0, `expected at most ${MAX_BYTES} characters, got ${text.length}`)
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      // `%YAML 1.1` would turn "no" into false and merge keys on.
      if (token.type === 'directive') refuse(token.offset, 'lines that begin with "%" are not read; drop this one')
    }
    if (parser.stack.length > MAX_DEPTH) refuse(parser.offset - 1, `nested more than ${MAX_DEPTH} levels deep`)
    const top = parser.stack[parser.stack.length - 1]
    if (
      top !== undefined &&
      (top.type === 'block-map' || top.type === 'flow-collection') &&
      top.items.length > MAX_KEYS
    ) {
      if (top.type === 'block-map' || top.start.source === '{')
        refuse(top.offset, `a map has more than ${MAX_KEYS} keys`)
    }
  }
  for (const _ of parser.end()) {
    // Flushes what is left on the stack; nothing is deeper than what was seen.
  }
}

/** What YAML allows and configs do not. */
function refusals(document: Document.Parsed, at: (offset: number) => string): string[] {
  const found: string[] = []
  const anchors = new Set<string>()
  const aliases: Alias[] = []
  const pending: unknown[] = [document.contents]
  while (pending.length > 0) {
    const node = pending.pop()
    if (isAlias(node)) aliases.push(node)
    if (!isNode(node) || isAlias(node)) continue
    if (node.anchor !== undefined) anchors.add(node.anchor)
    if (node.tag !== undefined && !CORE_TAGS.test(node.tag)) found.push(`${at(startOf(node) ?? 0)}: ${NO_TAGS}`)
    if (isSeq(node)) pending.push(...node.items)
    if (!isMap(node)) continue
    for (const { key, value } of node.items) {
      pending.push(key, value)
      if (!isScalar(key)) continue
      const name = String(key.value)
      const where = at(startOf(key) ?? 0)
      if (FORBIDDEN_KEYS.includes(name)) found.push(`${where}: ${show(name)} cannot be a key`)
      if (name === '<<') found.push(`${where}: merge keys ("<<") are not read; write the keys out`)
    }
  }
  for (const alias of aliases) {
    if (!anchors.has(alias.source))
      found.push(
        `${at(startOf(alias) ?? 0)}: ${show(`*${alias.source}`)} stands for nothing; no "&${alias.source}" comes before it`,
      )
  }
  return found
}

/** Where `path` stands, or else the deepest enclosing thing that does. */
function offsetOf(document: Document.Parsed, path: Path, target: 'key' | 'value'): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document)
    const last = depth === path.length - 1
    if (isMap(node)) {
      const pair = node.items.find(item => isScalar(item.key) && String(item.key.value) === String(step))
      if (!pair) break
      const key = startOf(pair.key)
      const value = startOf(pair.value)
      // A map as a value begins at its first key, a line below; its own key is what the reader looks for.
      const own = isMap(pair.value) || isSeq(pair.value) || (last && target === 'key') ? key : value
      offset = own ?? key ?? value ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      const item = node.items[Number(step)]
      if (item === undefined) break
      offset = startOf(item) ?? offset
      node = item
    } else break
  }
  return offset
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}

function firstSentence(message: string): string {
  return (message.split('\n')[0] ?? '').trim()
}
