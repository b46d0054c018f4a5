import type { z } from 'zod'
import { classificationTask } from './classification.ts'
import { generationTask } from './generation.ts'
import { languageModelTask } from './language-model.ts'
import { multiLabelTask } from './multi-label.ts'
import { multipleChoiceTask } from './multiple-choice.ts'
import { regressionTask } from './regression.ts'
import { retrievalTask } from './retrieval.ts'
import { segmentationTask } from './segmentation.ts'
import type { PlannedTask, TaskContext, TaskDefinition } from './task.ts'

/** The task schemas as a tuple, for a discriminated union that keeps their types. A new kind is a definition and two lines here. */
export const TASK_SCHEMAS = [
  classificationTask.options,
  multiLabelTask.options,
  regressionTask.options,
  segmentationTask.options,
  retrievalTask.options,
  languageModelTask.options,
  multipleChoiceTask.options,
  generationTask.options,
] as const

/** A definition whose type of options is its own affair. */
interface TaskKind {
  mapPaths(options: unknown, change: (path: string) => string): unknown
  plan(options: unknown, context: TaskContext): Promise<PlannedTask>
}

function taskKind<Schema extends z.ZodType>({ options: schema, mapPaths, plan }: TaskDefinition<Schema>): TaskKind {
  return {
    mapPaths: (options, change) => mapPaths(schema.parse(options), change),
    plan: (options, context) => plan(schema.parse(options), context),
  }
}

export const TASKS: ReadonlyMap<string, TaskKind> = new Map(
  Object.entries({
    classification: taskKind(classificationTask),
    multi_label: taskKind(multiLabelTask),
    regression: taskKind(regressionTask),
    segmentation: taskKind(segmentationTask),
    retrieval: taskKind(retrievalTask),
    language_model: taskKind(languageModelTask),
    multiple_choice: taskKind(multipleChoiceTask),
    generation: taskKind(generationTask),
  }),
)
