import { z } from 'zod'
import type { Problem } from './issues.ts'

/**
 * The keys of a mergekit-evolve file besides `genome:`. They tell lm-evaluation-harness what to measure; Amalgam has evaluators for
 * that. So that such a file is read unchanged they are accepted, and what follows from them is said.
 */
export const mergekitEvolveKeys = {
  tasks: z
    .array(
      z.strictObject({
        name: z.string().describe('Name of the task.'),
        weight: z.number().default(1).describe('Its share of the sum.'),
        metric: z.string().default('acc,none').describe('Which of its metrics.'),
      }),
    )
    .optional()
    .describe('mergekit-evolve: tasks of lm-evaluation-harness. Not run by this version; give an evaluator instead.'),
  limit: z.number().min(0).optional().describe('mergekit-evolve: examples per task. No effect.'),
  num_fewshot: z.int().min(0).optional().describe('mergekit-evolve: examples in the prompt. No effect.'),
  shuffle: z.boolean().optional().describe('mergekit-evolve: shuffle the examples. No effect.'),
  random_init: z
    .boolean()
    .optional()
    .describe('mergekit-evolve: start at a random genome. Only false: searches start at the declared initial values.'),
  apply_chat_template: z.boolean().optional().describe('mergekit-evolve: chat template for prompts. No effect.'),
  fewshot_as_multiturn: z.boolean().optional().describe('mergekit-evolve: prompts as turns of a chat. No effect.'),
}

type MergekitEvolveKeys = { readonly [K in keyof typeof mergekitEvolveKeys]?: unknown }

const HARNESS_KEYS = [
  'tasks',
  'limit',
  'num_fewshot',
  'shuffle',
  'apply_chat_template',
  'fewshot_as_multiturn',
] as const

/**
 * What these keys ask for that does not exist, and what they say that has no effect.
 * @param hasEvaluator whether an evaluator is named, in the file or beside it.
 */
export function readMergekitEvolveKeys(
  file: MergekitEvolveKeys,
  hasEvaluator: boolean,
): { readonly problems: readonly Problem[]; readonly notes: readonly string[] } {
  const problems: Problem[] = []
  if (file.tasks !== undefined && !hasEvaluator) {
    problems.push({
      path: ['tasks'],
      message:
        'tasks of lm-evaluation-harness cannot be run by this version; say what to measure with "evaluator: FILE" here or "--evaluator FILE", which replaces them',
    })
  }
  if (file.random_init === true) {
    problems.push({
      path: ['random_init'],
      message:
        'a random start does not exist in this version; drop the key, give "initial" in genome.weight, or use "strategy: sobol" or "strategy: random"',
    })
  }
  const idle = HARNESS_KEYS.filter(key => file[key] !== undefined)
  const notes =
    idle.length === 0 ? [] : [`${idle.join(', ')}: read and not used; the evaluator decides what is measured.`]
  return { problems, notes }
}
