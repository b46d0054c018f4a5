import { z } from 'zod'
import { wrap } from '../../report/plain-text.ts'
import { STRATEGY_DESCRIPTIONS, strategyDescription } from '../../strategies/descriptions.ts'
import type { StrategyDescription } from '../../strategies/strategy.ts'
import { print, printJson, textOptions } from '../output.ts'

/** What there is to search with: all strategies in a line each, or one with its options. */
export function strategiesCommand(kind: string | undefined, flags: { readonly json?: boolean }): void {
  const shown = kind === undefined ? Object.values(STRATEGY_DESCRIPTIONS) : [strategyDescription(kind)]
  if (flags.json) {
    printJson({ v: 1, strategies: shown.map(strategyJson) })
    return
  }
  const { width, paint } = textOptions()
  if (kind === undefined) {
    const indent = ' '.repeat(2 + Math.max(...shown.map(definition => definition.kind.length)))
    print(shown.map(({ kind, summary }) => hanging(kind.padEnd(indent.length), summary, width)).join('\n'))
    return
  }
  const { summary, reference } = shown[0]!
  const options = optionsOf(shown[0]!).flatMap(({ key, fallback, description }) => [
    '',
    `${paint('bold', key)}: ${fallback}`,
    ...wrap(description, width - 2).map(line => `  ${line}`),
  ])
  print([...wrap(summary, width), ...wrap(reference, width), ...options].join('\n'))
}

function hanging(head: string, text: string, width: number): string {
  const lines = wrap(text, Math.max(20, width - head.length))
  return lines.map((line, i) => (i === 0 ? head : ' '.repeat(head.length)) + line).join('\n')
}

interface OptionFacts {
  readonly key: string
  /** The default, as JSON. */
  readonly fallback: string
  readonly description: string
}

const propertySchema = z.looseObject({ description: z.string().default(''), default: z.json().optional() })
const optionsSchema = z.looseObject({ properties: z.record(z.string(), propertySchema).default({}) })

function optionsOf(definition: StrategyDescription): OptionFacts[] {
  const { properties } = optionsSchema.parse(z.toJSONSchema(definition.options, { io: 'input' }))
  return Object.entries(properties).map(([key, property]) => ({
    key,
    fallback: JSON.stringify(property.default ?? null),
    description: property.description,
  }))
}

function strategyJson(definition: StrategyDescription) {
  const { kind, summary, reference } = definition
  const { properties } = optionsSchema.parse(z.toJSONSchema(definition.options, { io: 'input' }))
  return { kind, summary, reference, options: properties }
}
