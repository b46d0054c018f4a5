import type { Objective } from '../../objective.ts'
import type { Split } from '../evaluator.ts'
import type { HttpOptions, Rule } from './options.ts'
import type { Expected } from './rules.ts'

/** An example made ready: what is asked, and what is expected. */
export interface Question {
  readonly id: string
  readonly prompt: string
  readonly expected: Expected
  readonly fields: Readonly<Record<string, unknown>>
  readonly where: string
}

export interface HttpPlan {
  readonly id: string
  readonly options: HttpOptions
  /** Absolute: where programs of hooks run. */
  readonly folder: string
  readonly objectives: readonly { readonly objective: Objective; readonly rule: Rule }[]
  /** Per split and objective, in the order in which candidates see them. */
  readonly questions: Readonly<Record<Split, readonly (readonly Question[])[]>>
}
