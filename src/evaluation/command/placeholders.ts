import { ConfigError, nearest, show } from '../../errors.ts'
import type { Split } from '../evaluator.ts'

/** Texts with placeholders: `{model}`, `{split}`, ... What looks like one and is none (JSON, say) is left as it is. */

export type Values = Readonly<Record<string, string>>

/** A text, or one for each split. */
export type Variable = string | Readonly<Record<Split, string>>

export function fillIn(text: string, values: Values): string {
  return text.replace(/\{([a-z][a-z0-9_]*)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? values[name]! : whole,
  )
}

export function variablesOf(variables: Readonly<Record<string, Variable>>, split: Split): Values {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [name, typeof value === 'string' ? value : value[split]]),
  )
}

/** @throws {ConfigError} on a placeholder that is one or two letters from a known one */
export function requireKnown(texts: readonly string[], known: readonly string[], where: string): void {
  for (const text of texts) {
    for (const [, name] of text.matchAll(/\{([a-z][a-z0-9_]*)\}/g)) {
      const near = known.includes(name!) ? undefined : nearest(name!, known)
      if (near !== undefined)
        throw new ConfigError(`${where} has the placeholder {${name}}, which does not exist, in ${show(text)}.`, {
          hint: `Did you mean {${near}}? There are ${known.map(word => `{${word}}`).join(', ')}.`,
        })
    }
  }
}
