import { z } from 'zod'
import { ConfigError, show } from '../errors.ts'
import { describeIssues, type Problem } from './issues.ts'
import type { Path, YamlSource } from './yaml.ts'

/** Collects problems, so that all are told at once. */
export class Report {
  readonly #source: YamlSource
  readonly #problems: Problem[] = []
  readonly #elsewhere: string[] = []

  constructor(source: YamlSource) {
    this.#source = source
  }

  add(problems: readonly Problem[]): void {
    this.#problems.push(...problems)
  }

  addIssues(issues: readonly z.core.$ZodIssue[], value: unknown, prefix: Path, schema: z.ZodType): void {
    const jsonSchema = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
    this.add(
      describeIssues(issues, value, jsonSchema).map(problem => ({ ...problem, path: [...prefix, ...problem.path] })),
    )
  }

  /** A complete line about something that is not in this file. */
  addLine(line: string): void {
    this.#elsewhere.push(line)
  }

  throwIfAny(): void {
    const lines = this.#problems
      .map(problem => ({ ...problem, ...this.#source.position(problem.path, problem.target) }))
      .sort((a, b) => a.line - b.line || a.column - b.column)
      .map(({ line, column, path, message }) => {
        const key = keyText(path)
        return `${this.#source.file}:${line}:${column}: ${key === '' ? '' : `${key}: `}${message}`
      })
    const all = [...new Set([...lines, ...this.#elsewhere])]
    if (all.length > 0) throw new ConfigError(all.join('\n'))
  }
}

/** `genome.groups[0].match`. */
function keyText(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    const word = /^[\w.-]{1,80}$/.test(step) ? step : show(step)
    return text === '' ? word : `${text}.${word}`
  }, '')
}
