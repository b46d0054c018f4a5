import type { z } from 'zod'
import { nearest, show } from '../errors.ts'
import type { Path } from './yaml.ts'

/** One thing that is wrong with a config: where, and what to do about it. */
export interface Problem {
  readonly path: Path
  readonly message: string
  /** What to point at. Default: the value. */
  readonly target?: 'key' | 'value'
}

/** The issues of a zod schema, in words: what was required, what was found, and the nearest known name. */
export function describeIssues(issues: readonly z.core.$ZodIssue[], value: unknown, jsonSchema: unknown): Problem[] {
  // A misspelt key also breaks rules about what must be there; the misspelling is the news.
  const misspelt = new Set(
    issues.filter(issue => issue.code === 'unrecognized_keys').map(issue => JSON.stringify(issue.path)),
  )
  return issues
    .filter(issue => issue.code !== 'custom' || !misspelt.has(JSON.stringify(issue.path)))
    .flatMap(issue => describeIssue(issue, value, jsonSchema, []))
}

function describeIssue(issue: z.core.$ZodIssue, root: unknown, jsonSchema: unknown, prefix: Path): Problem[] {
  const path = [...prefix, ...issue.path.map(step => (typeof step === 'symbol' ? String(step) : step))]
  const found = valueAt(root, path)
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys(jsonSchema, path)
      return issue.keys.map(key => {
        const guess = nearest(key, known)
        const hint =
          guess !== undefined
            ? `; did you mean ${show(guess)}?`
            : known.length > 0
              ? `; known are ${known.join(', ')}`
              : ''
        return { path: [...path, key], message: `unknown key${hint}`, target: 'key' }
      })
    }
    case 'invalid_union': {
      // Of a union that one key decides, only that key was read.
      if ('options' in issue && Array.isArray(issue.options)) return [expectedOneOf(issue.options, path, found)]
      const branches = issue.errors.filter(branch => !branch.some(refusesKind))
      const closest = branches.sort((a, b) => a.length - b.length)[0]
      if (closest) return closest.flatMap(inner => describeIssue(inner, root, jsonSchema, path))
      const kinds = [...new Set(issue.errors.flatMap(branch => branch.filter(refusesKind).map(expected)))]
      if (found === undefined) return [missing(path)]
      return [{ path, message: `expected ${kinds.join(' or ')}, got ${display(found)}` }]
    }
    case 'invalid_type':
      return [
        found === undefined ? missing(path) : { path, message: `expected ${expected(issue)}, got ${display(found)}` },
      ]
    case 'invalid_value':
      return [expectedOneOf(issue.values, path, found)]
    case 'too_small':
    case 'too_big': {
      const [limit, strict, least] =
        issue.code === 'too_small' ? [issue.minimum, 'more than', 'at least'] : [issue.maximum, 'less than', 'at most']
      const bound = `${issue.inclusive === false ? strict : least} ${limit}`
      if (issue.origin === 'array') {
        return [
          {
            path,
            message: `expected ${bound} ${limit === 1 ? 'entry' : 'entries'}, got ${Array.isArray(found) ? found.length : display(found)}`,
          },
        ]
      }
      if (issue.origin === 'string') return [{ path, message: `expected ${bound} characters, got ${display(found)}` }]
      return [{ path, message: `expected ${bound}, got ${display(found)}` }]
    }
    default:
      return [{ path, message: issue.message }]
  }
}

function expectedOneOf(values: readonly unknown[], path: Path, found: unknown): Problem {
  if (found === undefined) return missing(path)
  const names = values.filter(value => typeof value === 'string')
  const guess = typeof found === 'string' ? nearest(found, names) : undefined
  const hint = guess === undefined ? '' : `; did you mean ${show(guess)}?`
  return { path, message: `expected ${anyOf(values)}, got ${display(found)}${hint}` }
}

function anyOf(values: readonly unknown[]): string {
  return values.map(value => show(value)).join(' or ')
}

/** JSON has no NaN and no infinities; a message has. */
function display(value: unknown): string {
  return typeof value === 'number' ? String(value) : show(value)
}

const missing = (path: Path): Problem => ({ path, message: 'missing' })

/** Whether an issue says that the value is of another kind altogether, rather than wrong in detail. */
function refusesKind(issue: z.core.$ZodIssue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value')
}

const KINDS: Readonly<Record<string, string>> = {
  number: 'a number',
  int: 'a whole number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a map of keys',
  record: 'a map of keys',
}

function expected(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return KINDS[issue.expected] ?? issue.expected
  if (issue.code === 'invalid_value') return anyOf(issue.values)
  return issue.message
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Readonly<Record<string | number, unknown>>)[step] // own property, checked above
  }
  return value
}

/** The keys that a JSON Schema allows at `path`, over all branches of unions. */
function knownKeys(jsonSchema: unknown, path: Path): string[] {
  let nodes = branches(jsonSchema)
  for (const step of path) {
    nodes = nodes.flatMap(node => {
      const { properties, items, prefixItems, additionalProperties } = node
      if (typeof step === 'number') {
        return [...(Array.isArray(prefixItems) ? branches(prefixItems[step]) : []), ...branches(items)]
      }
      const own = isRecord(properties) && Object.hasOwn(properties, step) ? branches(properties[step]) : []
      return own.length > 0 ? own : branches(additionalProperties)
    })
  }
  return [...new Set(nodes.flatMap(node => (isRecord(node.properties) ? Object.keys(node.properties) : [])))]
}

function branches(node: unknown): Readonly<Record<string, unknown>>[] {
  if (!isRecord(node)) return []
  return [
    node,
    ...[node.anyOf, node.oneOf, node.allOf].flatMap(list => (Array.isArray(list) ? list.flatMap(branches) : [])),
  ]
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
