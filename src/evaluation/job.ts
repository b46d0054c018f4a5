import type { JsonValue } from '../candidate.ts'
import type { SourceReference } from '../merge/model.ts'
import type { Recipe } from '../space/recipe.ts'
import type { Split } from './evaluator.ts'
import type { ExampleRange } from './example-range.ts'

/** What crosses a thread, a process or the network: names and numbers, never weights. */
export interface EvaluationJob {
  /** For messages only: `candidate 12`, `baseline uniform`. */
  readonly label: string
  readonly recipe: Recipe
  readonly split: Split
  /** Per objective of the evaluator, the examples to score; absent: all. See `EvaluatorSession.score`. */
  readonly ranges?: readonly ExampleRange[]
}

/** What a worker needs before its first job. Plain data. */
export interface WorkerSetup {
  readonly sources: readonly SourceReference[]
  readonly evaluator: EvaluatorReference
}

export interface EvaluatorReference {
  readonly kind: string // `onnx`, ...
  readonly id: string
  /** Validated options of that kind; paths absolute. */
  readonly options: JsonValue
}
