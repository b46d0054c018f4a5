import { stringify } from '../report/json.ts'
import type { TextOptions } from '../report/text-parts.ts'
import { textOptionsFor } from './terminal.ts'

/** Data, to stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${stringify(value)}\n`)
}

export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}

/** A message for people, to stderr. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

export function textOptions(): Required<TextOptions> {
  return textOptionsFor(process.stdout, process.env)
}
